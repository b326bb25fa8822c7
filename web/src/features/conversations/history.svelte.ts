/**
 * The messages of one conversation that this browser holds: always one run
 * without a gap, up to the newest unless it is `detached`. Read from the storage first, then from the server.
 */
import { api } from '../../lib/api/client';
import type { Conversation as Record, Message } from '../../lib/api/types';
import { contiguous, contradicts, merge, placeOf, withoutRepeats, type Shown } from './timeline';
import { openMessages, type Tools } from './tools';

const PAGE = 60;
/** So far back it is paged to; further, what is held is replaced. */
const NEAR = 200;
const CHANGES = 200;
/** Beyond this, starting anew from the end is quicker than catching up. */
const TOO_FAR_BEHIND = 400;

export class History {
  /** Opened messages, oldest first. */
  shown: Shown[] = $state.raw([]);
  /** There is something to show, be it that there is nothing. */
  loaded = $state(false);

  /** What is held ends before the newest message: somebody has gone back to an old one. */
  detached = $state(false);

  /** The server gives nothing before what is held, and that is not the beginning. */
  startMissing = $state(false);
  /** Changes come page by page, by their `rev`: until the last of them, what is held may have holes. */
  catchingUp = $state(false);
  /** The server has taken back what it said before: of a message, whose first state stands, or of all of them. */
  takenBack: 'contradiction' | 'went_back' | null = $state(null);

