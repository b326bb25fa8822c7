/** All conversations of the person: the list, and where each event belongs. */
import { api } from '../../lib/api/client';
import type { Conversation as Record, Message, Person, ServerFrame } from '../../lib/api/types';
import { clock } from '../../lib/clock';
import { backOff } from '../../lib/live';
import { passing } from '../../lib/outbox';
import { Problem } from '../../lib/problem';
import { SvelteMap } from 'svelte/reactivity';
import type { Content } from './content';
import { Conversation } from './conversation.svelte';
import { openDrafts, type Written } from './draft.svelte';
import { openMessages, type Tools } from './tools';

const PAGE = 100;
/** Messages to catch up in the background, for a conversation that nobody looks at. */
const BACKGROUND = 400;
/** What this browser keeps of messages whose time is over goes so often. */
const SWEEP = 10 * 60_000;

export interface Arrival {
  from: string;
  content: Content;
}

export class Conversations {
  private readonly byId = new SvelteMap<string, Conversation>();
  private readonly fetching = new Map<string, Promise<Conversation>>();
  private refreshing: Promise<void> | null = null;
  private asked = false;
  private complete = false;
  /** A line was lost since: anything may have changed, not only where somebody wrote. */
  private missed = false;
  private failures = 0;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private sweeping: ReturnType<typeof setInterval> | undefined;
  private stopped = false;
  /** Of conversations that are not known here yet. */
  private readonly drafts = new Map<string, Written>();

  /** The list was shown once, from the storage or from the server. */
  loaded = $state(false);
  problem: Problem | null = $state.raw(null);
  /** The last new message of anybody, for the screen reader. */
  arrived: Arrival | null = $state.raw(null);

  /** All that are not put out of sight, archived ones as well. Latest activity first. */
  readonly every: Conversation[] = $derived(
    [...this.byId.values()]
      .filter((each) => each.begun && !each.record.blocked && !each.hidden)
      .sort((a, b) => b.activeAt - a.activeAt),
  );
  /** All in which something was said, wherever they are put: what is searched. Latest activity first. */
  readonly withHistory: Conversation[] = $derived(
    [...this.byId.values()].filter(({ record }) => record.seq > 0).sort((a, b) => b.activeAt - a.activeAt),
  );
  readonly archived: Conversation[] = $derived(this.every.filter((each) => each.archived));
  /** The pinned ones on top. */
  readonly list: Conversation[] = $derived(
    this.every
      .filter((each) => !each.archived)
      .sort((a, b) => Number(b.wishes.pinned ?? false) - Number(a.wishes.pinned ?? false)),
  );
  /** What asks to be looked at: nothing that is muted does. */
  readonly unread: number = $derived(
    this.list
      .filter((each) => !each.muted)
      .reduce((sum, each) => sum + each.unread + Number(each.markedUnread), 0),
  );

  constructor(private readonly tools: Tools) {}

  get me(): string {
    return this.tools.me;
  }

  get(id: string): Conversation | undefined {
    return this.byId.get(id);
  }

  /** The first paint, from what this browser kept: names and drafts at once, words as soon as they are opened. */
  async restore(): Promise<void> {
    const { storage } = this.tools;
    this.sweeping = setInterval(() => this.sweep(), SWEEP);
    await storage.expire(clock.now()).catch(ignored);
    const kept = await storage.conversations().catch(() => []);
    const drafts = await storage.drafts().then(
      (drafts) => openDrafts(this.tools, drafts),
      () => [],
    );
    for (const [id, written] of drafts) {
      // Asked from the server meanwhile, since its thread is open.
      const there = this.byId.get(id);
      if (there) there.draft.restore(written);
      else this.drafts.set(id, written);
    }
    for (const { id, record, synced } of kept) if (!this.byId.has(id)) this.make(record, synced);
    if (kept.length > 0) this.loaded = true;
    void this.openPreviews(kept.map(({ id }) => id)).catch(ignored);
    void this.bringBack();
  }

  /** What waits to be sent, and what was begun, of every conversation. */
  private async bringBack(): Promise<void> {
    const queued = await this.tools.storage.queued().catch(() => []);
    for (const id of new Set([...queued.map((each) => each.conversation), ...this.drafts.keys()])) {
      await this.ensure(id).then((conversation) => conversation.queueChanged(), ignored);
    }
  }

  /** What has disappeared is not to be found on this device either. */
  private sweep(): void {
    void this.tools.storage.expire(clock.now()).catch(ignored);
    if (this.complete) void this.tidyKeys();
  }

