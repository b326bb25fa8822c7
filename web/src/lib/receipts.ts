/**
 * How far one has received and read: a few at a time, since opening twenty
 * messages is one frame, not twenty; and again until the server has confirmed
 * it, after a crash as well.
 */
import { api } from './api/client';
import type { Marks } from './api/types';
import type { Live } from './live';
import { passing } from './outbox';
import { Problem } from './problem';
import type { Storage } from './storage';

const TOGETHER = 150;

export class Receipts {
  private readonly unconfirmed = new Map<string, Marks>();
  private readonly unsent = new Set<string>();
  private timer: ReturnType<typeof setTimeout> | undefined;
  private readonly leaving = new AbortController();

  constructor(
    private readonly live: Live,
    private readonly storage: Storage,
  ) {
    if (typeof window === 'undefined') return;
    addEventListener('pagehide', () => this.lastWords(), { signal: this.leaving.signal });
  }

  /** Marks only ever grow. */
  note(conversation: string, marks: Partial<Marks>): void {
    this.merge(conversation, marks);
    this.unsent.add(conversation);
    // The timers of a page that is out of sight may be held back for a minute.
    if (typeof document !== 'undefined' && document.hidden) queueMicrotask(() => this.flush());
    else this.timer ??= setTimeout(() => this.flush(), TOGETHER);
  }

  /** The server knows of these, from whichever tab or browser. */
  confirmed(conversation: string, marks: Marks): void {
    const due = this.unconfirmed.get(conversation);
    if (!due || due.delivered > marks.delivered || due.read > marks.read) return;
    this.unconfirmed.delete(conversation);
    this.unsent.delete(conversation);
    this.storage.dropMarks({ conversation, ...marks }).catch(ignored);
  }

  /** At each connection: what the one before may have lost, by requests, which are answered. */
  async resend(): Promise<void> {
    for (const { conversation, ...marks } of await this.storage.marks().catch(() => [])) {
      this.merge(conversation, marks);
    }
    for (const conversation of [...this.unconfirmed.keys()]) await this.post(conversation);
  }

  stop(): void {
    clearTimeout(this.timer);
    this.leaving.abort();
  }

  private flush(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    if (this.unsent.size === 0) return;
    const due = [...this.unsent].flatMap((conversation) => {
      const marks = this.unconfirmed.get(conversation);
      return marks ? [{ conversation, ...marks }] : [];
    });
    this.unsent.clear();
    this.storage.keepMarks(due).catch(ignored);
    for (const each of due) {
      if (!this.live.post({ type: 'receipt', ...each })) void this.post(each.conversation);
    }
  }

  /** The page may not live until the answer. */
  private lastWords(): void {
    for (const conversation of this.unconfirmed.keys()) void this.post(conversation, true);
  }

  private async post(conversation: string, keepalive = false): Promise<void> {
    const marks = this.unconfirmed.get(conversation);
    if (!marks) return;
    try {
      await api.receipt(conversation, marks, { keepalive });
      this.confirmed(conversation, marks);
    } catch (thrown) {
      // What is refused for good would be refused for ever.
      if (!passing(Problem.from(thrown))) this.confirmed(conversation, marks);
    }
  }

  private merge(conversation: string, { delivered = 0, read = 0 }: Partial<Marks>): void {
    const known = this.unconfirmed.get(conversation);
    this.unconfirmed.set(conversation, {
      delivered: Math.max(known?.delivered ?? 0, delivered),
      read: Math.max(known?.read ?? 0, read),
    });
  }
}

/** Only a crash would need what is kept. */
const ignored = () => undefined;
