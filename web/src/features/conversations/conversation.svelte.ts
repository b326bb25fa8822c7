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
  /** A new message of the other person, for the screen reader. */
  arrived: Shown | null = $state.raw(null);
  identityChanged = $state(false);
  problem: Problem | null = $state.raw(null);

  readonly history: History;
  readonly queue: Queue;
  private loading: Promise<unknown> | null = null;

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
  accepted(envelope: string, { id, seq, rev, sent_at }: Accepted): Promise<void> {
    const { id: conversation } = this;
    const epoch = epochOf(envelope);
    const sender = this.tools.me;
    return this.receive({ conversation, seq, rev, id, sender, epoch, envelope, sent_at });
  }

  retry(id: string): Promise<void> {
    return this.queue.retry(id);
  }

  discard(id: string): Promise<void> {
    return this.queue.discard(id);
  }

  // Reading

  /** From this browser's storage at once, then from the server. */
  load(): Promise<void> {
    this.loading ??= this.loadBoth().then(
      () => (this.problem = null),
      (thrown: unknown) => (this.problem = Problem.from(thrown)),
    );
    return this.loading.then(() => (this.loading = null)) as Promise<unknown> as Promise<void>;
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

  /** A message from the socket, or mine after its acknowledgement. Twice is once. */
  receive(message: Message): Promise<void> {
    return this.history.inOrder(async () => {
      const opened = await this.history.take(message);
      const place = placeOf(message.rev, this.record.rev);
      if (place !== 'held') this.advance(message, opened);
      // What lies between counts as unread or not: the server knows.
      if (place === 'gap') this.apply(await api.conversation(this.id));
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
    if (opened && theirs && isNew) this.arrived = opened;
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
      unread: this.record.mine.read >= fresh.seq ? 0 : newest.unread,
    };
  }

  // Marks

  /** The last message is opened, here or in the list: the other person may know. */
  confirmDelivery(): void {
    const { seq, mine, last_message } = this.record;
    if (seq <= mine.delivered || last_message?.sender === this.tools.me) return;
    this.record = { ...this.record, mine: furthest(mine, { delivered: seq, read: 0 }) };
    this.tools.receipts.note(this.id, { delivered: seq });
  }

  /** Seen to its end, in a window that has the focus. */
  markRead(): void {
    const { seq, mine, unread } = this.record;
    const theirsUnread = this.shown.some(
      (each) => each.message.seq > mine.read && each.message.sender !== this.tools.me,
    );
    if (unread === 0 && !theirsUnread) return;
    // What is shown may be a message ahead of the record: unless it counts as read, this would never end.
    const end = Math.max(seq, this.shown.at(-1)?.message.seq ?? 0);
    this.record = { ...this.record, unread: 0, mine: furthest(mine, { delivered: end, read: end }) };
    this.tools.receipts.note(this.id, { delivered: end, read: end });
  }

  marked(account: string, marks: Marks): void {
    if (account !== this.tools.me) {
      this.record = { ...this.record, theirs: furthest(this.record.theirs, marks) };
      return;
    }
    // Read in another of my windows.
    const mine = furthest(this.record.mine, marks);
    const unread = mine.read >= this.record.seq ? 0 : this.record.unread;
    this.record = { ...this.record, mine, unread };
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
