/** Saved messages as somebody looks through them: each is fetched when it comes into sight, a few at a time, and once. */
import { SvelteMap } from 'svelte/reactivity';
import type { Saved } from '../../lib/preferences.svelte';
import { Problem } from '../../lib/problem';
import type { Conversation } from './conversation.svelte';
import type { Conversations } from './conversations.svelte';
import type { Shown } from './timeline';

/** So many requests leave room for others on the line. */
const AT_ONCE = 4;

export type Found = { conversation: Conversation; shown: Shown | undefined } | { problem: Problem };

export class SavedMessages {
  private readonly found = new SvelteMap<string, Found>();
  private readonly wanted = new Map<string, Saved>();
  private readonly asked = new Set<string>();
  private fetching = 0;

  constructor(private readonly conversations: Pick<Conversations, 'ensure'>) {}

  of(saved: Saved): Found | undefined {
    return this.found.get(keyOf(saved));
  }

  /** It is in sight. What could not be fetched before is tried again. */
  show(saved: Saved): void {
    const key = keyOf(saved);
    if (this.asked.has(key)) return;
    this.wanted.set(key, saved);
    this.fetchNext();
  }

  /** It has gone by before it was its turn. */
  leave(saved: Saved): void {
    this.wanted.delete(keyOf(saved));
  }

  private fetchNext(): void {
    for (const [key, saved] of this.wanted) {
      if (this.fetching >= AT_ONCE) return;
      this.wanted.delete(key);
      this.asked.add(key);
      this.fetching += 1;
      void this.fetch(saved).then((found) => {
        this.found.set(key, found);
        if ('problem' in found) this.asked.delete(key);
        this.fetching -= 1;
        this.fetchNext();
      });
    }
  }

  private async fetch({ conversation: id, seq }: Saved): Promise<Found> {
    try {
      const conversation = await this.conversations.ensure(id);
      return { conversation, shown: await conversation.at(seq) };
    } catch (thrown) {
      return { problem: Problem.from(thrown) };
    }
  }
}

export const keyOf = ({ conversation, seq }: Saved) => `${conversation}/${seq}`;
