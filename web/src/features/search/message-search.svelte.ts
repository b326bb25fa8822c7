import type { Found } from '../../lib/message-index';
import { Problem } from '../../lib/problem';
import type { Session } from '../../lib/session.svelte';
import type { Indexer } from './indexer.svelte';

const PAGE = 50;
/** While history is being read, what was found is looked up again, but the list must not flicker. */
const PAUSE_MS = 400;

/** A question to the index, in one conversation or in all. What is found stays true while it is shown. */
export class MessageSearch {
  found: readonly Found[] = $state.raw([]);
  /** There are more than are shown. */
  hasMore = $state(false);
  /** `found` answers this question; null before the first answer. */
  answered: string | null = $state(null);
  problem: Problem | null = $state.raw(null);
  indexer: Indexer | null = $state.raw(null);

  private query = '';
  private limit = PAGE;
  private asking: Promise<void> | null = null;
  private stale = false;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private stopped = false;

  constructor(
    private readonly session: Pick<Session, 'indexer' | 'conversations'>,
    /** Null for all. */
    private readonly within: string | null,
    /** What is shown under the same question is another list now. */
    private readonly changed: (before: readonly Found[], after: readonly Found[]) => void = () => undefined,
  ) {}

  /** Answered at once; while an answer is on its way, the last question is the next. */
  ask(query: string): void {
    if (query !== this.query) this.limit = PAGE;
    this.query = query;
    this.problem = null;
    void this.look();
  }

  more(): void {
    this.limit += PAGE;
    void this.look();
  }

  /** The index has grown, or something in it has changed. */
  again(): void {
    if (this.query === '') return;
    this.timer ??= setTimeout(() => {
      this.timer = undefined;
      void this.look();
    }, PAUSE_MS);
  }

  stop(): void {
    this.stopped = true;
    clearTimeout(this.timer);
    if (this.indexer && this.within !== null) this.indexer.wanted = null;
  }

  private look(): Promise<void> {
    this.stale = true;
    this.asking ??= this.lookWhileStale().finally(() => (this.asking = null));
    return this.asking;
  }

  private async lookWhileStale(): Promise<void> {
    while (this.stale && !this.stopped) {
      this.stale = false;
      const { query, limit } = this;
      try {
        const indexer = await this.begin();
        const { found, more } = await indexer.search(query, this.ids(), limit);
        if (this.stopped || query !== this.query) continue;
        if (this.answered === query) this.changed(this.found, found);
        this.found = found.map((each) => this.found.find((shown) => isSame(shown, each)) ?? each);
        this.hasMore = more;
        this.answered = query;
      } catch (thrown) {
        this.problem = Problem.from(thrown);
      }
    }
  }

  /** The first question begins to read what was written before. */
  private async begin(): Promise<Indexer> {
    this.indexer ??= await this.session.indexer();
    if (this.within !== null && !this.stopped) this.indexer.wanted = this.within;
    return this.indexer;
  }

  private ids(): string[] {
    if (this.within !== null) return [this.within];
    return this.session.conversations.withHistory.map(({ id }) => id);
  }
}

/** What has not changed is not drawn again. */
const isSame = (a: Found, b: Found) =>
  a.conversation === b.conversation && a.seq === b.seq && a.excerpt === b.excerpt;
