/** One conversation: what it says, what waits to be sent, and how far each has read. */
import { t } from '../../i18n/index.svelte';
import { api } from '../../lib/api/client';
import type {
  Accepted,
  Conversation as Record,
  EpochSummary,
  Marks,
  Message,
  Person,
} from '../../lib/api/types';
import { epochOf } from '../../lib/ids';
import type { ShownKeys } from '../../lib/keys';
import type { ConversationWishes } from '../../lib/preferences.svelte';
import { Problem } from '../../lib/problem';
import type { Queued } from '../../lib/storage';
import { Draft } from './draft.svelte';
import { History } from './history.svelte';
import { now } from './now';
import { Presence } from './presence.svelte';
import { Queue } from './queue.svelte';
import { contentOf, plainText, textOf, type Content, type Opened, type Reply, type Text } from './content';
import {
  hasDisappeared,
  isNothing,
  isSet,
  placeOf,
  withChanges,
  withoutExpired,
  withoutFalseTimers,
  type Change,
  type Pending,
  type Shown,
} from './timeline';
import { openMessages, type Tools } from './tools';

/** What a message said before it was edited, and since when. */
export interface PastVersion {
  at: number;
  content: Content;
}

/** Pages in which somebody's last texts are looked for. */
const LOOKED_THROUGH = 5;

export type Tick = 'waiting' | 'sent' | 'delivered' | 'read';

export class Conversation {
  record: Record = $state.raw() as Record;
  /** What the list says of it. */
  preview: Content | null = $state.raw(null);
  identityChanged = $state(false);
  /** What the server shows as the other person's keys is not signed by them, or is somebody else's. */
  keysRefused = $state(false);
  problem: Problem | null = $state.raw(null);

  readonly history: History;
  readonly queue: Queue;
  readonly draft: Draft;
  readonly presence = new Presence();
  /** What is held, as it will be when all that waits is on the server. */
  readonly view: readonly Shown[] = $derived.by(() =>
    withoutExpired(withChanges(this.honest(this.shown), this.queue.changes, this.tools.me), now()),
  );
  /** Of the other's, what can still be read: what has disappeared unread is no news any more. */
  readonly unread: number = $derived.by(() => {
    const { last_message, mine, unread } = this.record;
    const held = this.shown.length > 0 ? this.shown.map(({ message }) => message) : [last_message];
    const gone = held.filter(
      (message) => message && this.isUnread(message, mine.read) && hasDisappeared(message, now()),
    );
    return Math.max(0, unread - gone.length);
  });
  private loading: Promise<void> | null = null;
  /** Messages that wait for their turn, and the turn. */
  private arriving: Message[] = [];
  private takingIn: Promise<Content | null> | null = null;

  constructor(
    private readonly tools: Tools,
    record: Record,
    synced = 0,
  ) {
    this.record = record;
    this.queue = new Queue(tools, record.id);
    this.draft = new Draft(tools, record.id);
    this.history = new History(tools, () => this.record, synced);
  }

  get id(): string {
    return this.record.id;
  }
  /** Who has an account no more has no name either. */
  get peer(): Person {
    const { peer } = this.record;
    return peer.gone ? { ...peer, display_name: t.leaving.gone } : peer;
  }
  get pending(): Pending[] {
    return this.queue.pending;
  }
  get shown(): Shown[] {
    return this.history.shown;
  }
  get loaded(): boolean {
    return this.history.loaded;
  }
  /** The last words, for the list: what waits to be sent, or the newest message. */
  get latest(): { content: Content; mine: boolean } | null {
    const waiting = this.pending.at(-1);
    if (waiting) return { content: waiting.content, mine: true };
    const shown = this.view.findLast(({ content }) => !isNothing(content));
    const mine = this.record.last_message?.sender === this.tools.me;
    if (shown && (this.shown.at(-1)?.message.seq ?? 0) >= this.record.seq) {
      return { content: shown.content, mine: shown.message.sender === this.tools.me };
    }
    const { preview } = this;
    const { last_message } = this.record;
    if (!preview || isNothing(preview) || (last_message?.expires_at ?? Infinity) <= now()) return null;
    const said = last_message
      ? this.honest([{ message: last_message, content: preview, reactions: [] }])
      : [];
    return { content: said[0]?.content ?? preview, mine };
  }
  /** Why there are no last words, where there were some. */
  get silence(): 'expired' | 'hidden' | 'lost' | null {
    const { last_message } = this.record;
    if (this.latest || !last_message) return null;
    if (hasDisappeared(last_message, now())) return 'expired';
    if (this.preview?.type === 'lost') return 'lost';
    return last_message.hidden ? 'hidden' : null;
  }
  get activeAt(): number {
    const { seq, active_at } = this.record;
    return Math.max(active_at, this.pending.at(-1)?.written_at ?? 0, seq === 0 ? this.draft.at : 0);
  }
  /** A conversation begins with its first message, be it one that is only begun. */
  get begun(): boolean {
    return this.record.seq > 0 || this.pending.length > 0 || !this.draft.empty;
  }

