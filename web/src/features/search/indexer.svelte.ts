/**
 * Reads the whole history into the index of the search, once: the newest
 * first, one request after the other, while somebody looks at the page. It
 * begins with the first search, and keeps the index true from then on in every
 * page, searched or not: what is deleted, edited or disappears leaves the disk.
 */
import { SvelteMap, SvelteSet } from 'svelte/reactivity';
import { untrack } from 'svelte';
import { api } from '../../lib/api/client';
import type { Message } from '../../lib/api/types';
import { clock } from '../../lib/clock';
import type { Keys } from '../../lib/keys';
import { backOff } from '../../lib/live';
import type { Reached } from '../../lib/message-index';
import { passing } from '../../lib/outbox';
import { Problem } from '../../lib/problem';
import type { Vault } from '../../lib/vault';
import type { Conversation } from '../conversations/conversation.svelte';
import type { Conversations } from '../conversations/conversations.svelte';
import { healOrExplain } from '../conversations/tools';

/** As many as the server gives at once. */
const PAGE = 200;
/** What a crash of the browser costs; each time the last segment is sealed anew. */
const PAGES_UNKEPT = 10;
/** However busy the page is, there is a next request. */
const IDLE_WITHIN = 1_000;
/** What has disappeared goes so often, whether the server could tell or not. */
const SWEEP = 10 * 60_000;
/** One tab writes; the others read what it wrote. */
const LOCK = 'entrenous-index';

export interface Around {
  vault: Pick<Vault, 'loadIndex' | 'indexMessages' | 'keepIndex' | 'search'>;
  keys: Pick<Keys, 'loadKeyring' | 'heal'>;
  conversations: Pick<Conversations, 'withHistory' | 'get'>;
  /** Of the storage. */
  owner: string;
  online: () => boolean;
  /** For the other tabs: there is more on the disk. */
  written: () => void;
}

export class Indexer {
  /** What this browser kept is in the index, so that an answer is one. */
  readonly ready: Promise<void>;
  /** Another number whenever a search may find something else. */
  grown = $state(0);
  problem: Problem | null = $state.raw(null);
  /** The conversation that is searched alone comes first. */
  wanted: string | null = $state(null);

  private readonly reached = new SvelteMap<string, Reached>();
  /** What the server will not give is not asked for again. */
  private readonly refused = new SvelteSet<string>();
  private loaded = $state(false);
  private visible = $state(!document.hidden);
  /** Works, or waits for its turn among the tabs. */
  private running = false;
  private working = false;
  private failures = 0;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private readonly sweeping: ReturnType<typeof setInterval>;
  private readonly over = new AbortController();

  private readonly all: Conversation[] = $derived.by(() => {
    const { withHistory } = this.around.conversations;
    const first = this.wanted === null ? undefined : this.around.conversations.get(this.wanted);
    return first ? [first, ...withHistory.filter((each) => each !== first)] : withHistory;
  });
  private readonly behind: Conversation | undefined = $derived(this.all.find((each) => this.isBehind(each)));
  private readonly toRead: Conversation | undefined = $derived(this.all.find((each) => !this.isWhole(each)));
  /** Reading what is old rests while nobody looks; forgetting does not. */
  private readonly due: Conversation | undefined = $derived(
    this.behind ?? (this.visible ? this.toRead : undefined),
  );

  /** In messages. */
  readonly total: number = $derived(this.all.reduce((sum, { record }) => sum + record.seq, 0));
  readonly done: number = $derived(
    this.all.reduce((sum, each) => {
      const { seq } = each.record;
      return sum + (this.isWhole(each) ? seq : Math.max(0, seq + 1 - this.firstOf(each)));
    }, 0),
  );
  /** All there is can be found. */
  readonly complete: boolean = $derived(this.loaded && !this.behind && !this.toRead);

  constructor(private readonly around: Around) {
    this.ready = this.load();
    this.sweeping = setInterval(() => void this.run(), SWEEP);
    // What has disappeared while the page was closed is still on the disk.
    this.ready.then(
      () => void this.run(),
      () => undefined,
    );
    const { signal } = this.over;
    document.addEventListener('visibilitychange', () => (this.visible = !document.hidden), { signal });
    const end = $effect.root(() => {
      $effect(() => {
        if (this.may && this.due) untrack(() => void this.run());
      });
    });
    signal.addEventListener('abort', end);
  }

