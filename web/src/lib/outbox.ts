/**
 * What was written and is not yet on the server. A message keeps its id and,
 * once sealed, its bytes, so that any number of attempts, from any tab, before
 * or after a reload, is one message. In order within a conversation; one that
 * is refused for good steps aside and stays visible.
 */
import type { Accepted } from './api/types';
import { backOff } from './live';
import { Problem } from './problem';
import type { Queued, Storage } from './storage';

export interface Way {
  /** The envelope for what is queued. */
  seal(queued: Queued): Promise<string>;
  transmit(conversation: string, id: string, envelope: string): Promise<Accepted>;
  /** Shown and kept as a message of the conversation, before it leaves the queue. */
  accepted(queued: Queued, answer: Accepted): Promise<void>;
  /** The queue of this conversation is not what it was. */
  changed(conversation: string): void;
}

type Lock = (name: string, work: () => Promise<void>) => Promise<void>;

/** One tab at a time sends the messages of a conversation. */
const lockAcrossTabs: Lock = (name, work) => navigator.locks.request(name, work);

/** Whether the same bytes may well pass later. All else is an answer. */
export function passing(problem: Problem): boolean {
  return (
    problem.code === 'offline' ||
    problem.status >= 500 ||
    problem.status === 429 ||
    problem.status === 408 ||
    // The session ended: after the next log-in, it goes.
    problem.status === 401
  );
}

export class Outbox {
  private writing: Promise<void> = Promise.resolve();
  private readonly draining = new Map<string, Promise<void>>();
  private readonly asked = new Set<string>();
  private readonly failures = new Map<string, number>();
  private readonly timers = new Map<string, ReturnType<typeof setTimeout>>();
  private stopped = false;

  constructor(
    private readonly storage: Storage,
    private readonly way: Way,
    private readonly lock: Lock = lockAcrossTabs,
    private readonly delay: (attempt: number) => number = backOff,
  ) {}

  /** Resolves when it is kept, which is in the order of the calls; the sending goes on behind. */
  add(queued: Omit<Queued, 'sealed'>, sealed: Promise<string>): Promise<void> {
    const before = this.writing;
    // Its failure is reported by the promise returned; the next one does not care.
    sealed.catch(() => undefined);
    const kept = before.then(async () => this.storage.enqueue({ ...queued, sealed: await sealed }));
    this.writing = kept.catch(() => undefined);
    return kept.then(() => {
      this.way.changed(queued.conversation);
      void this.drain(queued.conversation);
    });
  }

  /** After a reconnection or a reload: everything, at once. */
  async drainAll(): Promise<void> {
    const conversations = new Set((await this.storage.queued()).map((queued) => queued.conversation));
    await Promise.all([...conversations].map((conversation) => this.drain(conversation)));
  }

  /** Sealed anew: what was wrong (an epoch, a key) may have been mended. */
  async retry(queued: Queued): Promise<void> {
    await this.storage.changeQueued(queued.id, { refused: null, envelope: null });
    this.way.changed(queued.conversation);
    await this.drain(queued.conversation);
  }

  async discard(queued: Queued): Promise<void> {
    await this.storage.dequeue(queued.id);
    this.way.changed(queued.conversation);
  }

  stop(): void {
    this.stopped = true;
    for (const timer of this.timers.values()) clearTimeout(timer);
  }

  /** Sends what waits. One run at a time; a call during a run asks for another one. */
  drain(conversation: string): Promise<void> {
    clearTimeout(this.timers.get(conversation));
    this.asked.add(conversation);
    let run = this.draining.get(conversation);
    if (!run) {
      run = this.run(conversation);
      this.draining.set(conversation, run);
    }
    return run;
  }

  private async run(conversation: string): Promise<void> {
    try {
      while (this.asked.delete(conversation) && !this.stopped) {
        await this.lock(`entrenous-outbox-${conversation}`, () => this.sendInOrder(conversation));
      }
    } catch (thrown) {
      // The queue itself could not be read or written: it may be free later.
      this.later(conversation, Problem.from(thrown));
    } finally {
      this.draining.delete(conversation);
    }
  }

  private async sendInOrder(conversation: string): Promise<void> {
    while (!this.stopped) {
      const next = await this.storage.nextQueued(conversation);
      if (!next) return;
      try {
        await this.attempt(next);
        this.failures.delete(conversation);
      } catch (thrown) {
        const problem = Problem.from(thrown);
        if (passing(problem)) return this.later(conversation, problem);
        await this.storage.changeQueued(next.id, { refused: problem.code });
        this.way.changed(conversation);
      }
    }
  }

  private async attempt(queued: Queued): Promise<void> {
    let { envelope } = queued;
    if (envelope === null) {
      envelope = await this.way.seal(queued);
      // Discarded meanwhile: nothing to send.
      if (!(await this.storage.changeQueued(queued.id, { envelope }))) return;
    }
    const answer = await this.way.transmit(queued.conversation, queued.id, envelope);
    await this.way.accepted({ ...queued, envelope }, answer);
    await this.storage.dequeue(queued.id);
    this.way.changed(queued.conversation);
  }

  private later(conversation: string, problem: Problem): void {
    if (this.stopped) return;
    const attempt = this.failures.get(conversation) ?? 0;
    this.failures.set(conversation, attempt + 1);
    const wait = Math.max(this.delay(attempt), (problem.retryAfter ?? 0) * 1_000);
    clearTimeout(this.timers.get(conversation));
    this.timers.set(
      conversation,
      setTimeout(() => void this.drain(conversation), wait),
    );
  }
}
