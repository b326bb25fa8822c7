import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import WebSocket, { WebSocketServer } from 'ws';
import type { ServerFrame } from './api/types';
import { backOff, Live } from './live';
import { Problem } from './problem';

type Answer = (request: IncomingMessage, response: ServerResponse) => void;

/** What stands between: each way passes, is refused, or is swallowed. */
let upgrade: (request: IncomingMessage, socket: Duplex, head: Buffer) => void;
let stream: Answer;
let poll: Answer;

let server: Server;
let connections: Set<Duplex>;
let sockets: WebSocketServer;
let live: Live;
let memory: Map<string, string>;
let heard: string[];
let asked: string[];
let waiters: { what: string; resolve: () => void }[];

/** As in a browser, where nobody has to listen for errors. */
class BrowserSocket extends WebSocket {
  constructor(address: string) {
    super(address);
    this.on('error', () => undefined);
  }
}

const refuse: Answer = (_, response) => response.writeHead(502).end('<html>Bad Gateway</html>');
const swallow = () => undefined;
const signedOut: Answer = (_, response) => response.writeHead(401).end('{"code":"signed_out","message":""}');
const refuseUpgrade = (_: IncomingMessage, socket: Duplex) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n');
const passUpgrade = (request: IncomingMessage, socket: Duplex, head: Buffer) =>
  sockets.handleUpgrade(request, socket, head, (opened) => sockets.emit('connection', opened));

function note(what: string): void {
  heard.push(what);
  waiters = waiters.filter((waiter) => (waiter.what === what ? (waiter.resolve(), false) : true));
}

/** A real server on a free port; the browser's WebSocket is stood in for by that of `ws`. Only time is moved. */
beforeEach(async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date'], shouldAdvanceTime: true });
  vi.stubGlobal('WebSocket', BrowserSocket);
  vi.stubGlobal('navigator', { onLine: true });
  [upgrade, stream, poll] = [passUpgrade, refuse, refuse];
  [heard, asked, waiters] = [[], [], []];
  [memory, connections] = [new Map(), new Set()];
  sockets = new WebSocketServer({ noServer: true });
  server = createServer((request, response) => {
    const url = request.url ?? '';
    asked.push(url);
    if (url.startsWith('/api/live/poll')) poll(request, response);
    else stream(request, response);
  });
  server.on('connection', (connection: Duplex) => connections.add(connection));
  server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    asked.push('upgrade');
    upgrade(request, socket, head);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  live = new Live(
    {
      event: (frame) => note(frame.type),
      connection: (state) => note(`now ${state}`),
      ended: () => note('ended'),
      unreachable: () => note('unreachable'),
    },
    `http://127.0.0.1:${port}`,
    (attempt) => (note(`retry ${attempt}`), 0),
    {
      getItem: (key) => memory.get(key) ?? null,
      setItem: (key, value) => void memory.set(key, value),
    },
  );
});

