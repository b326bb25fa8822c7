import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import WebSocket, { WebSocketServer } from 'ws';
import type { ServerFrame } from './api/types';
import { backOff, Live } from './live';
import { Problem } from './problem';

let server: WebSocketServer;
let live: Live;
let heard: string[];
let waiters: { what: string; resolve: () => void }[];

/** As in a browser, where nobody has to listen for errors. */
class BrowserSocket extends WebSocket {
  constructor(address: string) {
    super(address);
    this.on('error', () => undefined);
  }
}

/** A real server on a free port; the browser's WebSocket is stood in for by that of `ws`. */
beforeEach(async () => {
  Object.assign(globalThis, { WebSocket: BrowserSocket });
  heard = [];
  waiters = [];
  server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as { port: number };
  const say = (what: string) => {
    heard.push(what);
    waiters = waiters.filter((waiter) => (waiter.what === what ? (waiter.resolve(), false) : true));
  };
  live = new Live(
    {
      event: (frame) => say(frame.type),
      connection: (state) => say(`now ${state}`),
      ended: () => say('ended'),
      unreachable: () => say('unreachable'),
    },
    () => `ws://127.0.0.1:${port}`,
    (attempt) => (say(`retry ${attempt}`), 0),
  );
});

afterEach(async () => {
  live.stop();
  for (const socket of server.clients) socket.terminate();
  await new Promise((resolve) => server.close(resolve));
});

const next = (what: string) => new Promise<void>((resolve) => waiters.push({ what, resolve }));
const connection = () => new Promise<WebSocket>((resolve) => server.once('connection', resolve));
const tell = (socket: WebSocket, frame: ServerFrame) => socket.send(JSON.stringify(frame));
const ready: ServerFrame = { type: 'ready', session: 's', server_time: 0 };

async function opened(): Promise<WebSocket> {
  const socket = connection();
  const isReady = next('ready');
  live.start();
  tell(await socket, ready);
  await isReady;
  return socket;
}

describe('the socket', () => {
  it('answers a send with what the server said of that message', async () => {
    const socket = await opened();
    socket.on('message', (data) => {
      const { id } = JSON.parse(String(data)) as { id: string };
      if (id === 'bad')
        tell(socket, { type: 'refused', id, conversation: 'c', code: 'bad_envelope', message: '' });
      else tell(socket, { type: 'accepted', id, conversation: 'c', seq: 1, rev: 1, sent_at: 5 });
    });
    const [good, bad] = await Promise.allSettled([live.send('c', 'good', ''), live.send('c', 'bad', '')]);
    expect(good).toMatchObject({ value: { id: 'good', seq: 1 } });
    expect(bad).toMatchObject({ reason: { code: 'bad_envelope' } });
  });

  it('comes back after a close, and what waited for an answer may go again', async () => {
    const first = await opened();
    const answer = live.send('c', 'm', '');
    const second = connection();
    first.close(1012);
    await expect(answer).rejects.toMatchObject({ code: 'offline' });
    const again = next('ready');
    tell(await second, ready);
    await again;
    expect(live.open).toBe(true);
    expect(heard.filter((what) => what === 'ready')).toHaveLength(2);
  });

  it('tries more and more slowly when it is thrown out at once', async () => {
    const socket = await opened();
    server.on('connection', (again) => {
      tell(again, ready);
      again.close(1013);
    });
    const slower = next('retry 3');
    socket.close(1013);
    await slower;
    expect(heard.filter((what) => what.startsWith('retry')).slice(0, 4)).toEqual([
      'retry 0',
      'retry 1',
      'retry 2',
      'retry 3',
    ]);
  });

  it('says when a connection could not be opened at all, since HTTP may know why', async () => {
    server.on('connection', (socket) => socket.close(1011));
    const unreachable = next('unreachable');
    live.start();
    await unreachable;
    expect(heard).not.toContain('ready');
  });

  it('does not come back when the session ended', async () => {
    const socket = await opened();
    const ended = next('ended');
    let connections = 0;
    server.on('connection', () => connections++);
    socket.close(4401);
    await ended;
    expect(heard.some((what) => what.startsWith('retry'))).toBe(false);
    expect(connections).toBe(0);
    expect(live.open).toBe(false);
  });

  it('sends nothing before it is ready', async () => {
    const socket = connection();
    live.start();
    await socket;
    expect(live.post({ type: 'receipt', conversation: 'c', read: 1 })).toBe(false);
    await expect(live.send('c', 'm', '')).rejects.toBeInstanceOf(Problem);
  });
});

describe('the delay', () => {
  it('grows from one second to thirty, and is spread over all of it', () => {
    const longest = Array.from({ length: 8 }, (_, attempt) => backOff(attempt, () => 1));
    expect(longest).toEqual([1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000]);
    expect(backOff(5, () => 0)).toBe(0);
    expect(backOff(5, () => 0.5)).toBe(15_000);
  });
});
