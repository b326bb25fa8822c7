import { problemText } from '../../i18n/problem-text';
import { api } from '../../lib/api/client';
import type { Person } from '../../lib/api/types';

const PAUSE_MS = 150;
const PAGE = 20;

/** A search while one types: the last question is the only one that is answered. */
export class Search {
  query = $state('');
  found: Person[] = $state.raw([]);
  active = $state(0);
  /** `found` answers this question; null before the first answer. */
  answered: string | null = $state(null);
  problem = $state('');
  private next: string | null = null;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private asking: AbortController | undefined;

  /** `recent` stand there while nothing is typed. */
  constructor(private readonly recent: readonly Person[]) {}

  shown: readonly Person[] = $derived.by(() => (this.query.trim() === '' ? this.recent : this.found));
  chosen: Person | undefined = $derived(this.shown[this.active]);

  typed(): void {
    this.stop();
    this.active = 0;
    this.problem = '';
    const query = this.query.trim();
    if (query === '') {
      this.found = [];
      this.answered = null;
      return;
    }
    // What was found before stays until the answer comes: no flicker between two letters.
    this.timer = setTimeout(() => void this.ask(query, undefined), PAUSE_MS);
  }

  /** The next page, when the end of the list comes into view. */
  more(): void {
    if (this.next && this.answered === this.query.trim()) void this.ask(this.answered, this.next);
  }

  /** One up or down, round the ends. */
  move(by: 1 | -1): void {
    const count = this.shown.length;
    if (count > 0) this.active = (this.active + by + count) % count;
  }

  stop(): void {
    clearTimeout(this.timer);
    this.asking?.abort();
  }

  private async ask(q: string, cursor: string | undefined): Promise<void> {
    const asking = (this.asking = new AbortController());
    // Asked once: a scroll during the answer must not ask again.
    this.next = null;
    try {
      const page = await api.people({ q, cursor, limit: PAGE }, asking.signal);
      if (asking.signal.aborted) return;
      this.found = cursor ? [...this.found, ...page.people] : page.people;
      this.next = page.next ?? null;
      this.answered = q;
    } catch (thrown) {
      if (!asking.signal.aborted) this.problem = problemText(thrown);
    }
  }
}
