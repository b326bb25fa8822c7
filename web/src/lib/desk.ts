/** Everything that lives from a sign-in to its end: made together, stopped together. */
import { Conversations } from '../features/conversations/conversations.svelte';
import { Notices } from '../features/conversations/notices.svelte';
import { Scheduled } from '../features/conversations/scheduled.svelte';
import type { MyData } from '../features/my-data/my-data.svelte';
import type { Indexer } from '../features/search/indexer.svelte';
import { api } from './api/client';
import type { Accepted, Me, Person, Privacy, ServerFrame } from './api/types';
import { Attendance } from './attendance';
import { clock } from './clock';
import { Keys } from './keys';
import { Live, type Connection } from './live';
import { Outbox, type Way } from './outbox';
import { Pace } from './pace';
import { Preferences } from './preferences.svelte';
import { Problem } from './problem';
import { Receipts } from './receipts';
import { Sessions } from './sessions.svelte';
import { askToStay, ownerOf, type Queued, type Storage } from './storage';
import { Trust } from './trust.svelte';
import { vault } from './vault';

/** What the tabs of one browser tell each other of one person's conversations. */
export type Word =
  | { type: 'outbox'; conversation: string }
  | { type: 'draft'; conversation: string }
  | { type: 'settings' }
  | { type: 'index' };

export interface Told {
  connection(state: Connection): void;
  /** The server ended the session. */
  ended(): void;
  profile(person: Person): void;
  /** A line is open; of what was said before nobody here knows. */
  ready(): void;
  /** The password was changed or recovered, or other sessions were ended, at this time. */
  secured(secured_at: number): void;
  /** The account will be erased at this time, or will not. */
  erasure(erase_at: number | null): void;
  /** What the person shares was changed, here or in another browser. */
  privacy(privacy: Privacy): void;
  /** For the other tabs. */
  tabs(word: Word): void;
}

export class Desk {
  readonly keys: Keys;
  readonly trust: Trust;
  readonly preferences: Preferences;
  readonly sessions = new Sessions();
  readonly notices: Notices;
  readonly conversations: Conversations;
  readonly scheduled: Scheduled;
  private readonly live: Live;
  private readonly outbox: Outbox;
  private readonly receipts: Receipts;
  private readonly pace: Pace;
  private readonly attendance: Attendance;
  private indexing: Promise<Indexer> | null = null;
  private wasReady = false;
  private stopped = false;

  constructor(
    private readonly me: () => Me,
    private readonly storage: Storage,
    private readonly online: () => boolean,
    private readonly told: Told,
  ) {
    this.live = new Live({
      event: (frame) => this.event(frame),
      connection: (state) => told.connection(state),
      ended: () => told.ended(),
      // Perhaps only the line is refused, as to one tab too many: what is new can still be asked for.
      unreachable: () => void this.refresh(),
    });
    this.keys = new Keys(
      vault,
      () => me().secured_at,
      (changed) => {
        void this.trust.look().catch(ignored);
        this.conversations.identitiesChanged(changed);
      },
    );
    this.trust = new Trust(vault, this.keys);
    this.receipts = new Receipts(this.live, storage);
    this.pace = new Pace(this.live);
    this.outbox = new Outbox(storage, this.way());
    const changed = () => told.tabs({ type: 'settings' });
    this.preferences = new Preferences({ vault, keys: this.keys, storage, changed });
    this.notices = new Notices(this.preferences);
    this.attendance = new Attendance(this.live, {
      privacy: () => me().privacy,
      presence: (conversation, presence) => this.conversations.get(conversation)?.presence.told(presence),
    });
    const { keys, trust, outbox, receipts, attendance, preferences, notices } = this;
    const draftKept = (conversation: string) => told.tabs({ type: 'draft', conversation });
    const tools = {
      me: me().id,
      renewedAt: () => me().renewed_at,
      vault,
      keys,
      trust,
      storage,
      outbox,
      receipts,
      attendance,
      preferences,
      notices,
      draftKept,
    };
    this.conversations = new Conversations(tools);
    this.scheduled = new Scheduled(tools, this.conversations);
  }

  /** What this browser kept is shown first; then the line opens, and the rest follows from its `ready`. */
  async start(): Promise<void> {
    await Promise.all([this.conversations.restore(), this.preferences.restore()]);
    if (!this.stopped) this.live.start();
  }

  /** From another tab of this browser. */
  heard(word: Word): void {
    if (word.type === 'settings') return void this.preferences.changedElsewhere().catch(() => undefined);
    if (word.type === 'index') return void this.indexWritten().catch(ignored);
    const { type, conversation } = word;
    if (type === 'draft') return this.conversations.draftChanged(conversation);
    this.conversations.queueChanged(conversation);
    // Whoever wrote it may be gone before it is sent.
    void this.outbox.drain(conversation);
  }

  privacyChanged(): void {
    this.attendance.privacyChanged();
  }

  /** The search in messages, from its first use on; its code comes with it. */
  indexer(): Promise<Indexer> {
    this.indexing ??= this.makeIndexer().catch((thrown: unknown) => {
      this.indexing = null;
      throw Problem.from(thrown);
    });
    return this.indexing;
  }

  /** Whoever has searched here once has an index, which is not to keep what is deleted or has disappeared. */
  private async resumeIndex(): Promise<void> {
    if (!this.indexing && !this.stopped && (await this.storage.indexes()).length > 0) await this.indexer();
  }