  // In one's list

  get wishes(): ConversationWishes {
    return this.tools.preferences.of(this.id);
  }
  get muted(): boolean {
    return (this.wishes.muted ?? 0) > now();
  }
  /** It comes back with the next message, unless it is muted. */
  get archived(): boolean {
    const { archived } = this.wishes;
    return archived !== undefined && (this.muted || !this.hasGoneOn(archived));
  }
  get hidden(): boolean {
    const { hidden } = this.wishes;
    return hidden !== undefined && !this.hasGoneOn(hidden) && this.draft.empty;
  }
  get markedUnread(): boolean {
    return this.wishes.unread === true && this.unread === 0;
  }

  private hasGoneOn(seq: number): boolean {
    return this.record.seq > seq || this.pending.length > 0;
  }

  /** What this browser cannot keep is not changed. */
  wish(wishes: ConversationWishes): void {
    // What has come back from the archive is not in it any more, muted or not.
    const archived = this.archived ? this.wishes.archived : undefined;
    void this.tools.preferences.change(this.id, { archived, ...wishes }).catch(ignored);
  }

  private honest(shown: readonly Shown[]): readonly Shown[] {
    return withoutFalseTimers(shown, this.record);
  }

  get atStart(): boolean {
    // Before what was lost there is nothing else.
    const [first] = this.shown;
    return this.loaded && ((first?.message.seq ?? 1) === 1 || first?.content.type === 'lost');
  }

  tick(seq: number | null): Tick {
    if (seq === null) return 'waiting';
    const { read, delivered } = this.record.theirs;
    if (seq <= read) return 'read';
    return seq <= delivered ? 'delivered' : 'sent';
  }

  /** Its thread is open here. Returns what ends that. */
  watch(): () => void {
    const { attendance } = this.tools;
    attendance.watch(this.id);
    return () => {
      attendance.unwatch(this.id);
      this.presence.forget();
    };
  }

  // Writing

  /** The person has changed what stands in the composer. */
  typed(): void {
    if (!this.draft.empty) this.tools.attendance.type(this.id);
  }

  /** Shows the message at once; rejects only when this browser cannot keep it, and then the composer has it again. */
  async send(text: string): Promise<void> {
    const { draft, queue } = this;
    this.tools.attendance.wrote(this.id);
    const taken = { ...draft.take(), text };
    const content = textOf(text, taken.reply, taken.forwarded);
    try {
      if (taken.edits) await queue.change({ kind: 'edit', target: taken.edits }, content, draft.sealed());
      else await queue.add(content, taken.replaces, draft.sealed());
      draft.sent();
    } catch (thrown) {
      const gone = Problem.from(thrown).code === 'not_waiting';
      draft.giveBack(gone ? { ...taken, replaces: null, forwarded: false } : taken);
      throw thrown;
    }
  }

  /** Words from another conversation, as one's own message; what is being written here stays. */
  async forward(bodies: string[]): Promise<void> {
    for (const body of bodies) await this.queue.add(textOf(body, null, true), null);
  }

  /** New messages disappear after so many milliseconds, for both; with 0 no longer. */
  setTimer(after: number): Promise<void> {
    return this.queue.add({ type: 'timer', after }, null);
  }

  /** The envelope of what is queued; the worker takes the text from its seal, it does not pass here. */
  seal({ id, sealed, about }: Queued): Promise<string> {
    return this.underEpoch((epoch) => this.tools.vault.sealQueued(this.id, epoch, id, sealed, about));
  }