  private pagingBack: Promise<void> | null = null;
  private pagingOn: Promise<void> | null = null;
  private work: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly tools: Tools,
    private readonly record: () => Record,
    /** Every change up to this `rev` is in `shown` or in the storage; 0 before the first page. */
    public synced: number,
  ) {}

  private get id(): string {
    return this.record().id;
  }

  /** What was kept here, for the first paint. */
  async loadStored(): Promise<void> {
    if (this.loaded || this.synced === 0) return;
    const stored = contiguous(await this.tools.storage.messages(this.id, Infinity, PAGE).catch(() => []));
    if (stored.length === 0) return;
    this.shown = withoutRepeats(merge(this.shown, await this.open(stored)));
    this.loaded = true;
  }

  /** Up to the server's state: what changed since, or the newest page when that is quicker. */
  async loadFrom(fresh: Record): Promise<void> {
    const anew = this.shown.length === 0 || fresh.rev - this.synced > TOO_FAR_BEHIND;
    // What is held of old messages is of before the changes.
    if (anew && this.detached) this.shown = [];
    if (anew) await this.loadEnd(fresh);
    else if (fresh.rev > this.synced) await this.fetchChanges();
    this.loaded = true;
  }

  /** `fresh` was read before the page, so every change up to its `rev` is in it. */
  private async loadEnd(fresh: Record): Promise<void> {
    const page = await api.history(this.id, { limit: PAGE });
    const messages = this.sound(
      page.messages,
      this.shown.map(({ message }) => message),
    );
    this.shown = withoutRepeats(await this.open(messages));
    this.detached = false;
    this.startMissing = false;
    this.synced = fresh.rev;
    await this.tools.storage.dropMessages(this.id).catch(() => undefined);
    this.keep(messages);
  }

  /** The server shows an earlier state of the conversation: what it has is all that there is, and what was held of later ones is not. */
  startAnew(): void {
    this.takenBack = 'went_back';
    this.shown = [];
    this.synced = 0;
  }

  /** What contradicts what is known is not taken. */
  private sound(messages: Message[], known: Message[]): Message[] {
    const bySeq = new Map(known.map((message) => [message.seq, message]));
    return messages.map((message) => {
      const before = bySeq.get(message.seq);
      if (!before || !contradicts(message, before)) return message;
      this.takenBack = 'contradiction';
      return before;
    });
  }

  /** One page more of the past. */
  loadOlder(): Promise<void> {
    this.pagingBack ??= this.fetchOlder().finally(() => (this.pagingBack = null));
    return this.pagingBack;
  }

  /** Older pages, until the message `seq` is held or nothing comes before. */
  async loadBackTo(seq: number): Promise<void> {
    for (let before = Infinity; ;) {
      const first = this.shown[0]?.message.seq ?? 0;
      if (first <= Math.max(seq, 1) || first === before) return;
      before = first;
      await this.loadOlder();
    }
  }

  /** Old messages in the place of the newest: the page around `seq`. */
  async loadAround(seq: number): Promise<void> {
    if (this.holds(seq)) return;
    const [first] = this.shown;
    if (first && seq < first.message.seq && first.message.seq - seq <= NEAR) return this.loadBackTo(seq);
    await this.replace((await api.history(this.id, { before: seq + PAGE / 2, limit: PAGE })).messages);
  }

  /** The first message at this time or later, and what is around it: its `seq`; null where there is none. */
  async loadSince(at: number): Promise<number | null> {
    const [first] = (await api.history(this.id, { since: at, limit: 1 })).messages;
    if (first) await this.loadAround(first.seq);
    return first?.seq ?? null;
  }

  private holds(seq: number): boolean {
    return seq >= (this.shown[0]?.message.seq ?? Infinity) && seq <= (this.shown.at(-1)?.message.seq ?? 0);
  }

  private async replace(messages: Message[]): Promise<void> {
    if (messages.length === 0) return;
    this.shown = withoutRepeats(await this.open(messages));
    this.startMissing = false;
    this.detached = (messages.at(-1)?.seq ?? 0) < this.record().seq;
  }

  /** One page on towards the newest, where old messages are held. */
  loadNewer(): Promise<void> {
    this.pagingOn ??= this.inOrder(() => this.fetchNewer()).finally(() => (this.pagingOn = null));
    return this.pagingOn;
  }

  private async fetchNewer(): Promise<void> {
    const last = this.shown.at(-1)?.message.seq;
    if (!this.detached || last === undefined) return;
    const { messages } = await api.history(this.id, { after: last, limit: PAGE });
    const opened = await this.open(messages);
    // Gone to the end meanwhile.
    if (!this.detached || this.shown.at(-1)?.message.seq !== last) return;
    this.shown = withoutRepeats([...this.shown, ...opened]);
    this.detached = (this.shown.at(-1)?.message.seq ?? 0) < this.record().seq;
  }

  /** Back to the newest messages. */
  loadNewest(): Promise<void> {
    return this.inOrder(async () => {
      if (this.detached) await this.loadEnd(await api.conversation(this.id));
    });
  }

  /** One message, wherever it stands. */
  async fetchOne(seq: number): Promise<Shown | undefined> {
    const { messages } = await api.history(this.id, { after: seq - 1, limit: 1 });
    return (await this.open(messages.filter((message) => message.seq === seq)))[0];
  }

  private async fetchOlder(): Promise<void> {
    const before = this.shown[0]?.message.seq;
    if (before === undefined || before <= 1 || this.startMissing) return;
    const stored = await this.tools.storage.messages(this.id, before, PAGE).catch(() => []);
    let older = contiguous(stored, before);
    if (older.length === 0) {
      older = (await api.history(this.id, { before, limit: PAGE })).messages;
      this.keep(older);
    }
    const opened = await this.open(older);
    // Replaced meanwhile (too far behind): what was fetched no longer joins.
    if (this.shown[0]?.message.seq !== before) return;
    this.shown = withoutRepeats([...opened, ...this.shown]);
    this.startMissing = opened.length === 0;
  }

  /** Messages from the line, or mine after their acknowledgement, by `rev`: opened, by `seq`, unless nobody needs it. */
  async take(messages: Message[]): Promise<Map<number, Shown>> {
    // Without a first page there is nothing to join.
    if (this.loaded || this.synced > 0) await this.joinInOrder(messages);
    const seqs = new Set(messages.map(({ seq }) => seq));
    const held = this.loaded ? this.shown.filter(({ message }) => seqs.has(message.seq)) : [];
    // The list wants to know what the newest says, even if the thread is not there.
    const taken = this.loaded ? held : await this.open(messages.slice(-1));
    return new Map(taken.map((shown) => [shown.message.seq, shown]));
  }

  private async joinInOrder(messages: Message[]): Promise<void> {
    const run: Message[] = [];
    let rev = this.synced;
    for (const message of messages) {
      const place = placeOf(message.rev, rev);
      if (place === 'held') continue;
      if (place === 'gap') return this.fetchChanges();
      run.push(message);
      rev = message.rev;
    }
    if (run.length > 0) await this.join(run, rev);
  }

  /** Everything that changed since the last time. */
  async fetchChanges(): Promise<void> {
    const target = this.record().rev;
    this.catchingUp = true;
    try {
      for (let more = true; more;) {
        const { messages, next } = await api.changes(this.id, { changed_after: this.synced, limit: CHANGES });
        await this.join(messages, next ?? messages.at(-1)?.rev ?? 0);
        more = next !== undefined && next !== null;
      }
    } finally {
      this.catchingUp = false;
    }
    this.synced = Math.max(this.synced, target);
  }

  private async join(told: Message[], rev: number): Promise<void> {
    const known = this.loaded
      ? this.shown.map(({ message }) => message)
      : await this.tools.storage.messages(this.id, Infinity, PAGE).catch(() => []);
    const messages = this.sound(told, known);
    if (this.loaded) {
      const opened = await this.open(messages);
      const last = this.detached ? (this.shown.at(-1)?.message.seq ?? 0) : Infinity;
      const upToThere = opened.filter(({ message }) => message.seq <= last);
      this.shown = withoutRepeats(merge(this.shown, upToThere));
    }
    this.synced = Math.max(this.synced, rev);
    this.keep(messages);
  }

  /** Kept for the first paint of the next visit; losing it loses nothing. */
  keep(messages: Message[] = []): void {
    const { storage } = this.tools;
    const record = this.record();
    const { id } = record;
    storage.keep([{ id, record, synced: this.synced }], messages).catch(() => {
      // No space: what is kept has a hole now, and must not be taken for history.
      storage.keep([{ id, record, synced: 0 }]).catch(() => undefined);
    });
  }

  /** What could not be opened before may open now. */
  openAgain(): Promise<void> {
    return this.inOrder(async () => {
      const closed = this.shown.filter(({ content }) => content.type === 'unreadable');
      if (closed.length === 0) return;
      const opened = new Map(
        (await this.open(closed.map(({ message }) => message))).map((each) => [each.message.id, each]),
      );
      // Of those that are still as they were.
      this.shown = this.shown.map((each) => {
        const now = opened.get(each.message.id);
        return now && now.message.rev === each.message.rev ? now : each;
      });
    });
  }

  private open(messages: Message[]): Promise<Shown[]> {
    return openMessages(this.tools, messages, this.record);
  }

  /** One after the other, so that what arrives during a catch-up waits for its end. */
  inOrder<T>(work: () => Promise<T>): Promise<T> {
    const done = this.work.then(work);
    this.work = done.catch(() => undefined);
    return done;
  }
}
