/** One conversation: what it says, what waits to be sent, and how far each has read. */
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
import { Problem } from '../../lib/problem';
import type { Queued } from '../../lib/storage';
import type { Content } from './content';
import { History } from './history.svelte';
import { Queue } from './queue.svelte';
import { placeOf, type Pending, type Shown } from './timeline';
import type { Tools } from './tools';

export type Tick = 'waiting' | 'sent' | 'delivered' | 'read';

export class Conversation {
  record: Record = $state.raw() as Record;
  /** What the list says of it. */
  preview: Content | null = $state.raw(null);
  draft = $state('');
  identityChanged = $state(false);
  problem: Problem | null = $state.raw(null);

  readonly history: History;
  readonly queue: Queue;
  private loading: Promise<void> | null = null;

  constructor(
    private readonly tools: Tools,
    record: Record,
    synced = 0,
  ) {
    this.record = record;
    this.queue = new Queue(tools, record.id);
    this.history = new History(tools, () => this.record, synced);
  }

  get id(): string {
    return this.record.id;
  }
  get peer(): Person {
    return this.record.peer;
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
    const shown = this.shown.at(-1);
    const mine = this.record.last_message?.sender === this.tools.me;
    if (shown && shown.message.seq >= this.record.seq) {
      return { content: shown.content, mine: shown.message.sender === this.tools.me };
    }
    return this.preview && { content: this.preview, mine };
  }
  get activeAt(): number {
    return Math.max(this.record.active_at, this.pending.at(-1)?.written_at ?? 0);
  }
  get atStart(): boolean {
    return this.loaded && (this.shown[0]?.message.seq ?? 1) === 1;
  }

  tick(seq: number | null): Tick {
    if (seq === null) return 'waiting';
    const { read, delivered } = this.record.theirs;
    if (seq <= read) return 'read';
    return seq <= delivered ? 'delivered' : 'sent';
  }

  // Writing

  /** Shows the message at once; rejects only when this browser cannot keep it. */
  send(body: string): Promise<void> {
    return this.queue.add(body);
  }

  /** The envelope of what is queued; the worker takes the text from its seal, it does not pass here. */
  async seal(queued: Queued): Promise<string> {
    const { keys, vault } = this.tools;
    try {
      await keys.loadKeyring();
      const epoch = await keys.epochFor(this.record);
      this.epochChanged(epoch);
      return await vault.sealQueued(this.id, epoch.id, queued.id, queued.sealed);
    } catch (thrown) {
      this.noteIdentity(thrown);
      throw thrown;
    }
  }

  /** Mine, as the server stored it. */
  async accepted(envelope: string, { id, seq, rev, sent_at }: Accepted): Promise<void> {
    const { id: conversation } = this;
    const epoch = epochOf(envelope);
    const sender = this.tools.me;
    await this.receive({ conversation, seq, rev, id, sender, epoch, envelope, sent_at });
  }

  retry(id: string): Promise<void> {
    return this.queue.retry(id);
  }

