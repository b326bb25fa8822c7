/**
 * The socket: a fast path for what the database already holds. It reconnects
 * by itself; whoever listens catches up by `rev` at each `ready`.
 */
import type { Accepted, ClientFrame, ServerFrame } from './api/types';
import { Problem } from './problem';

export type Connection = 'online' | 'connecting' | 'offline';

export interface Listener {
  event(frame: ServerFrame): void;
  connection(state: Connection): void;
  /** The session is over: no reconnection. */
  ended(): void;
  /** A connection could not be opened, which does not tell why: time to ask over HTTP. */
  unreachable(): void;
}

const SESSION_ENDED = 4401;
/** A short break is nobody's business. */
const QUIET = 2_000;
/** A network that swallows everything never says no. */
const READY_WITHIN = 15_000;
const ANSWER_WITHIN = 10_000;
/** After a sleep of this length the socket is more often dead than alive, and cannot tell. */
const SLEPT = 60_000;
const STABLE = 10_000;

/** Full jitter: after a restart of the server, its clients come back spread over the whole delay. */
export function backOff(attempt: number, random = Math.random): number {
  return random() * Math.min(30_000, 1_000 * 2 ** attempt);
}

/** A frame carries no HTTP status: whether the same may pass later is in the code. */
function statusOf(code: string): number {
  if (code === 'too_many_attempts') return 429;
  return code === 'internal' || code === 'unavailable' ? 503 : 422;
}

interface Waiting {
  resolve(accepted: Accepted): void;
  reject(problem: Problem): void;
  timer: ReturnType<typeof setTimeout>;
}

export class Live {
  private socket: WebSocket | null = null;
  private readyAt = 0;
  private attempt = 0;
  private retry: ReturnType<typeof setTimeout> | undefined;
  private deadline: ReturnType<typeof setTimeout> | undefined;
  private quiet: ReturnType<typeof setTimeout> | undefined;
  private hiddenAt = 0;
  private readonly waiting = new Map<string, Waiting>();
  private hints: AbortController | null = null;

  constructor(
    private readonly listener: Listener,
    private readonly address = () => new URL('/api/live', location.href.replace(/^http/, 'ws')).href,
    private readonly delay: (attempt: number) => number = backOff,
  ) {}

  get open(): boolean {
    return this.readyAt > 0;
  }

  start(): void {
    if (this.hints) return;
    this.hints = new AbortController();
    this.listenForHints(this.hints.signal);
    this.connect();
  }

  stop(): void {
    this.hints?.abort();
    this.hints = null;
    this.drop();
    clearTimeout(this.retry);
    clearTimeout(this.quiet);
    this.quiet = undefined;
  }

  /** Leaves a connection that may be dead, and asks anew at once. */
  reconnect(): void {
    if (!this.hints) return;
    this.attempt = 0;
    this.drop();
    this.connect();
  }

  /** Answers after the commit. Rejects with `offline` when no answer came: the same bytes can go again. */
  send(conversation: string, id: string, envelope: string): Promise<Accepted> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.settle(id)?.reject(new Problem('offline'));
        this.reconnect();
      }, ANSWER_WITHIN);
      this.waiting.set(id, { resolve, reject, timer });
      if (!this.post({ type: 'send', conversation, id, envelope })) {
        this.settle(id)?.reject(new Problem('offline'));
      }
    });
  }

  /** False when the socket is not open. */
  post(frame: ClientFrame): boolean {
    if (!this.open || this.socket?.readyState !== WebSocket.OPEN) return false;
    this.socket.send(JSON.stringify(frame));
    return true;
  }

  private connect(): void {
    clearTimeout(this.retry);
    this.quiet ??= setTimeout(() => this.listener.connection(this.broken()), QUIET);
    const socket = new WebSocket(this.address());
    this.socket = socket;
    this.deadline = setTimeout(() => this.closed(socket, 0), READY_WITHIN);
    socket.onmessage = ({ data }) => this.received(JSON.parse(String(data)) as ServerFrame);
    socket.onclose = ({ code }) => this.closed(socket, code);
  }

  private received(frame: ServerFrame): void {
    if (frame.type === 'ready') {
      clearTimeout(this.deadline);
      clearTimeout(this.quiet);
      this.quiet = undefined;
      this.readyAt = Date.now();
      this.listener.connection('online');
    } else if (frame.type === 'accepted') {
      this.settle(frame.id)?.resolve(frame);
    } else if (frame.type === 'refused') {
      this.settle(frame.id)?.reject(new Problem(frame.code, statusOf(frame.code), frame.message));
    }
    this.listener.event(frame);
  }

  private closed(socket: WebSocket, code: number): void {
    if (socket !== this.socket) return;
    const { readyAt } = this;
    this.drop();
    if (code === SESSION_ENDED) {
      this.stop();
      this.listener.ended();
      return;
    }
    if (readyAt === 0) this.listener.unreachable();
    // Opened and thrown out at once, again and again, must slow down too.
    if (readyAt > 0 && Date.now() - readyAt > STABLE) this.attempt = 0;
    this.quiet ??= setTimeout(() => this.listener.connection(this.broken()), QUIET);
    this.retry = setTimeout(() => this.connect(), this.delay(this.attempt++));
  }

  private drop(): void {
    clearTimeout(this.deadline);
    clearTimeout(this.retry);
    const { socket } = this;
    this.socket = null;
    this.readyAt = 0;
    if (socket) {
      socket.onmessage = socket.onclose = null;
      socket.close();
    }
    for (const id of [...this.waiting.keys()]) this.settle(id)?.reject(new Problem('offline'));
  }

  private settle(id: string): Waiting | undefined {
    const waiting = this.waiting.get(id);
    clearTimeout(waiting?.timer);
    this.waiting.delete(id);
    return waiting;
  }

  private broken(): Connection {
    return navigator.onLine === false ? 'offline' : 'connecting';
  }

  private listenForHints(signal: AbortSignal): void {
    if (typeof window === 'undefined') return;
    // Also at `offline`: on the server's own machine the socket opens again at once.
    for (const hint of ['online', 'offline']) addEventListener(hint, () => this.reconnect(), { signal });
    document.addEventListener('visibilitychange', () => this.visibilityChanged(), { signal });
  }

  private visibilityChanged(): void {
    if (document.hidden) this.hiddenAt = Date.now();
    else if (!this.open || Date.now() - this.hiddenAt > SLEPT) this.reconnect();
  }
}
