/**
 * The three ways in which events come. Each line begins with `ready`, tells
 * what it hears, and says once that it is over; none of them tries again.
 */
import { frameOf } from './api/answers';
import type { ClientFrame, Polled, ServerFrame } from './api/types';
import { Problem } from './problem';

export interface Hearing {
  event(frame: ServerFrame): void;
  /** The last word of a line. */
  over(why: 'lost' | 'signed-out'): void;
}

export interface Line {
  /** False when nothing can be sent this way. */
  post(frame: ClientFrame): boolean;
  /** Nothing more is heard of it. */
  close(): void;
}

export type Transport = (server: string, hearing: Hearing) => Line;

const SESSION_ENDED = 4401;
/** The server says something every 25 seconds: what is silent for longer than two of them is dead. */
const SILENCE = 60_000;

/** Both ways, and the fastest; but what stands in between must know WebSockets. */
export const socket: Transport = (server, hearing) => {
  const socket = new WebSocket(`${server.replace(/^http/, 'ws')}/api/live`);
  const line: Line = {
    post(frame) {
      if (socket.readyState !== WebSocket.OPEN) return false;
      socket.send(JSON.stringify(frame));
      return true;
    },
    close() {
      socket.onmessage = socket.onclose = null;
      socket.close();
    },
  };
  socket.onmessage = ({ data }) => {
    const frame = understood(String(data));
    if (frame) return hearing.event(frame);
    line.close();
    hearing.over('lost');
  };
  socket.onclose = ({ code }) => hearing.over(code === SESSION_ENDED ? 'signed-out' : 'lost');
  return line;
};

/** A line that says what makes no sense is as good as dead. */
function understood(json: string): ServerFrame | null {
  try {
    return frameOf(JSON.parse(json));
  } catch {
    return null;
  }
}

/** Server-sent events, read with fetch: an `EventSource` cannot tell a session that ended from a dead line. */
export const stream: Transport = (server, hearing) =>
  overHttp(hearing, async (hear, signal) => {
    const { body } = await ask(`${server}/api/live/stream`, signal);
    const reader = body?.pipeThrough(new TextDecoderStream()).getReader();
    let text = '';
    for (;;) {
      const read = await within(SILENCE, reader?.read());
      if (!read || read.done) return;
      const blocks = (text + read.value).split('\n\n');
      text = blocks.pop() ?? '';
      // The others are heartbeats.
      const data = blocks.filter((block) => block.startsWith('data: '));
      for (const block of data) hear(frameOf(JSON.parse(block.slice('data: '.length))));
    }
  });

/** By asking again and again, where a proxy holds back what is not complete: each answer is. */
export const poll: Transport = (server, hearing) =>
  overHttp(hearing, async (hear, signal) => {
    let ticket: string | null = null;
    while (!signal.aborted) {
      const query: string = ticket ? `?ticket=${ticket}` : '';
      const answer = ask(`${server}/api/live/poll${query}`, signal);
      const polled = (await within(
        SILENCE,
        answer.then((response) => response.json()),
      )) as Polled;
      ticket = polled.ticket;
      for (const frame of polled.events) hear(frameOf(frame));
    }
  });

type Listening = (hear: (frame: ServerFrame) => void, signal: AbortSignal) => Promise<void>;

function overHttp(hearing: Hearing, listen: Listening): Line {
  const closed = new AbortController();
  const hear = (frame: ServerFrame) => {
    if (!closed.signal.aborted) hearing.event(frame);
  };
  const over = (thrown?: unknown) => {
    if (closed.signal.aborted) return;
    // Whatever of it is still under way is not waited for.
    closed.abort();
    hearing.over(Problem.from(thrown).code === 'signed_out' ? 'signed-out' : 'lost');
  };
  listen(hear, closed.signal).then(() => over(), over);
  return { post: () => false, close: () => closed.abort() };
}

async function ask(address: string, signal: AbortSignal): Promise<Response> {
  const response = await fetch(address, { signal, cache: 'no-store' });
  if (response.ok) return response;
  // A proxy in between answers without our shape.
  const said = (await response.json().catch(() => ({}))) as { code?: string };
  throw new Problem(said.code ?? 'unavailable', response.status);
}

function within<T>(time: number, work: Promise<T> | undefined): Promise<T | undefined> {
  let timer: ReturnType<typeof setTimeout>;
  const silence = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Problem('offline')), time);
  });
  return Promise.race([work, silence]).finally(() => clearTimeout(timer));
}