  /** The envelope of a message that does not wait here. */
  sealMessage(id: string, said: Text): Promise<string> {
    return this.underEpoch((epoch) => this.tools.vault.sealMessage(this.id, epoch, id, plainText(said)));
  }

  private async underEpoch(seal: (epoch: string) => Promise<string>): Promise<string> {
    const { keys } = this.tools;
    try {
      await keys.loadKeyring();
      const epoch = await keys.epochFor(this.record);
      this.epochChanged(epoch);
      return await seal(epoch.id);
    } catch (thrown) {
      this.noteIdentity(thrown);
      throw thrown;
    }
  }

  /** Mine, as the server stored it. */
  async accepted(envelope: string, { id, seq, rev, sent_at, expires_at }: Accepted): Promise<void> {
    const { id: conversation } = this;
    const epoch = epochOf(envelope);
    const sender = this.tools.me;
    await this.receive({ conversation, seq, rev, id, sender, epoch, envelope, sent_at, expires_at });
  }

  /** What was done to a message is stored: it is shown so, before it leaves the queue. */
  async changed({ rev }: Accepted): Promise<void> {
    const { history } = this;
    await history.inOrder(async () => {
      if (history.synced > 0 && history.synced < rev) await history.fetchChanges();
    });
  }

  /** In the place of one's reaction, if there is one; null takes it back. */
  react(target: string, emoji: string | null): Promise<void> {
    if (emoji === null) return this.queue.change({ kind: 'unreaction', target }, null);
    return this.queue.change({ kind: 'reaction', target }, { type: 'reaction', emoji });
  }

  /** For both, with all it ever said. */
  remove(target: string): Promise<void> {
    if (this.draft.edits === target) this.draft.layDown();
    return this.queue.change({ kind: 'deletion', target }, null);
  }

  /** A refused message as it is, under a new id: sealed anew, its bytes are others. */
  async retry(id: string): Promise<void> {
    const text = this.refusedText(id);
    if (text !== null) await this.queue.add(text, id).catch(ignored);
  }

  /** A message of one's own into the composer: one that was refused, to be sent anew, or one that was sent. */
  edit(id: string): void {
    const refused = this.refusedText(id);
    const sent = this.view.find(({ message }) => message.id === id && message.sender === this.tools.me);
    if (refused) this.draft.takeUp({ replaces: id }, refused);
    else if (sent?.content.type === 'text') this.draft.takeUp({ edits: id }, sent.content);
  }

  /** The latest of one's own. */
  editLast(): void {
    const refused = this.pending.findLast((each) => each.refused !== null);
    // One that is still on its way is the latest, and cannot be changed yet: rather nothing than the one before it.
    const stored = new Set(this.view.map(({ message }) => message.id));
    if (!refused && this.pending.some(({ id }) => !stored.has(id))) return;
    const isMine = ({ message, content }: Shown) =>
      message.sender === this.tools.me && content.type === 'text';
    const last = refused?.id ?? this.view.findLast(isMine)?.message.id;
    if (last) this.edit(last);
  }

  /** The next message answers this one. */
  reply({ id, seq }: Reply): void {
    this.draft.answer({ id, seq });
  }

  /** The other person's last texts, the newest first, from as far back as they are looked for. */
  async theirTexts(count: number): Promise<{ message: Message; body: string }[]> {
    const found: { message: Message; body: string }[] = [];
    let before: number | undefined;
    for (let page = 0; page < LOOKED_THROUGH && found.length < count; page++) {
      const { messages, next } = await api.history(this.id, { before, limit: 200 });
      const opened = await openMessages(this.tools, messages, () => this.record);
      for (const { message, content } of opened.reverse()) {
        if (message.sender === this.peer.id && content.type === 'text')
          found.push({ message, body: content.body });
      }
      if (next === undefined || next === null) break;
      before = next;
    }
    return found.slice(0, count);
  }

  /** The oldest first. */
  async versions(id: string): Promise<PastVersion[]> {
    const message = this.view.find((each) => each.message.id === id)?.message;
    if (!message) return [];
    const { versions } = await api.versions(this.id, id);
    const opened = await this.tools.vault.openVersions(message, versions);
    return versions.map(({ at }, number) => ({ at, content: contentOf(opened[number] as Opened) }));
  }