  private make(record: Record, synced = 0): Conversation {
    const conversation = new Conversation(this.tools, record, synced);
    const written = this.drafts.get(record.id);
    if (written) conversation.draft.restore(written);
    this.drafts.delete(record.id);
    this.byId.set(record.id, conversation);
    return conversation;
  }

  /** Before the page may go: what was typed in the last moment. */
  keepDrafts(): void {
    for (const each of this.byId.values()) each.draft.keepNow();
  }

  stop(): void {
    this.stopped = true;
    clearTimeout(this.timer);
    clearInterval(this.sweeping);
    for (const each of this.byId.values()) each.draft.stop();
  }

  /** The list as the server has it, and what changed in the conversations kept here: as of now, not of a reading under way. */
  refresh(): Promise<void> {
    clearTimeout(this.timer);
    this.asked = true;
    this.refreshing ??= this.read().finally(() => (this.refreshing = null));
    return this.refreshing;
  }

  private async read(): Promise<void> {
    while (this.asked && !this.stopped) {
      this.asked = false;
      try {
        await this.fetchPages();
        this.problem = null;
        this.failures = 0;
      } catch (thrown) {
        this.missed = true;
        this.problem = Problem.from(thrown);
        if (passing(this.problem) && this.problem.status !== 401) this.refreshLater();
      }
    }
  }

  /** Something could not be fetched, on a line that stands: no `ready` will come to ask for it again. */
  refreshLater(): void {
    clearTimeout(this.timer);
    if (!this.stopped) this.timer = setTimeout(() => void this.refresh(), backOff(this.failures++));
  }

  private async fetchPages(): Promise<void> {
    let cursor: string | undefined;
    const fetched = new Set<string>();
    const all = this.missed || !this.complete;
    this.missed = false;
    do {
      const page = await api.conversations({ cursor, limit: PAGE });
      await this.check(page.conversations);
      const changed = page.conversations.filter((fresh) => this.isNews(fresh));
      for (const fresh of page.conversations) fetched.add(this.add(fresh).id);
      this.loaded = true;
      await this.openPreviews(changed.map(({ id }) => id));
      await Promise.all(changed.map((fresh) => this.catchUp(fresh)));
      cursor = page.next ?? undefined;
      // Sorted by activity: after a page without news, the rest is as it was, save what was read elsewhere.
      const unread = this.every.some((each) => each.record.unread > 0 && !fetched.has(each.id));
      if (!all && changed.length === 0 && !unread) break;
    } while (cursor);
    this.complete = true;
    for (const each of this.every) if (!fetched.has(each.id) && each.awaitsReceipts) await each.askAgain();
  }

  /**
   * Where messages disappear, their keys go after them. `missed`: some may have gone while nothing was heard, and go
   * here too.
   */
  async tidyKeys({ missed = false } = {}): Promise<void> {
    const { keys } = this.tools;
    for (const each of [...this.byId.values()].filter(({ record }) => record.timer_seq > 0)) {
      if (this.stopped) return;
      if (missed) await keys.forgetErased(each.record).catch(ignored);
      const next = await keys.retire(each.record);
      if (next) each.epochChanged(next);
    }
  }

  private isNews(fresh: Record): boolean {
    const known = this.byId.get(fresh.id);
    if (!known || fresh.rev > known.record.rev) return true;
    if (!known.latest && !known.silence) return true;
    const { synced } = known.history;
    return synced > 0 && fresh.rev > synced;
  }

  private async catchUp(fresh: Record): Promise<void> {
    const conversation = this.byId.get(fresh.id);
    if (!conversation) return;
    const { history } = conversation;
    if (history.loaded) await history.inOrder(() => history.loadFrom(fresh));
    else if (history.synced > 0 && fresh.rev - history.synced <= BACKGROUND) await conversation.catchUp();
    else history.keep();
  }

  /** Last messages in one crossing to the worker; who has been reached is told so. */
  private async openPreviews(ids: string[]): Promise<void> {
    const conversations = ids.flatMap((id) => this.byId.get(id) ?? []);
    const messages = conversations.flatMap((each) => each.record.last_message ?? []);
    const opened = await openMessages(this.tools, messages, (id) => this.byId.get(id)?.record);
    for (const shown of opened) this.byId.get(shown.message.conversation)?.previewed(shown);
  }

