/**
 * The line by which events come: a fast path for what the database already
 * holds. It reconnects by itself; whoever listens catches up by `rev` at each
 * `ready`. Where no WebSocket can be opened, a worse way stands in for it
 * until it can.
 */
import type { Accepted, ClientFrame, NewMessage, ServerFrame } from './api/types';
import { poll, socket, stream, type Line, type Transport } from './lines';
import { Problem } from './problem';

export type Connection = 'online' | 'connecting' | 'offline';

export interface Listener {
  event(frame: ServerFrame): void;
  connection(state: Connection): void;
  /** The session is over: no reconnection. */
  ended(): void;
  /** No way could be opened, which does not tell why: time to ask over HTTP. */
  unreachable(): void;
}

/**
 * Best first; a way's place in this list is its rank. A network that swallows
 * everything never says no, and a proxy that holds back the first words of a
 * stream for long would hold back the others too.
 */
const TRANSPORTS: { open: Transport; readyWithin: number }[] = [
  { open: socket, readyWithin: 15_000 },
  { open: stream, readyWithin: 5_000 },
  { open: poll, readyWithin: 15_000 },
];
/** The rank of the way that worked last, for the next page of this tab. */
const PROVEN = 'live-rank';

/** A short break is nobody's business. */
const QUIET = 2_000;
/**
 * How long a way is waited for before the next one is tried beside it: what
 * holds back says nothing. Two of them are less than what somebody notices.
 */
const HEAD_START = 700;
/** The one that worked last: a server under load must not be asked three times for the same. */
const PROVEN_HEAD_START = 5_000;
const ANSWER_WITHIN = 10_000;
/** On a worse way, a better one is tried again after this long, then after twice as long, and so on. */
const BETTER_AFTER = 10_000;
const BETTER_AT_LEAST_EVERY = 5 * 60_000;
/** After a sleep of this length the line is more often dead than alive, and cannot tell. */
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
  timer: Timer;
}

type Timer = ReturnType<typeof setTimeout>;

/** A line that is being opened, or the one that is open. */
interface Candidate {
  rank: number;
  line: Line;
  deadline: Timer;
}

export class Live {
  /** The one by which events come. */
  private current: Candidate | null = null;
  private readonly opening = new Set<Candidate>();
  /** Ranks that this round has not tried yet. */
  private untried: number[] = [];
  private readyAt = 0;
  private attempt = 0;
  private betterAfter = BETTER_AFTER;
  private retry: Timer | undefined;
  private headStart: Timer | undefined;
  private better: Timer | undefined;
  private quiet: Timer | undefined;
  private hiddenAt = 0;
  private readonly waiting = new Map<string, Waiting>();
  private hints: AbortController | null = null;

  constructor(
    private readonly listener: Listener,
    private readonly server = location.origin,
    private readonly delay: (attempt: number) => number = backOff,
    private readonly memory: Pick<Storage, 'getItem' | 'setItem'> = sessionStorage,
  ) {}

  /** Events come. */
  get open(): boolean {
    return this.current !== null;
  }

  /** Frames go, too. */
  get twoWay(): boolean {
    return this.current?.rank === 0;
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
    clearTimeout(this.quiet);
    this.quiet = undefined;
  }

  /** Leaves a line that may be dead, and asks anew at once. */
  reconnect(): void {
    if (!this.hints) return;
    this.attempt = 0;
    this.betterAfter = BETTER_AFTER;
    this.drop();
    this.connect();
  }