  /** What was to be done to this message and was refused. */
  refusedChange(target: string): Change | undefined {
    return this.queue.changes.find(({ about, refused }) => about.target === target && refused !== null);
  }

  /** The words of an edit that was refused, into the composer: its message cannot say them. */
  async takeBack(id: string): Promise<void> {
    const content = this.queue.changes.find((each) => each.id === id)?.content;
    if (content?.type !== 'text') return;
    this.draft.takenUp += 1;
    await this.draft.add(content.body);
    await this.queue.discard(id).catch(ignored);
  }

  /** Held here, or fetched. */
  async at(seq: number): Promise<Shown | undefined> {
    const held = this.view.find(({ message }) => message.seq === seq);
    if (held) return held;
    const fetched = await this.history.fetchOne(seq);
    return fetched && withoutExpired(this.honest([fetched]), now())[0];
  }

  /** The message that another one answers. Null when it is not there, or is another. */
  async find({ id, seq }: Reply): Promise<Shown | null> {
    const found = await this.at(seq);
    return found?.message.id === id ? found : null;
  }

  discard(id: string): Promise<void> {
    return this.queue.discard(id);
  }

  private refusedText(id: string): Text | null {
    const content = this.pending.find((each) => each.id === id && each.refused !== null)?.content;
    return content?.type === 'text' ? content : null;
  }

  /** The queue changed, here or in another tab. */
  async queueChanged(): Promise<void> {
    await this.queue.refresh();
    this.clearArrived();
    const { replaces } = this.draft;
    if (replaces !== null && !this.pending.some(({ id }) => id === replaces)) this.draft.release();
  }

  /** What counts as refused and is in the thread all the same, after an answer that was lost, is not unsent. */
  private clearArrived(): void {
    const held = new Set(this.shown.map(({ message }) => message.id));
    for (const { id, refused } of this.pending) {
      if (refused !== null && held.has(id)) void this.queue.discard(id).catch(ignored);
    }
  }

  // Reading

  /** From this browser's storage at once, then from the server. What went wrong is in `problem`. */
  load(): Promise<void> {
    this.loading ??= this.loadBoth()
      .then(
        () => (this.problem = null),
        (thrown: unknown) => (this.problem = Problem.from(thrown)),
      )
      .then(() => {
        this.clearArrived();
        this.loading = null;
      });
    return this.loading;
  }

  private async loadBoth(): Promise<void> {
    const { history } = this;
    const checked = this.checkIdentity();
    await history.inOrder(() => history.loadStored());
    const fresh = await this.askAgain();
    await history.inOrder(() => history.loadFrom(fresh));
    await checked;
  }

  /**
   * A message from the line, or mine after its acknowledgement. Twice is once. Many that come at once are taken
   * in together; the first call resolves to the newest of theirs among them, if it is new.
   */
  receive(message: Message): Promise<Content | null> {
    if (message.sender === this.peer.id && message.seq > this.record.seq) this.presence.wrote();
    this.arriving.push(message);
    if (this.takingIn) return this.takingIn.then(() => null);
    this.takingIn = this.history.inOrder(() => {
      const messages = this.arriving.sort((a, b) => a.rev - b.rev);
      this.arriving = [];
      this.takingIn = null;
      return this.takeIn(messages);
    });
    return this.takingIn;
  }

  private async takeIn(messages: Message[]): Promise<Content | null> {
    const opened = await this.history.take(messages);
    let news: Shown | null = null;
    let missing = false;
    for (const message of messages) {
      const shown = opened.get(message.seq);
      const theirs = message.sender !== this.tools.me;
      const isNews = theirs && message.seq > this.record.seq;
      if (isNews && shown && !isNothing(shown.content)) news = shown;
      const place = placeOf(message.rev, this.record.rev);
      missing ||= place === 'gap';
      if (place !== 'held') missing = this.advance(message, shown) || missing;
      if (!theirs) this.clearArrived();
    }
    // What lies between counts as unread or not, and a timer is set or not: the server knows.
    if (missing) await this.askAgain();
    return news && (this.honest([news])[0]?.content ?? null);
  }

  /** Everything that changed since the last time. */
  async catchUp(): Promise<void> {
    await this.history.inOrder(() => this.history.fetchChanges());
    this.clearArrived();
  }

