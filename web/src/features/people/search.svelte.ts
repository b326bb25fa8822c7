import { api } from '../../lib/api/client';
import type { Person } from '../../lib/api/types';
import { Problem } from '../../lib/problem';

const PAUSE_MS = 150;
const PAGE = 20;

/** A search while one types: the last question is the only one that is answered. */
export class Search {
  query = $state('');
  found: Person[] = $state.raw([]);
  active = $state(0);
  /** `found` answers this question; null before the first answer. */
  answered: string | null = $state(null);
  problem: Problem | null = $state.raw(null);
  private next: string | null = $state(null);
  private timer: ReturnType<typeof setTimeout> | undefined;
  private asking: AbortController | undefined;
  /** Enter came before the answer. */
  private hurried = false;

  /** `recent` stand there while nothing is typed. */
  constructor(
    private readonly recent: readonly Person[],
    private readonly onchoose: (person: Person) => void,
  ) {}

  asked: string = $derived(this.query.trim());
  shown: readonly Person[] = $derived.by(() => (this.asked === '' ? this.recent : this.found));
  /** False while what is shown still answers an older question: nobody means to choose from that. */
  current: boolean = $derived(this.asked === '' || this.answered === this.asked);
  /** What is shown will not change by itself, be it that no answer comes. */
  settled: boolean = $derived(this.current || this.problem !== null);
  chosen: Person | undefined = $derived(this.current ? this.shown[this.active] : undefined);
  hasMore: boolean = $derived(this.next !== null);

  typed(): void {
    this.stop();
    this.active = 0;
    this.problem = null;
    if (this.asked === '') {
      this.found = [];
      this.answered = null;
      return;
    }
    // What was found before stays until the answer comes: no flicker between two letters.
    const query = this.asked;
    if (!this.current) this.timer = setTimeout(() => void this.ask(query), PAUSE_MS);
  }

  choose(person: Person): void {
    if (this.current) this.onchoose(person);
  }

  /** The marked person; where the answer is still to come, it is asked for at once and its first is meant. */
  enter(): void {
    if (this.current) {
      if (this.chosen) this.onchoose(this.chosen);
      return;
    }
    this.hurried = true;
    if (this.asking && !this.asking.signal.aborted) return;
    clearTimeout(this.timer);
    void this.ask(this.asked);
  }

  /** The next page, when the end of the list comes into view. */
  more(): void {
    if (this.next && this.current && this.answered && !this.asking) void this.ask(this.answered, this.next);
  }

  /** One up or down, round the ends of all that is shown. */
  move(by: 1 | -1, count = this.shown.length): void {
    if (this.settled && count > 0) this.active = (this.active + by + count) % count;
  }

  stop(): void {
    clearTimeout(this.timer);
    this.hurried = false;
    this.asking?.abort();
    this.asking = undefined;
  }

  private async ask(q: string, cursor?: string): Promise<void> {
    const asking = (this.asking = new AbortController());
    this.problem = null;
    try {
      let page = await api.people({ q, cursor, limit: PAGE }, asking.signal);
      // A page may come back short, even empty, and still have a next one.
      while (page.people.length === 0 && page.next && !asking.signal.aborted) {
        page = await api.people({ q, cursor: page.next, limit: PAGE }, asking.signal);
      }
      if (asking.signal.aborted) return;
      this.asking = undefined;
      this.answer(q, page.people, page.next ?? null, cursor !== undefined);
    } catch (thrown) {
      if (asking.signal.aborted) return;
      this.asking = undefined;
      this.hurried = false;
      this.problem = Problem.from(thrown);
      // What was found for another question is not an answer to this one.
      if (cursor === undefined) [this.found, this.active] = [[], 0];
    }
  }

  private answer(q: string, people: Person[], next: string | null, further: boolean): void {
    this.found = further ? [...this.found, ...people] : people;
    this.next = next;
    this.answered = q;
    if (!further) this.active = 0;
    const [first] = people;
    if (this.hurried && first) this.onchoose(first);
    this.hurried = false;
    // Too few to scroll: nothing else would ask for the rest.
    if (this.found.length < PAGE) this.more();
  }
}