  /** Answers after the commit. Rejects with `offline` when no answer came: the same bytes can go again. */
  send(conversation: string, message: NewMessage): Promise<Accepted> {
    const { id } = message;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.settle(id)?.reject(new Problem('offline'));
        this.reconnect();
      }, ANSWER_WITHIN);
      this.waiting.set(id, { resolve, reject, timer });
      if (!this.post({ type: 'send', conversation, ...message })) {
        this.settle(id)?.reject(new Problem('offline'));
      }
    });
  }

  /** False when nothing can be sent over this line, however well events come by it. */
  post(frame: ClientFrame): boolean {
    return this.current?.line.post(frame) ?? false;
  }

  // Opening: the way that worked last, and beside it the others when it takes too long

  private connect(): void {
    this.sayIfItLasts();
    const proven = this.proven;
    const ranks = [...TRANSPORTS.keys()];
    this.untried = proven === null ? ranks : [proven, ...ranks.filter((rank) => rank !== proven)];
    this.tryNext();
  }

  private tryNext(): void {
    clearTimeout(this.headStart);
    const rank = this.untried.shift();
    if (rank === undefined) return;
    this.openLine(rank);
    const headStart = rank === this.proven ? PROVEN_HEAD_START : HEAD_START;
    this.headStart = setTimeout(() => this.tryNext(), headStart);
  }

  private openLine(rank: number): void {
    const transport = TRANSPORTS[rank];
    if (!transport) return;
    const candidate: Candidate = {
      rank,
      line: transport.open(this.server, {
        event: (frame) => this.received(candidate, frame),
        over: (why) => this.over(candidate, why),
      }),
      deadline: setTimeout(() => this.failed(candidate), transport.readyWithin),
    };
    this.opening.add(candidate);
  }

  private received(candidate: Candidate, frame: ServerFrame): void {
    if (frame.type === 'ready') this.adopt(candidate);
    else if (frame.type === 'accepted') this.settle(frame.id)?.resolve(frame);
    else if (frame.type === 'refused') {
      this.settle(frame.id)?.reject(new Problem(frame.code, statusOf(frame.code), frame.message));
    }
    this.listener.event(frame);
  }

  /** What is worse is given up; what is better and still being opened may yet replace it. */
  private adopt(candidate: Candidate): void {
    const { current } = this;
    if (candidate === current) return;
    clearTimeout(candidate.deadline);
    this.opening.delete(candidate);
    current?.line.close();
    for (const other of this.opening) if (other.rank > candidate.rank) this.discard(other);
    this.current = candidate;
    this.readyAt = Date.now();
    this.proven = candidate.rank;
    clearTimeout(this.headStart);
    clearTimeout(this.quiet);
    this.quiet = undefined;
    this.listener.connection('online');
    this.lookForBetter();
  }

  private lookForBetter(): void {
    clearTimeout(this.better);
    if (!this.current?.rank) {
      this.betterAfter = BETTER_AFTER;
      return;
    }
    this.better = setTimeout(() => {
      const tried = [...this.opening].map(({ rank }) => rank);
      const better = [...TRANSPORTS.keys()].slice(0, this.current?.rank);
      for (const rank of better) if (!tried.includes(rank)) this.openLine(rank);
      this.lookForBetter();
    }, this.betterAfter);
    this.betterAfter = Math.min(2 * this.betterAfter, BETTER_AT_LEAST_EVERY);
  }

  // Ends

  private over(candidate: Candidate, why: 'lost' | 'signed-out'): void {
    if (why === 'signed-out') {
      this.stop();
      this.listener.ended();
    } else if (candidate === this.current) {
      this.lost();
    } else {
      this.failed(candidate);
    }
  }

  private lost(): void {
    // Opened and thrown out at once, again and again, must slow down too.
    if (Date.now() - this.readyAt > STABLE) this.attempt = 0;
    this.drop();
    this.connectLater();
  }

  private failed(candidate: Candidate): void {
    this.discard(candidate);
    if (this.current) return;
    if (this.untried.length > 0) return this.tryNext();
    if (this.opening.size > 0) return;
    this.drop();
    this.listener.unreachable();
    this.connectLater();
  }

  private connectLater(): void {
    this.sayIfItLasts();
    this.retry = setTimeout(() => this.connect(), this.delay(this.attempt++));
  }

  private discard(candidate: Candidate): void {
    clearTimeout(candidate.deadline);
    this.opening.delete(candidate);
    candidate.line.close();
  }

  private drop(): void {
    for (const timer of [this.retry, this.headStart, this.better]) clearTimeout(timer);
    for (const candidate of this.opening) this.discard(candidate);
    this.current?.line.close();
    this.current = null;
    for (const id of [...this.waiting.keys()]) this.settle(id)?.reject(new Problem('offline'));
  }

  private settle(id: string): Waiting | undefined {
    const waiting = this.waiting.get(id);
    clearTimeout(waiting?.timer);
    this.waiting.delete(id);
    return waiting;
  }

  private sayIfItLasts(): void {
    this.quiet ??= setTimeout(() => this.listener.connection(this.broken()), QUIET);
  }

  private broken(): Connection {
    return navigator.onLine === false ? 'offline' : 'connecting';
  }

  private get proven(): number | null {
    const rank = Number(this.memory.getItem(PROVEN) ?? NaN);
    return rank in TRANSPORTS ? rank : null;
  }

  private set proven(rank: number) {
    this.memory.setItem(PROVEN, String(rank));
  }

  private listenForHints(signal: AbortSignal): void {
    if (typeof window === 'undefined') return;
    // Also at `offline`: on the server's own machine the line opens again at once.
    for (const hint of ['online', 'offline']) addEventListener(hint, () => this.reconnect(), { signal });
    document.addEventListener('visibilitychange', () => this.visibilityChanged(), { signal });
  }

  private visibilityChanged(): void {
    if (document.hidden) this.hiddenAt = Date.now();
    else if (!this.open || Date.now() - this.hiddenAt > SLEPT) this.reconnect();
  }
}