  /** What the list knows moves on with it. True when the server has to be asked what holds now. */
  private advance(message: Message, opened: Shown | undefined): boolean {
    const { record } = this;
    const theirs = message.sender !== this.tools.me;
    const isNew = message.seq > record.seq;
    const { read } = record.mine;
    const added = isNew && this.isUnread(message, read);
    const gone = !isNew && theirs && !message.hidden && message.seq > read && isSaidToBeGone(message);
    this.record = {
      ...record,
      seq: Math.max(record.seq, message.seq),
      rev: message.rev,
      active_at: Math.max(record.active_at, message.sent_at),
      last_message: message.seq >= record.seq ? message : record.last_message,
    };
    this.count(record.unread + Number(added) - Number(gone));
    const timed = this.noteTimer(message, opened?.content);
    if (opened && message.seq >= record.seq) this.preview = opened.content;
    this.confirmDelivery();
    return timed;
  }

  /** It says how long messages stay from here on; whether they do, the server says in a moment. */
  private noteTimer(message: Message, content: Content | undefined): boolean {
    const { seq } = message;
    if (content?.type !== 'timer' || seq <= this.record.timer_seq) return false;
    const said = { timer: content.after, timer_seq: seq };
    if (!isSet(message, content.after, said)) return false;
    this.record = { ...this.record, ...said };
    return true;
  }

  /** What the server says of the conversation as a whole. Whoever asked opens its last message, too. */
  apply(fresh: Record): void {
    const newest = fresh.rev >= this.record.rev ? fresh : this.record;
    const renamed = fresh.peer.handle !== this.peer.handle;
    this.record = {
      ...newest,
      peer: fresh.peer,
      epoch: later(this.record.epoch, fresh.epoch),
      mine: furthest(this.record.mine, fresh.mine),
      theirs: furthest(this.record.theirs, fresh.theirs),
    };
    this.count(newest.unread);
    this.tools.receipts.confirmed(this.id, fresh.mine);
    // A handle never changes, and stands in the keys.
    if (renamed) void this.checkIdentity();
  }

  /** Every state is later than the one before: the server was restored from a backup, or lies. */
  private startAnew(fresh: Record): void {
    this.record = fresh;
    this.history.startAnew();
    void this.history.inOrder(() => this.history.loadFrom(fresh)).catch(ignored);
  }

  // Marks

  /** The other person has read on, perhaps, while nobody could tell. */
  get awaitsReceipts(): boolean {
    const { seq, theirs, last_message } = this.record;
    return this.loaded && last_message?.sender === this.tools.me && theirs.read < seq;
  }

  /** How the server has it now, with its last words. */
  async askAgain(): Promise<Record> {
    const known = Math.max(this.record.rev, this.history.synced);
    const fresh = await api.conversation(this.id);
    if (fresh.peer.id !== this.peer.id) throw new Problem('bad_answer');
    if (fresh.rev < known) this.startAnew(fresh);
    else this.apply(fresh);
    const last = fresh.last_message ? [fresh.last_message] : [];
    for (const opened of await openMessages(this.tools, last, () => this.record)) this.previewed(opened);
    return fresh;
  }

  /** The last message was opened. */
  previewed({ message, content }: Shown): void {
    // A newer one may have come meanwhile.
    if ((this.record.last_message?.rev ?? 0) <= message.rev) this.preview = content;
    this.confirmDelivery();
  }

  /** The last message is opened, here or in the list: the other person may know. */
  confirmDelivery(): void {
    const { seq, mine, last_message } = this.record;
    if (seq <= mine.delivered || last_message?.sender === this.tools.me) return;
    this.record = { ...this.record, mine: furthest(mine, { delivered: seq, read: 0 }) };
    this.tools.receipts.note(this.id, { delivered: seq });
  }

  /** Seen down to the message `seq`, in a window that has the focus. */
  markRead(seq: number): void {
    const { mine, unread } = this.record;
    if (!this.shown.some(({ message }) => this.isUnread(message, mine.read, seq))) return;
    // One's own words after it are no news.
    const end = this.shown.some(({ message }) => this.isUnread(message, seq))
      ? seq
      : (this.shown.at(-1)?.message.seq ?? seq);
    const marks = { delivered: end, read: end };
    this.record = { ...this.record, mine: furthest(mine, marks) };
    this.count(unread);
    this.tools.receipts.note(this.id, marks);
  }

