import { Problem } from '../../lib/problem';

/** A list that is fetched page by page, the first one at once. */
export class Pages<Item> {
  items: Item[] = $state.raw([]);
  loading = $state(false);
  problem: Problem | null = $state.raw(null);
  private next: string | null = $state.raw(null);
  private started = $state(false);
  private asked = 0;

  constructor(
    private readonly fetch: (next?: string) => Promise<{ items: Item[]; next?: string | null | undefined }>,
  ) {
    void this.more();
  }

  get isWhole(): boolean {
    return this.started && this.next === null;
  }

  async more(): Promise<void> {
    if (this.loading || this.isWhole) return;
    const asked = ++this.asked;
    this.loading = true;
    this.problem = null;
    try {
      const page = await this.fetch(this.next ?? undefined);
      if (asked !== this.asked) return;
      this.items = [...this.items, ...page.items];
      this.next = page.next ?? null;
      this.started = true;
    } catch (thrown) {
      if (asked === this.asked) this.problem = Problem.from(thrown);
    } finally {
      if (asked === this.asked) this.loading = false;
    }
  }

  /** From the first page; what was asked before is not waited for. */
  again(): Promise<void> {
    this.asked++;
    this.items = [];
    this.next = null;
    this.started = false;
    this.loading = false;
    return this.more();
  }
}