  discard(id: string): Promise<void> {
    return this.queue.discard(id);
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
        this.loading = null;
      });
    return this.loading;
  }

  private async loadBoth(): Promise<void> {
    const { history } = this;
    const checked = this.checkIdentity();
    await history.inOrder(() => history.loadStored());
    const fresh = await api.conversation(this.id);
    this.apply(fresh);
    await history.inOrder(() => history.loadFrom(fresh));
    await checked;
  }

  /** A message from the line, or mine after its acknowledgement. Twice is once. Resolves to what is new of theirs. */
  receive(message: Message): Promise<Content | null> {
    return this.history.inOrder(async () => {
      const opened = await this.history.take(message);
      const theirs = message.sender !== this.tools.me;
      const isNew = message.seq > this.record.seq;
      const place = placeOf(message.rev, this.record.rev);
      if (place !== 'held') this.advance(message, opened);
      // What lies between counts as unread or not: the server knows.
      if (place === 'gap') this.apply(await api.conversation(this.id));
      return opened && theirs && isNew ? opened.content : null;
    });
  }

  /** Everything that changed since the last time. */
  catchUp(): Promise<void> {
    return this.history.inOrder(() => this.history.fetchChanges());
  }

  /** What the list knows moves on with it. */
  private advance(message: Message, opened: Shown | undefined): void {
    const { record } = this;
    const theirs = message.sender !== this.tools.me;
    const isNew = message.seq > record.seq;
    this.record = {
      ...record,
      seq: Math.max(record.seq, message.seq),
      rev: message.rev,
      active_at: Math.max(record.active_at, message.sent_at),
      last_message: message.seq >= record.seq ? message : record.last_message,
      unread: record.unread + (theirs && isNew && message.seq > record.mine.read ? 1 : 0),
    };
    if (opened && message.seq >= record.seq) this.preview = opened.content;
    this.confirmDelivery();
  }

  /** What the server says of the conversation as a whole; its last message is opened by the list. */
  apply(fresh: Record): void {
    const newest = fresh.rev >= this.record.rev ? fresh : this.record;
    this.record = {
      ...newest,
      peer: fresh.peer,
      epoch: later(this.record.epoch, fresh.epoch),
      mine: furthest(this.record.mine, fresh.mine),
      theirs: furthest(this.record.theirs, fresh.theirs),
    };
    this.count(newest.unread);
    // Lost on its way, with the line that carried it: marks are kept here and nowhere asked for.
    const { mine } = this.record;
    if (mine.delivered > fresh.mine.delivered || mine.read > fresh.mine.read) {
      this.tools.receipts.note(this.id, mine);
    }
  }

  // Marks

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
    if (!this.shown.some((each) => this.isTheirs(each, mine.read, seq))) return;
    // One's own words after it are no news.
    const end = this.shown.some((each) => this.isTheirs(each, seq))
      ? seq
      : (this.shown.at(-1)?.message.seq ?? seq);
    const marks = { delivered: end, read: end };
    this.record = { ...this.record, mine: furthest(mine, marks) };
    this.count(unread);
    this.tools.receipts.note(this.id, marks);
  }

  private isTheirs({ message }: Shown, after: number, to = Infinity): boolean {
    return message.sender !== this.tools.me && message.seq > after && message.seq <= to;
  }

  /** What is unread now, where `known` may be from before the last mark: counted if it is held here, else at most. */
  private count(known: number): void {
    const { seq, mine } = this.record;
    const { shown } = this;
    const held =
      (shown[0]?.message.seq ?? Infinity) <= mine.read + 1 && (shown.at(-1)?.message.seq ?? 0) >= seq;
    const unread = held
      ? shown.filter((each) => this.isTheirs(each, mine.read, seq)).length
      : Math.min(known, Math.max(0, seq - mine.read));
    this.record = { ...this.record, unread };
  }

  marked(account: string, marks: Marks): void {
    if (account !== this.tools.me) {
      this.record = { ...this.record, theirs: furthest(this.record.theirs, marks) };
      return;
    }
    // Read in another of my windows.
    this.record = { ...this.record, mine: furthest(this.record.mine, marks) };
    this.count(this.record.unread);
  }

  epochChanged(epoch: EpochSummary): void {
    this.record = { ...this.record, epoch: later(this.record.epoch, epoch) };
  }

  peerChanged(peer: Person): void {
    this.record = { ...this.record, peer };
  }

  private async checkIdentity(): Promise<void> {
    try {
      await this.tools.keys.pin(this.peer);
    } catch (thrown) {
      this.noteIdentity(thrown);
    }
  }

  private noteIdentity(thrown: unknown): void {
    if (Problem.from(thrown).code === 'identity_changed') this.identityChanged = true;
  }
}

/** Never back to an epoch that was left. */
function later(known: Record['epoch'], told: Record['epoch']): Record['epoch'] {
  return (told?.number ?? 0) > (known?.number ?? 0) ? told : known;
}

function furthest(a: Marks, b: Marks): Marks {
  return { delivered: Math.max(a.delivered, b.delivered), read: Math.max(a.read, b.read) };
}
