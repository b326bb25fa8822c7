/**
 * How long one's own messages take from the press of "send" until the server has them, told to the server for its
 * figures. Only while a line is open all the time, by this page's own clock, and nothing of it is kept.
 */
import { api } from './api/client';
import type { Accepted } from './api/types';
import type { Live } from './live';

export class Pace {
  private readonly pressed = new Map<string, number>();

  constructor(private readonly live: Pick<Live, 'open' | 'post'>) {}

  press(id: string): void {
    if (this.live.open) this.pressed.set(id, performance.now());
  }

  acknowledged({ conversation, id, seq }: Accepted): void {
    const since = this.pressed.get(id);
    if (since === undefined) return;
    this.pressed.delete(id);
    const took = { seq, milliseconds: Math.round(performance.now() - since) };
    // What is lost is one message fewer in the figures.
    if (!this.live.post({ type: 'took', conversation, ...took }))
      void api.took(conversation, took).catch(() => undefined);
  }

  /** Another line than before: what waits was pressed when one of the two was away. */
  forget(): void {
    this.pressed.clear();
  }
}
