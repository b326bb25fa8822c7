/** Receipts, a few at a time: opening twenty messages is one frame, not twenty. */
import { api } from './api/client';
import type { Marks } from './api/types';
import type { Live } from './live';
import { passing } from './outbox';
import { Problem } from './problem';

const TOGETHER = 150;

export class Receipts {
  private readonly due = new Map<string, Partial<Marks>>();
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly live: Live) {}

  /** Marks only ever grow. */
  note(conversation: string, marks: Partial<Marks>): void {
    this.merge(conversation, marks);
    this.timer ??= setTimeout(() => void this.flush(), TOGETHER);
  }

  /** Also at each reconnection: what could not be sent is sent then. */
  async flush(): Promise<void> {
    clearTimeout(this.timer);
    this.timer = undefined;
    const due = [...this.due];
    this.due.clear();
    for (const [conversation, marks] of due) {
      if (this.live.post({ type: 'receipt', conversation, ...marks })) continue;
      await api.receipt(conversation, marks).catch((thrown: unknown) => {
        if (passing(Problem.from(thrown))) this.merge(conversation, marks);
      });
    }
  }

  stop(): void {
    clearTimeout(this.timer);
    this.due.clear();
  }

  private merge(conversation: string, marks: Partial<Marks>): void {
    const known = this.due.get(conversation) ?? {};
    for (const mark of ['delivered', 'read'] as const) {
      const value = Math.max(known[mark] ?? 0, marks[mark] ?? 0);
      if (value > 0) known[mark] = value;
    }
    this.due.set(conversation, known);
  }
}