  search(query: string, conversations: string[], limit: number) {
    return this.around.vault.search(query, conversations, limit);
  }

  /** Another tab has written. */
  heard(): void {
    if (!this.working) void this.load().catch(() => undefined);
  }

  stop(): void {
    clearTimeout(this.timer);
    clearInterval(this.sweeping);
    this.over.abort();
  }

  private get may(): boolean {
    return this.loaded && this.around.online() && !this.over.signal.aborted;
  }

  private firstOf({ id, record }: Conversation): number {
    return this.reached.get(id)?.first ?? record.seq + 1;
  }

  private isWhole(each: Conversation): boolean {
    return this.refused.has(each.id) || this.firstOf(each) <= 1;
  }

  /** What is in the index has changed since. */
  private isBehind({ id, record }: Conversation): boolean {
    return !this.refused.has(id) && record.rev > (this.reached.get(id)?.rev ?? record.rev);
  }

  private async load(): Promise<void> {
    const reached = await this.around.vault.loadIndex(this.around.owner);
    const there = new Set(reached.map(({ conversation }) => conversation));
    for (const id of [...this.reached.keys()]) if (!there.has(id)) this.reached.delete(id);
    for (const each of reached) this.reached.set(each.conversation, each);
    this.loaded = true;
    this.grown++;
  }

  private async run(): Promise<void> {
    if (this.running || this.over.signal.aborted) return;
    this.running = true;
    clearTimeout(this.timer);
    try {
      await navigator.locks.request(LOCK, { signal: this.over.signal }, () => this.work());
      this.failures = 0;
      this.problem = null;
    } catch (thrown) {
      if (!this.over.signal.aborted) this.failed(Problem.from(thrown));
      return;
    } finally {
      this.running = false;
    }
    if (this.may && this.due) void this.run();
  }

  private failed(problem: Problem): void {
    this.problem = problem;
    this.timer = setTimeout(() => this.may && this.due && void this.run(), backOff(this.failures++));
  }

  private async work(): Promise<void> {
    this.working = true;
    try {
      // What another tab has written while this one waited.
      await this.load();
      if (this.may && this.due) await this.around.keys.loadKeyring();
      for (let page = 1; this.may && this.due; page++) {
        await this.step(this.due);
        if (page % PAGES_UNKEPT === 0) await this.keep();
        await idle();
      }
    } finally {
      await this.keep().finally(() => (this.working = false));
    }
  }

  private async step(conversation: Conversation): Promise<void> {
    try {
      if (this.isBehind(conversation)) await this.catchUp(conversation);
      else await this.readBack(conversation);
    } catch (thrown) {
      const problem = Problem.from(thrown);
      if (passing(problem) || problem.status < 400) throw problem;
      this.refused.add(conversation.id);
    }
  }

  /** What was deleted or edited leaves the disk at once. */
  private async catchUp(conversation: Conversation): Promise<void> {
    const { id, record } = conversation;
    const { first, rev } = this.reached.get(id) as Reached;
    const { messages, next } = await api.changes(id, { changed_after: rev, limit: PAGE });
    const reached = next ?? Math.max(rev, messages.at(-1)?.rev ?? 0, record.rev);
    await this.take(conversation, { conversation: id, first, rev: reached }, messages);
    await this.keep();
  }

  private async readBack(conversation: Conversation): Promise<void> {
    const { id, record } = conversation;
    // Every message up to this one is as it was at this change, or comes again as a later one.
    const { first, rev } = this.reached.get(id) ?? { first: record.seq + 1, rev: record.rev };
    const { messages } = await api.history(id, { before: first, limit: PAGE });
    await this.take(conversation, { conversation: id, first: messages[0]?.seq ?? 1, rev }, messages);
  }

  private async take({ record }: Conversation, reached: Reached, messages: Message[]): Promise<void> {
    const { vault } = this.around;
    if (!(await vault.indexMessages(reached, messages, false))) {
      await healOrExplain(this.around, record);
      await vault.indexMessages(reached, messages, true);
    }
    this.reached.set(reached.conversation, reached);
    this.grown++;
  }

  private async keep(): Promise<void> {
    const current = await this.around.vault.keepIndex(clock.now());
    if (current) this.around.written();
    else await this.load();
  }
}

function idle(): Promise<void> {
  return new Promise((resolve) => {
    if ('requestIdleCallback' in window) requestIdleCallback(() => resolve(), { timeout: IDLE_WITHIN });
    else setTimeout(resolve);
  });
}