  add(fresh: Record): Conversation {
    const known = this.byId.get(fresh.id);
    if (known) {
      known.apply(fresh);
      return known;
    }
    return this.make(fresh);
  }

  /** By its id; asked from the server when it is not known here. Throws `not_found`. */
  ensure(id: string): Promise<Conversation> {
    const known = this.byId.get(id);
    if (known) return Promise.resolve(known);
    let fetching = this.fetching.get(id);
    if (!fetching) {
      fetching = this.fetch(id).finally(() => this.fetching.delete(id));
      this.fetching.set(id, fetching);
    }
    return fetching;
  }

  private async fetch(id: string): Promise<Conversation> {
    const fresh = await api.conversation(id);
    await this.check([fresh]);
    const conversation = this.add(fresh);
    await this.openPreviews([id]);
    return conversation;
  }

  /** The one with this person; begun, if it was not. */
  async open(account: string): Promise<Conversation> {
    const opened = await api.openConversation(account);
    if (opened.peer.id !== account) throw new Problem('bad_answer');
    await this.check([opened]);
    return this.add(opened);
  }

  /** Whose a conversation is follows from its two people: nobody else is shown as the one that one writes with. */
  private async check(records: Record[]): Promise<void> {
    const all = records.map(({ id, peer }) => ({ id, peer: peer.id }));
    if (!(await this.tools.vault.belong(all))) throw new Problem('bad_answer');
  }

  /** One event of the line. What cannot be fetched now is fetched later. */
  on(frame: ServerFrame): void {
    switch (frame.type) {
      case 'message':
        void this.receive(frame.message).catch(() => this.refreshLater());
        break;
      case 'receipt':
        this.byId.get(frame.conversation)?.marked(frame.account, frame);
        break;
      case 'typing':
        this.byId.get(frame.conversation)?.presence.types();
        break;
      case 'presence':
        for (const each of this.byId.values()) if (each.peer.id === frame.account) each.presence.told(frame);
        break;
      case 'epoch':
        this.byId.get(frame.conversation)?.epochChanged(frame.epoch);
        break;
      case 'epoch_erased':
        void this.tools.keys.forgetEpoch(frame.conversation, frame.epoch).catch(ignored);
        break;
      case 'block':
        this.blockChanged(frame.account, frame.blocked);
        break;
      case 'keys':
        this.tools.keys.lookAgain(frame.account);
        void this.with(frame.account)?.checkIdentity();
        break;
      case 'profile':
        this.personChanged(frame.person);
        break;
    }
  }

  private async receive(message: Message): Promise<void> {
    const known = this.byId.has(message.conversation);
    const conversation = await this.ensure(message.conversation);
    const isNew = await conversation.receive(message);
    // The first words of somebody came with the conversation itself.
    const content = known || message.sender === this.me ? isNew : conversation.preview;
    if (!content) return;
    this.arrived = { from: conversation.peer.display_name, content };
    await this.tools.notices.tell(conversation, message.id, content);
  }

  /** The one with this person, if there is one already. */
  with(account: string): Conversation | undefined {
    return [...this.byId.values()].find(({ peer }) => peer.id === account);
  }

  hasBlocked(account: string): boolean {
    return this.with(account)?.record.blocked ?? false;
  }

  blockChanged(account: string, blocked: boolean): void {
    this.with(account)?.blockChanged(blocked);
  }

  /** Another identity counts of these people, as another of one's browsers has decided. */
  identitiesChanged(accounts: string[]): void {
    for (const account of accounts) void this.with(account)?.checkIdentity();
  }

  /** A line was lost, and with it what was said of keys. */
  lookAgain(): void {
    this.missed = true;
    this.tools.keys.lookAgain();
    for (const each of this.byId.values()) if (each.loaded) void each.checkIdentity();
  }

  private personChanged(person: Person): void {
    for (const each of this.byId.values()) if (each.peer.id === person.id) each.peerChanged(person);
  }

  /** The queue of a conversation changed, here or in another tab. */
  queueChanged(id: string): void {
    void this.ensure(id)
      .then((conversation) => conversation.queueChanged())
      .catch(ignored);
  }

  /** Another tab has kept a draft, or sent it. */
  draftChanged(id: string): void {
    void this.ensure(id)
      .then((conversation) => conversation.draft.changedElsewhere())
      .catch(ignored);
  }
}

/** The next `ready` of the line, or the next start, repairs it; nothing is lost by waiting. */
const ignored = () => undefined;