  /** All that there is, seen or not. */
  markAllRead(): void {
    const { seq, mine } = this.record;
    const marks = { delivered: seq, read: seq };
    this.record = { ...this.record, mine: furthest(mine, marks), unread: 0 };
    this.tools.receipts.note(this.id, marks);
  }

  /** As the server counts. */
  private isUnread(message: Message, after: number, to = Infinity): boolean {
    const { sender, hidden, seq } = message;
    return sender !== this.tools.me && !hidden && !isSaidToBeGone(message) && seq > after && seq <= to;
  }

  /** What is unread now, where `known` may be from before the last mark: counted if it is held here, else at most. */
  private count(known: number): void {
    const { seq, mine } = this.record;
    const { shown } = this;
    const held =
      (shown[0]?.message.seq ?? Infinity) <= mine.read + 1 && (shown.at(-1)?.message.seq ?? 0) >= seq;
    const unread = held
      ? shown.filter(({ message }) => this.isUnread(message, mine.read, seq)).length
      : Math.max(0, Math.min(known, seq - mine.read));
    this.record = { ...this.record, unread };
  }

  marked(account: string, marks: Marks): void {
    if (account !== this.tools.me) {
      this.record = { ...this.record, theirs: furthest(this.record.theirs, marks) };
      return;
    }
    // Read here, or in another of my windows.
    this.tools.receipts.confirmed(this.id, marks);
    this.record = { ...this.record, mine: furthest(this.record.mine, marks) };
    this.count(this.record.unread);
  }

  epochChanged(epoch: EpochSummary): void {
    this.record = { ...this.record, epoch: later(this.record.epoch, epoch) };
  }

  blockChanged(blocked: boolean): void {
    this.record = { ...this.record, blocked };
  }

  peerChanged(peer: Person): void {
    const renamed = peer.handle !== this.peer.handle;
    this.record = { ...this.record, peer };
    if (renamed) void this.checkIdentity();
  }

  // The other person's identity

  /** When the two compared their safety numbers; null if they did not. */
  get verifiedAt(): number | null {
    return this.tools.trust.verifiedAt(this.peer.id);
  }

  /** Whether the keys that the server shows are the ones that count here. */
  async checkIdentity(): Promise<void> {
    if (this.peer.gone) return;
    try {
      await this.tools.keys.pin(this.peer);
      await this.tools.trust.look([this.peer.id]);
    } catch (thrown) {
      return this.noteIdentity(thrown);
    }
    this.keysRefused = false;
    if (this.identityChanged) await this.trusted();
  }

  /** Another identity that shows now, with its number. Nothing is decided yet. */
  shownKeys(): Promise<ShownKeys> {
    return this.tools.keys.shown(this.peer);
  }

  /** To whom these keys belong one writes from now on. */
  async accept(shown: ShownKeys): Promise<void> {
    const { trust } = this.tools;
    await trust.accept(this.peer, shown, this.record);
    await this.trusted();
  }

  /** Here, or in another of one's browsers: what came under it meanwhile is opened, and what waited is sent. */
  private async trusted(): Promise<void> {
    this.identityChanged = false;
    await this.history.openAgain().catch(ignored);
    await this.askAgain().catch(ignored);
    void this.tools.outbox.drain(this.id).catch(ignored);
  }

  private noteIdentity(thrown: unknown): void {
    const { code } = Problem.from(thrown);
    if (code === 'bad_key_bundle') this.keysRefused = true;
    if (code !== 'identity_changed') return;
    this.identityChanged = true;
    void this.tools.trust.look([this.peer.id]).catch(ignored);
  }
}

/** The queue is read again at the next change of it. */
const ignored = () => undefined;

/** The server has told that its time is over. */
const isSaidToBeGone = ({ deleted_at, expires_at }: Message) =>
  Boolean(expires_at) && (deleted_at ?? 0) >= (expires_at ?? Infinity);

/** Never back to an epoch that was left; the same one may be closed by now. */
function later(known: Record['epoch'], told: Record['epoch']): Record['epoch'] {
  return (told?.number ?? 0) >= (known?.number ?? 0) ? told : known;
}

function furthest(a: Marks, b: Marks): Marks {
  return { delivered: Math.max(a.delivered, b.delivered), read: Math.max(a.read, b.read) };
}