afterEach(async () => {
  live.stop();
  for (const connection of connections) connection.destroy();
  await new Promise((resolve) => server.close(resolve));
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

const next = (what: string) => new Promise<void>((resolve) => waiters.push({ what, resolve }));
const connection = () => new Promise<WebSocket>((resolve) => sockets.once('connection', resolve));
const tell = (socket: WebSocket, frame: ServerFrame) => socket.send(JSON.stringify(frame));
const ready: ServerFrame = { type: 'ready', session: 's', server_time: 0 };
const receipt: ServerFrame = { type: 'receipt', conversation: 'é', account: 'a', delivered: 1, read: 1 };

async function opened(): Promise<WebSocket> {
  const socket = connection();
  const isReady = next('ready');
  live.start();
  tell(await socket, ready);
  await isReady;
  return socket;
}

/** A stream that says `ready`; what else it says is up to the test. */
function streaming(): Promise<ServerResponse> {
  return new Promise((resolve) => {
    stream = (_, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write(`data: ${JSON.stringify(ready)}\n\n`);
      resolve(response);
    };
  });
}

/** Answers to one poll after the other; the last one is not answered. */
function polling(...answers: ServerFrame[][]): void {
  let count = 0;
  poll = (_, response) => {
    const events = answers[count++];
    if (events) response.end(JSON.stringify({ ticket: `t${count}`, events }));
  };
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
    const [good, bad] = await Promise.allSettled(
      ['good', 'bad'].map((id) => live.send('c', { id, envelope: '' })),
    );
    expect(good).toMatchObject({ value: { id: 'good', seq: 1 } });
    expect(bad).toMatchObject({ reason: { code: 'bad_envelope' } });
    expect(live.twoWay).toBe(true);
  });

  it('comes back after a close, and what waited for an answer may go again', async () => {
    const first = await opened();
    const answer = live.send('c', { id: 'm', envelope: '' });
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
    sockets.on('connection', (again: WebSocket) => {
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

  it('does not come back when the session ended', async () => {
    const socket = await opened();
    const ended = next('ended');
    asked = [];
    socket.close(4401);
    await ended;
    expect(heard.some((what) => what.startsWith('retry'))).toBe(false);
    expect(asked).toEqual([]);
    expect(live.open).toBe(false);
  });

  it('sends nothing before it is ready', async () => {
    const socket = connection();
    live.start();
    await socket;
    expect(live.post({ type: 'receipt', conversation: 'c', read: 1 })).toBe(false);
    await expect(live.send('c', { id: 'm', envelope: '' })).rejects.toBeInstanceOf(Problem);
  });

  it('is waited for beside the next way, which is given up when it opens', async () => {
    const [socket, isReady] = [connection(), next('ready')];
    const givenUp = new Promise<void>((resolve) => (stream = closes(swallow, resolve)));
    live.start();
    const slow = await socket;
    await vi.advanceTimersByTimeAsync(700);
    await vi.waitFor(() => expect(asked).toEqual(['upgrade', '/api/live/stream']));
    tell(slow, ready);
    await Promise.all([isReady, givenUp]);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(asked).toEqual(['upgrade', '/api/live/stream']);
    expect(live.twoWay).toBe(true);
  });

  it('takes over from the next way when it opens after it', async () => {
    const [socket, streams, streamReady] = [connection(), streaming(), next('ready')];
    live.start();
    const slow = await socket;
    await vi.advanceTimersByTimeAsync(700);
    await Promise.all([streams, streamReady]);
    expect([live.open, live.twoWay]).toEqual([true, false]);
    const socketReady = next('ready');
    tell(slow, ready);
    await socketReady;
    expect(live.twoWay).toBe(true);
  });

  it('is all that is used where it works', async () => {
    const socket = await opened();
    await vi.advanceTimersByTimeAsync(30 * 60_000);
    const came = next('receipt');
    tell(socket, receipt);
    await came;
    expect(asked).toEqual(['upgrade']);
  });
});

describe('where no socket can be opened', () => {
  beforeEach(() => {
    upgrade = refuseUpgrade;
  });

  it('events come over a stream, in pieces of any size, and nothing is sent over it', async () => {
    const streams = streaming();
    const [isReady, came] = [next('ready'), next('receipt')];
    live.start();
    const response = await streams;
    await isReady;
    const bytes = Buffer.from(`:\n\ndata: ${JSON.stringify(receipt)}\n\n`);
    // Also within a letter and between two line breaks.
    for (const byte of bytes) {
      await new Promise((resolve) => response.write(Buffer.of(byte), resolve));
      // One turn of the event loop: each piece is read before the next one is written.
      await new Promise((resolve) => setImmediate(resolve));
    }
    await came;
    expect(asked).toEqual(['upgrade', '/api/live/stream']);
    expect([live.open, live.twoWay]).toEqual([true, false]);
    expect(live.post({ type: 'receipt', conversation: 'c', read: 1 })).toBe(false);
    await expect(live.send('c', { id: 'm', envelope: '' })).rejects.toMatchObject({ code: 'offline' });
    expect(live.open).toBe(true);
    expect(heard).toEqual(['now online', 'ready', 'receipt']);
  });

  it.each([
    ['refused', refuse],
    ['held back', swallow],
  ])('and by polling where the stream is %s, each time with the last ticket', async (_, standsBetween) => {
    stream = standsBetween;
    polling([ready], [receipt], [], [receipt, ready]);
    const again = next('ready').then(() => next('ready'));
    live.start();
    await again;
    expect(heard).toEqual(['now online', 'ready', 'receipt', 'receipt', 'ready']);
    expect(asked.slice(0, 6)).toEqual([
      'upgrade',
      '/api/live/stream',
      '/api/live/poll',
      '/api/live/poll?ticket=t1',
      '/api/live/poll?ticket=t2',
      '/api/live/poll?ticket=t3',
    ]);
  });

  it('nobody is told that it connects, not even where everything but polls is swallowed', async () => {
    upgrade = swallow;
    stream = swallow;
    polling([ready]);
    const isReady = next('ready');
    live.start();
    await vi.advanceTimersByTimeAsync(700);
    await vi.advanceTimersByTimeAsync(700);
    await isReady;
    await vi.advanceTimersByTimeAsync(2_000);
    expect(heard).toEqual(['now online', 'ready']);
  });

  it('a better way that opens replaces the worse one, without a break', async () => {
    const streams = streaming();
    const [isReady, closed] = [
      next('ready'),
      new Promise<void>((resolve) => (stream = closes(stream, resolve))),
    ];
    live.start();
    const response = await streams;
    await isReady;
    upgrade = passUpgrade;
    const socket = connection();
    await vi.advanceTimersByTimeAsync(10_000);
    const better = await socket;
    const came = next('receipt');
    response.write(`data: ${JSON.stringify(receipt)}\n\n`);
    await came;
    expect(live.twoWay, 'the stream goes on until the socket is ready').toBe(false);
    tell(better, ready);
    await closed;
    expect(live.twoWay).toBe(true);
    expect(heard).toEqual(['now online', 'ready', 'receipt', 'now online', 'ready']);

    upgrade = refuseUpgrade;
    const again = next('ready');
    better.close(1012);
    await again;
    expect(live.twoWay).toBe(false);
    asked = [];
    await vi.advanceTimersByTimeAsync(10_000);
    await vi.waitFor(() => expect(asked, 'as soon as the first time').toEqual(['upgrade']));
  });

  it('a better one is tried again, less and less often, and not noticed', async () => {
    const streams = streaming();
    const isReady = next('ready');
    live.start();
    const response = await streams;
    await isReady;
    asked = [];
    for (const [count, wait] of [10_000, 20_000, 40_000].entries()) {
      await vi.advanceTimersByTimeAsync(wait - 1_000);
      expect(asked).toHaveLength(count);
      await vi.advanceTimersByTimeAsync(1_000);
      await vi.waitFor(() => expect(asked).toHaveLength(count + 1));
      const came = next('receipt');
      response.write(`data: ${JSON.stringify(receipt)}\n\n`);
      await came;
    }
    expect(asked).toEqual(['upgrade', 'upgrade', 'upgrade']);
    expect(heard).toEqual(['now online', 'ready', 'receipt', 'receipt', 'receipt']);
  });

  it('the way that worked is the first to be tried, also on the next page', async () => {
    stream = refuse;
    polling([ready]);
    const isReady = next('ready');
    live.start();
    await isReady;
    await vi.waitFor(() => expect(asked.at(-1)).toBe('/api/live/poll?ticket=t1'));
    live.stop();
    asked = [];
    polling([ready], [receipt]);
    const came = next('receipt');
    live.start();
    await came;
    expect(asked.slice(0, 2)).toEqual(['/api/live/poll', '/api/live/poll?ticket=t1']);
  });

  it('all is tried again when what worked does not any more', async () => {
    memory.set('live-rank', '2');
    const streams = streaming();
    const isReady = next('ready');
    live.start();
    await streams;
    await isReady;
    expect(asked).toEqual(['/api/live/poll', 'upgrade', '/api/live/stream']);
  });

  it.each(['stream', 'poll'] as const)('a %s that ends is opened again', async (way) => {
    if (way === 'poll') polling([ready]);
    const streams = way === 'stream' ? streaming() : null;
    const isReady = next('ready');
    live.start();
    const response = await streams;
    await isReady;
    const again = next('ready');
    if (response) response.end();
    else server.closeAllConnections();
    if (way === 'poll') polling([ready]);
    await again;
    expect(heard).toEqual(['now online', 'ready', 'retry 0', 'now online', 'ready']);
  });

  it('a stream that says nothing any more is left', async () => {
    const streams = streaming();
    const isReady = next('ready');
    live.start();
    const response = await streams;
    await isReady;
    const closed = new Promise((resolve) => response.once('close', resolve));
    await vi.advanceTimersByTimeAsync(59_000);
    expect(live.open).toBe(true);
    await vi.advanceTimersByTimeAsync(1_001);
    await closed;
    expect(heard).toContain('retry 0');
  });

  it('a session that ended is told from a dead line, at the first word and later', async () => {
    stream = signedOut;
    const ended = next('ended');
    live.start();
    await ended;
    expect(asked).toEqual(['upgrade', '/api/live/stream']);

    stream = refuse;
    polling([ready]);
    const isReady = next('ready');
    live.start();
    await isReady;
    const endedLater = next('ended');
    poll = signedOut;
    server.closeAllConnections();
    await endedLater;
    expect(live.open).toBe(false);
  });

  it('a 401 of somebody else on the way is no end of the session', async () => {
    stream = (_, response) => response.writeHead(401).end('<html>Who are you?</html>');
    polling([ready]);
    const isReady = next('ready');
    live.start();
    await isReady;
    expect(heard).not.toContain('ended');
  });

  it('it says when no way could be opened at all, since HTTP may know why', async () => {
    const unreachable = next('unreachable');
    live.start();
    await unreachable;
    expect(asked.slice(0, 3)).toEqual(['upgrade', '/api/live/stream', '/api/live/poll']);
    expect(heard.slice(0, 2)).toEqual(['unreachable', 'retry 0']);
  });

  it('nothing goes on after the sign-out', async () => {
    const streams = streaming();
    const isReady = next('ready');
    live.start();
    const response = await streams;
    await isReady;
    const closed = new Promise((resolve) => response.once('close', resolve));
    live.stop();
    await closed;
    await vi.advanceTimersByTimeAsync(30 * 60_000);
    expect(asked).toEqual(['upgrade', '/api/live/stream']);
    expect(heard).toEqual(['now online', 'ready']);
  });
});

/** The same answer, and a word when the other side has left. */
function closes(answer: Answer, left: () => void): Answer {
  return (request, response) => {
    response.once('close', left);
    answer(request, response);
  };
}

describe('the delay', () => {
  it('grows from one second to thirty, and is spread over all of it', () => {
    const longest = Array.from({ length: 8 }, (_, attempt) => backOff(attempt, () => 1));
    expect(longest).toEqual([1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000]);
    expect(backOff(5, () => 0)).toBe(0);
    expect(backOff(5, () => 0.5)).toBe(15_000);
  });
});