  private async indexWritten(): Promise<void> {
    if (this.indexing) (await this.indexing).heard();
    else await this.resumeIndex();
  }

  /** All that one has here, for a file of one's own; its code comes when somebody wants it. */
  async myData(): Promise<MyData> {
    const { MyData } = await import('../features/my-data/my-data.svelte').catch((thrown: unknown) => {
      throw new Problem('offline', 0, String(thrown));
    });
    const { me, keys } = this;
    return new MyData({ me, vault, keys, renewedAt: () => me().renewed_at });
  }

  private async makeIndexer(): Promise<Indexer> {
    const { Indexer } = await import('../features/search/indexer.svelte').catch((thrown: unknown) => {
      throw new Problem('offline', 0, String(thrown));
    });
    if (this.stopped) throw new Problem('signed_out', 401);
    const { keys, conversations, online } = this;
    const written = () => this.told.tabs({ type: 'index' });
    const owner = ownerOf(this.me());
    const indexer = new Indexer({ vault, keys, conversations, owner, online, written });
    await indexer.ready.catch((thrown: unknown) => {
      indexer.stop();
      throw thrown;
    });
    return indexer;
  }

  stop(): void {
    this.stopped = true;
    void this.indexing?.then((indexer) => indexer.stop(), ignored);
    this.conversations.stop();
    this.notices.stop();
    this.live.stop();
    this.outbox.stop();
    this.receipts.stop();
    this.attendance.stop();
  }

  private way(): Way {
    return {
      pressed: (id) => this.pace.press(id),
      seal: async (queued) => (await this.conversations.ensure(queued.conversation)).seal(queued),
      transmit: (queued) => this.transmit(queued),
      epochClosed: async (conversation) => (await this.conversations.ensure(conversation)).askAgain(),
      accepted: (queued, answer) => this.accepted(queued, answer),
      changed: (conversation) => {
        this.conversations.queueChanged(conversation);
        this.told.tabs({ type: 'outbox', conversation });
      },
    };
  }

  /** Over the socket when there is one, else by a request: the same rule stands behind both. */
  private async transmit({ conversation, id, envelope, about, timer }: Queued): Promise<Accepted> {
    if (about?.kind === 'deletion') return api.deleteMessage(conversation, about.target);
    if (about?.kind === 'unreaction') return api.removeReaction(conversation, about.target);
    const message = { id, envelope: envelope ?? '', timer, ...about };
    if (this.live.twoWay) {
      try {
        return await this.live.send(conversation, message);
      } catch (thrown) {
        if (Problem.from(thrown).code !== 'offline') throw thrown;
      }
    }
    // The session of the cookie may be another one's by now: nothing goes out under their name.
    if (this.stopped) throw new Problem('offline');
    return api.send(conversation, message);
  }

  private async accepted({ conversation, envelope, about }: Queued, answer: Accepted): Promise<void> {
    this.pace.acknowledged(answer);
    const there = await this.conversations.ensure(conversation);
    const taken = about ? there.changed(answer) : there.accepted(envelope ?? '', answer);
    // It is stored at the server: whatever fails here is found by a catch-up.
    await taken.catch(() => this.conversations.refreshLater());
    void askToStay();
  }

  /** `missed`: a line was lost before, and with it what was said of keys. */
  private async refresh(missed = false): Promise<void> {
    if (missed) this.conversations.lookAgain();
    await this.conversations.refresh();
    await this.conversations.tidyKeys({ missed });
    await this.resumeIndex().catch(ignored);
  }

  private event(frame: ServerFrame): void {
    if (frame.type === 'ready') {
      clock.set(frame.server_time);
      this.pace.forget();
      this.attendance.ready();
      this.told.ready();
      void this.refresh(this.wasReady);
      this.wasReady = true;
      void this.scheduled.refresh();
      void this.sessions.refresh().then(({ secured_at, erase_at }) => {
        this.told.secured(secured_at);
        this.told.erasure(erase_at ?? null);
      }, ignored);
      void this.receipts.resend();
      void this.preferences.refresh().catch(() => undefined);
      void this.outbox.drainAll().catch(() => undefined);
    } else if (frame.type === 'vault') {
      void this.preferences.refresh(frame.version).catch(() => undefined);
    } else if (frame.type === 'profile') {
      this.told.profile(frame.person);
      this.conversations.on(frame);
    } else if (frame.type === 'scheduled' || frame.type === 'unscheduled') {
      this.scheduled.on(frame);
    } else if (frame.type === 'session_begun') {
      this.sessions.begun(frame.session);
    } else if (frame.type === 'reset_asked') {
      this.sessions.heardOfReset(frame.reset_asked ?? null);
    } else if (frame.type === 'second_factor') {
      this.sessions.secondFactor = frame;
    } else if (frame.type === 'passkeys') {
      this.sessions.passkeysAre(frame);
    } else if (frame.type === 'secured') {
      this.told.secured(frame.secured_at);
    } else if (frame.type === 'erasure') {
      this.told.erasure(frame.erase_at ?? null);
    } else if (frame.type === 'privacy') {
      this.told.privacy(frame.privacy);
    } else {
      this.conversations.on(frame);
    }
  }
}

/** Told where it was asked for. */
const ignored = () => undefined;
