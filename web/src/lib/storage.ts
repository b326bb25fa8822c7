/**
 * What this browser keeps, in IndexedDB: envelopes as the server has them, the
 * outbox, the drafts, the index of the search, and the sealed secret of the session. Never a text in
 * clear, never a key that the page could read. The server is the truth: all but
 * the outbox and the drafts can be lost at any time, so a failing cache is a
 * slow start, not an error. What exists nowhere else is held in memory as well,
 * and put back when a browser has cleared its storage under an open page.
 */
import {
  deleteDB,
  openDB,
  type DBSchema,
  type IDBPDatabase,
  type IDBPObjectStore,
  type IDBPTransaction,
  type StoreNames,
} from 'idb';
import type { Conversation, Marks, Me, Message } from './api/types';
import { Problem } from './problem';

/**
 * The account key as it waits for a reload. A copy of this database does not
 * open it: the key cannot be exported, and a share of the secret is at the server.
 */
export interface ReloadSecret {
  session: string;
  key: CryptoKey;
  iv: Uint8Array<ArrayBuffer>;
  sealed: ArrayBuffer;
}

/** The latest vault that this browser has seen of an account. */
export interface SeenVault {
  account: string;
  version: number;
}

export interface CachedConversation {
  id: string;
  record: Conversation;
  /** Every change up to this `rev` is in `messages`; 0 when no message is kept. */
  synced: number;
}

export interface Queued {
  /** Place in the queue; given by the database. */
  order?: number;
  id: string;
  conversation: string;
  /** The words, sealed for this browser, to show them again after a reload; empty where there are none. */
  sealed: string;
  /** Set before the first attempt, so that every attempt sends the same bytes. */
  envelope: string | null;
  written_at: number;
  /** Why the server, or the keychain, refused it for good. */
  refused: string | null;
  /** Absent for a message of its own. */
  about?: About;
  /** What the message sets: how long those after it stay, in milliseconds. */
  timer?: number;
}

/** What is to be done to a message that is there: its id is the `target`. */
export type About = { [Kind in Deed]: { kind: Kind; target: string } }[Deed];
type Deed = 'edit' | 'reaction' | 'unreaction' | 'deletion';

/** Whether it travels in an envelope. */
export const isSealed = ({ about }: Pick<Queued, 'about'>) =>
  about?.kind !== 'deletion' && about?.kind !== 'unreaction';

/** What was typed in a conversation and not sent. */
export interface KeptDraft {
  conversation: string;
  sealed: string;
}

export interface DueMarks extends Marks {
  conversation: string;
}

/** A setting that is not in the vault on the server yet. */
export interface DueSetting {
  key: string;
  at: number;
  sealed: string;
}

/** How far the index of a conversation's messages goes, as it is kept here (message-index.ts). */
export interface KeptIndex {
  conversation: string;
  /** Another one after each writing. */
  stamp: string;
  /** Every message from this `seq` on is in it, as it was at the conversation's `rev`. */
  first: number;
  rev: number;
  /** The stamp that each of its segments was written with, by number. */
  segments: Map<number, string>;
}

/** Texts of a run of messages, sealed for this browser. */
export interface KeptSegment {
  conversation: string;
  number: number;
  sealed: Uint8Array<ArrayBuffer>;
}

interface Schema extends DBSchema {
  session: { key: string; value: ReloadSecret };
  owner: { key: string; value: string };
  conversations: { key: string; value: CachedConversation };
  messages: { key: [string, number]; value: Message; indexes: { expires_at: number } };
  outbox: { key: number; value: Queued; indexes: { conversation: string; id: string } };
  drafts: { key: string; value: KeptDraft };
  marks: { key: string; value: DueMarks };
  settings: { key: string; value: DueSetting };
  indexes: { key: string; value: KeptIndex };
  segments: { key: [string, number]; value: KeptSegment };
}

type Stores = StoreNames<Schema>[];

const ALL = [
  'session',
  'owner',
  'conversations',
  'messages',
  'outbox',
  'drafts',
  'marks',
  'settings',
  'indexes',
  'segments',
] satisfies Stores;
const VERSION = 5;
const RELOAD = 'reload';
const OWNER = 'account';
/** Random, and as old as the database: another one means that the storage was cleared. */
const INSTANCE = 'instance';
const VAULT = 'vault';
/** While a browser clears the storage, it also refuses to open it anew, for a moment. */
const AGAIN_AFTER = [0, 50, 200, 1_000];
const everySeq = (conversation: string, before = Infinity) =>
  IDBKeyRange.bound([conversation, 0], [conversation, before], false, true);

/** What would be lost with the storage. */
class Irreplaceable {
  instance: string | null = null;
  owner: string | null = null;
  secret: ReloadSecret | null = null;
  readonly outbox = new Map<string, Queued>();
  readonly drafts = new Map<string, KeptDraft>();
}

export class Storage {
  private opened: Promise<IDBPDatabase<Schema>> | null = null;
  private held = new Irreplaceable();

  constructor(private readonly name = 'entrenous') {}

  private db(): Promise<IDBPDatabase<Schema>> {
    this.opened ??= this.open().catch((thrown: unknown) => {
      this.opened = null;
      throw thrown;
    });
    return this.opened;
  }

  private async open(): Promise<IDBPDatabase<Schema>> {
    const db = await openDB<Schema>(this.name, VERSION, {
      upgrade(db, before, _, tx) {
        if (before < 1) {
          db.createObjectStore('session');
          db.createObjectStore('owner');
          db.createObjectStore('conversations', { keyPath: 'id' });
          db.createObjectStore('messages', { keyPath: ['conversation', 'seq'] });
          const outbox = db.createObjectStore('outbox', { keyPath: 'order', autoIncrement: true });
          outbox.createIndex('conversation', 'conversation');
          outbox.createIndex('id', 'id', { unique: true });
        }
        if (before < 2) {
          db.createObjectStore('drafts', { keyPath: 'conversation' });
          db.createObjectStore('marks', { keyPath: 'conversation' });
          tx.objectStore('owner').put(crypto.randomUUID(), INSTANCE).catch(ignored);
        }
        if (before < 3) db.createObjectStore('settings', { keyPath: 'key' });
        if (before < 4) {
          db.createObjectStore('indexes', { keyPath: 'conversation' });
          db.createObjectStore('segments', { keyPath: ['conversation', 'number'] });
        }
        tx.objectStore('messages').createIndex('expires_at', 'expires_at');
        tx.done.catch(ignored);
      },
      blocking: (_, wanted) => this.gone(wanted === null),
      terminated: () => this.gone(true),
    });
    const tx = db.transaction('owner');
    tx.done.catch(ignored);
    const instance = (await tx.store.get(INSTANCE)) ?? null;
    if (this.held.instance !== null && this.held.instance !== instance) await this.putBack(db);
    this.held.instance = instance;
    return db;
  }

  /** Another tab is newer: give way. Or the storage is being cleared: what is held goes back at once. */
  private gone(cleared: boolean): void {
    this.close();
    if (cleared && this.held.owner !== null) this.use(() => Promise.resolve()).catch(ignored);
  }

  private async putBack(db: IDBPDatabase<Schema>): Promise<void> {
    const { owner, secret, outbox, drafts } = this.held;
    const tx = db.transaction(['owner', 'session', 'outbox', 'drafts'], 'readwrite', {
      durability: 'strict',
    });
    tx.done.catch(ignored);
    const now = await tx.objectStore('owner').get(OWNER);
    // Unless somebody else has come in meanwhile.
    if (owner === null || (now !== undefined && now !== owner)) return this.forget();
    await tx.objectStore('owner').put(owner, OWNER);
    if (secret && !(await tx.objectStore('session').get(RELOAD))) {
      await tx.objectStore('session').put(secret, RELOAD);
    }
    const queue = tx.objectStore('outbox');
    for (const queued of [...outbox.values()].sort((a, b) => (a.order ?? 0) - (b.order ?? 0))) {
      // By another tab, which held it too.
      if (await queue.index('id').getKey(queued.id)) continue;
      const { order, ...placeless } = queued;
      const taken = order === undefined || (await queue.getKey(order)) !== undefined;
      await queue.add(taken ? placeless : queued);
    }
    for (const draft of drafts.values()) {
      if (!(await tx.objectStore('drafts').getKey(draft.conversation))) {
        await tx.objectStore('drafts').put(draft);
      }
    }
    await tx.done;
  }

  private read<T, Names extends Stores>(
    stores: Names,
    work: (tx: IDBPTransaction<Schema, Names, 'readonly'>) => Promise<T>,
  ): Promise<T> {
    return this.use((db) => {
      const tx = db.transaction(stores);
      tx.done.catch(ignored);
      return work(tx);
    });
  }

  /** All of it or nothing. `strict`: on the disk before it resolves, so that a crash of the machine loses nothing of it. */
  private write<T, Names extends Stores>(
    stores: Names,
    work: (tx: IDBPTransaction<Schema, Names, 'readwrite'>) => Promise<T>,
    durability: IDBTransactionDurability = 'default',
  ): Promise<T> {
    return this.use(async (db) => {
      const tx = db.transaction(stores, 'readwrite', { durability });
      // A request that fails ends the transaction as well, which says why.
      tx.done.catch(ignored);
      try {
        const result = await work(tx);
        await tx.done;
        return result;
      } catch (thrown) {
        abort(tx);
        throw thrown;
      }
    });
  }

  /** Again when the connection was cut under the work. Whatever else goes wrong is `not_kept`. */
  private async use<T>(work: (db: IDBPDatabase<Schema>) => Promise<T>): Promise<T> {
    for (let attempt = 0; ; attempt++) {
      const opened = this.db();
      try {
        return await work(await opened);
      } catch (thrown) {
        if (this.opened === opened && wasCut(thrown)) this.close();
        const pause = AGAIN_AFTER[attempt];
        if (pause === undefined || !wasCut(thrown)) throw new Problem('not_kept', 0, String(thrown));
        await new Promise((resolve) => setTimeout(resolve, pause));
      }
    }
  }

  close(): void {
    void this.opened?.then((db) => db.close()).catch(ignored);
    this.opened = null;
  }

  /** Emptied, not deleted: a deletion would wait for tabs that the browser has frozen, and look like a loss. */
  async deleteEverything(): Promise<void> {
    this.forget();
    try {
      await this.write(ALL, async (tx) => {
        for (const name of ALL) if (name !== 'owner') await tx.objectStore(name).clear();
        await tx.objectStore('owner').delete(OWNER);
        await tx.objectStore('owner').delete(VAULT);
      });
    } catch {
      this.close();
      // It is done when the last frozen tab lets go, which nobody here can wait for.
      await new Promise<void>((resolve, reject) => {
        deleteDB(this.name, { blocked: () => resolve() }).then(resolve, reject);
      });
    }
  }

  private forget(): void {
    const { instance } = this.held;
    this.held = new Irreplaceable();
    this.held.instance = instance;
  }

  async reloadSecret(): Promise<ReloadSecret | undefined> {
    const secret = await this.read(['session'], (tx) => tx.objectStore('session').get(RELOAD));
    this.held.secret = secret ?? null;
    return secret;
  }

  async keepReloadSecret(secret: ReloadSecret): Promise<void> {
    await this.write(['session'], (tx) => tx.objectStore('session').put(secret, RELOAD));
  }

  async dropReloadSecret(): Promise<void> {
    this.held.secret = null;
    await this.write(['session'], (tx) => tx.objectStore('session').delete(RELOAD));
  }

  /** What another account left here (its session ended without a log-out) is not for this one. */
  async belongTo(account: string): Promise<void> {
    const owner = await this.read(['owner'], (tx) => tx.objectStore('owner').get(OWNER));
    if (owner !== undefined && owner !== account) await this.deleteEverything();
    if (this.held.owner !== account) this.forget();
    await this.write(['owner'], (tx) => tx.objectStore('owner').put(account, OWNER));
    this.held.owner = account;
  }

  async seenVault(): Promise<SeenVault | null> {
    const seen = await this.read(['owner'], (tx) => tx.objectStore('owner').get(VAULT));
    return seen === undefined ? null : (JSON.parse(seen) as SeenVault);
  }

  /** Null when the person goes on with an older one, and has been told. */
  async noteVault(seen: SeenVault | null): Promise<void> {
    await this.write(['owner'], async (tx) => {
      const store = tx.objectStore('owner');
      await (seen ? store.put(JSON.stringify(seen), VAULT) : store.delete(VAULT));
    });
  }

  async conversations(): Promise<CachedConversation[]> {
    return this.read(['conversations'], (tx) => tx.objectStore('conversations').getAll());
  }

  /** Stores the conversations, and the messages that bring each up to its `synced`, or nothing at all. */
  async keep(conversations: CachedConversation[], messages: Message[] = []): Promise<void> {
    await this.write(['conversations', 'messages'], async (tx) => {
      // Side by side: a request that fails (no space) ends the transaction, which tells.
      const put = (request: Promise<unknown>) => void request.catch(ignored);
      for (const each of conversations) put(tx.objectStore('conversations').put(each));
      for (const each of messages) put(tx.objectStore('messages').put(each));
      return Promise.resolve();
    });
  }

  /** The newest messages kept before `before`, in ascending `seq`. */
  async messages(conversation: string, before: number, limit: number): Promise<Message[]> {
    return this.read(['messages'], async (tx) => {
      const found: Message[] = [];
      let cursor = await tx.objectStore('messages').openCursor(everySeq(conversation, before), 'prev');
      while (cursor && found.length < limit) {
        found.push(cursor.value);
        cursor = await cursor.continue();
      }
      return found.reverse();
    });
  }

  /** Messages whose time is over keep their place and nothing else, whether the server could be asked or not. */
  async expire(now: number): Promise<void> {
    await this.write(['messages', 'conversations'], async (tx) => {
      const due = tx.objectStore('messages').index('expires_at').iterate(IDBKeyRange.upperBound(now));
      for await (const cursor of due) await cursor.update(emptied(cursor.value));
      for await (const cursor of tx.objectStore('conversations')) {
        const { record } = cursor.value;
        const last = record.last_message;
        if (!last?.envelope || (last.expires_at ?? Infinity) > now) continue;
        // It is known there that it has disappeared.
        await cursor.update({ ...cursor.value, record: { ...record, last_message: withoutWords(last) } });
      }
    });
  }

  async dropMessages(conversation: string): Promise<void> {
    await this.write(['messages'], (tx) => tx.objectStore('messages').delete(everySeq(conversation)));
  }

  // The outbox

  /**
   * In one step with the draft it was: after a crash it is the one or the other, not both. Without `draft` the draft
   * stays as it is.
   */
  async enqueue(queued: Queued, draft?: KeptDraft | null): Promise<void> {
    const order = await this.write(
      ['outbox', 'drafts'],
      async (tx) => {
        if (draft !== undefined) await keepOrDrop(tx.objectStore('drafts'), queued.conversation, draft);
        return tx.objectStore('outbox').add(queued);
      },
      'strict',
    );
    this.held.outbox.set(queued.id, { ...queued, order });
    if (draft !== undefined) this.holdDraft(queued.conversation, draft);
  }

  /**
   * In the place of what was refused, under an id of its own: the old id might stand for other bytes. False when
   * another tab was quicker. As for the draft: `enqueue`.
   */
  async replace(refused: string, queued: Queued, draft?: KeptDraft | null): Promise<boolean> {
    const order = await this.write(
      ['outbox', 'drafts'],
      async (tx) => {
        const found = await tx.objectStore('outbox').index('id').get(refused);
        if (!found?.order || found.refused === null) return null;
        if (draft !== undefined) await keepOrDrop(tx.objectStore('drafts'), queued.conversation, draft);
        return tx.objectStore('outbox').put({ ...queued, order: found.order });
      },
      'strict',
    );
    if (order === null) return false;
    this.held.outbox.delete(refused);
    this.held.outbox.set(queued.id, { ...queued, order });
    if (draft !== undefined) this.holdDraft(queued.conversation, draft);
    return true;
  }

  /** In the order of writing; of one conversation or of all. */
  async queued(conversation?: string): Promise<Queued[]> {
    const found = await this.read(['outbox'], (tx) => {
      const store = tx.objectStore('outbox');
      // An index lists equal keys by their primary key: the order of writing.
      return conversation === undefined ? store.getAll() : store.index('conversation').getAll(conversation);
    });
    const { outbox } = this.held;
    for (const [id, held] of outbox) {
      if (conversation === undefined || held.conversation === conversation) outbox.delete(id);
    }
    for (const each of found) outbox.set(each.id, each);
    return found;
  }

  /** The first that may be sent. Refused ones stay where they are, and are few. */
  async nextQueued(conversation: string): Promise<Queued | undefined> {
    return this.read(['outbox'], async (tx) => {
      let cursor = await tx.objectStore('outbox').index('conversation').openCursor(conversation);
      while (cursor && cursor.value.refused !== null) cursor = await cursor.continue();
      return cursor?.value;
    });
  }

  /**
   * The bytes that every attempt sends, whoever makes it: those of whoever sealed first. Null when it is no longer
   * queued.
   */
  async sealOnce(id: string, envelope: string): Promise<string | null> {
    const sealed = await this.changeQueued(id, (queued) => ({ envelope: queued.envelope ?? envelope }));
    return sealed?.envelope ?? null;
  }

  async refuse(id: string, code: string): Promise<void> {
    await this.changeQueued(id, () => ({ refused: code }));
  }

  /** The next attempt seals it anew: the server has nothing of it. */
  async unseal(id: string): Promise<void> {
    await this.changeQueued(id, () => ({ envelope: null }));
  }

  private async changeQueued(
    id: string,
    change: (queued: Queued) => Partial<Queued>,
  ): Promise<Queued | undefined> {
    const changed = await this.write(
      ['outbox'],
      async (tx) => {
        const found = await tx.objectStore('outbox').index('id').get(id);
        if (!found) return undefined;
        const next = { ...found, ...change(found) };
        await tx.objectStore('outbox').put(next);
        return next;
      },
      'strict',
    );
    if (changed) this.held.outbox.set(id, changed);
    return changed;
  }

  async dequeue(id: string): Promise<void> {
    await this.write(['outbox'], async (tx) => {
      const order = await tx.objectStore('outbox').index('id').getKey(id);
      if (order !== undefined) await tx.objectStore('outbox').delete(order);
    });
    this.held.outbox.delete(id);
  }

  // Drafts

  async drafts(): Promise<KeptDraft[]> {
    const found = await this.read(['drafts'], (tx) => tx.objectStore('drafts').getAll());
    this.held.drafts.clear();
    for (const each of found) this.held.drafts.set(each.conversation, each);
    return found;
  }

  async draft(conversation: string): Promise<KeptDraft | null> {
    const found = (await this.read(['drafts'], (tx) => tx.objectStore('drafts').get(conversation))) ?? null;
    this.holdDraft(conversation, found);
    return found;
  }

  async keepDraft(conversation: string, draft: KeptDraft | null): Promise<void> {
    await this.write(['drafts'], (tx) => keepOrDrop(tx.objectStore('drafts'), conversation, draft));
    this.holdDraft(conversation, draft);
  }

  private holdDraft(conversation: string, draft: KeptDraft | null): void {
    if (draft) this.held.drafts.set(conversation, draft);
    else this.held.drafts.delete(conversation);
  }

  // Marks and settings that the server has not confirmed

  async marks(): Promise<DueMarks[]> {
    return this.read(['marks'], (tx) => tx.objectStore('marks').getAll());
  }

  /** Marks only grow, whichever tab they are of. */
  async keepMarks(marks: DueMarks[]): Promise<void> {
    await this.write(['marks'], async (tx) => {
      const store = tx.objectStore('marks');
      for (const { conversation, delivered, read } of marks) {
        const kept = await store.get(conversation);
        await store.put({
          conversation,
          delivered: Math.max(delivered, kept?.delivered ?? 0),
          read: Math.max(read, kept?.read ?? 0),
        });
      }
    });
  }

  async dueSettings(): Promise<DueSetting[]> {
    return this.read(['settings'], (tx) => tx.objectStore('settings').getAll());
  }

  async keepSetting(setting: DueSetting): Promise<void> {
    await this.write(['settings'], (tx) => tx.objectStore('settings').put(setting));
  }

  /** Unless it was set again, in another tab perhaps. */
  async dropSetting({ key, at }: Pick<DueSetting, 'key' | 'at'>): Promise<void> {
    await this.write(['settings'], async (tx) => {
      const kept = await tx.objectStore('settings').get(key);
      if (kept && kept.at <= at) await tx.objectStore('settings').delete(key);
    });
  }

  async dropMarks({ conversation, delivered, read }: DueMarks): Promise<void> {
    await this.write(['marks'], async (tx) => {
      const store = tx.objectStore('marks');
      const kept = await store.get(conversation);
      if (kept && kept.delivered <= delivered && kept.read <= read) await store.delete(conversation);
    });
  }

  // The index of the search in messages

  async indexes(): Promise<KeptIndex[]> {
    return this.read(['indexes'], (tx) => tx.objectStore('indexes').getAll());
  }

  async segment(conversation: string, number: number): Promise<KeptSegment | undefined> {
    return this.read(['segments'], (tx) => tx.objectStore('segments').get([conversation, number]));
  }

  /**
   * In the place of the index with the stamp `before` (null for none). False when another one stands there, as
   * another tab has written it meanwhile, or it was cleared, or when the storage is not this account's any more.
   */
  async keepIndex(
    account: string,
    before: string | null,
    index: KeptIndex,
    segments: KeptSegment[],
  ): Promise<boolean> {
    return this.write(['owner', 'indexes', 'segments'], async (tx) => {
      if ((await tx.objectStore('owner').get(OWNER)) !== account) return false;
      const kept = await tx.objectStore('indexes').get(index.conversation);
      if ((kept?.stamp ?? null) !== before) return false;
      await tx.objectStore('indexes').put(index);
      for (const segment of segments) await tx.objectStore('segments').put(segment);
      return true;
    });
  }
}

const ASKED = 'storage-asked';

/**
 * Asks the browser not to clear this storage when the device is short of space. Some of them ask the person in turn:
 * once, and only when there is something to keep.
 */
export async function askToStay(): Promise<void> {
  if (localStorage.getItem(ASKED)) return;
  localStorage.setItem(ASKED, 'yes');
  await navigator.storage?.persist?.().catch(() => false);
}

/** The promise beside it says the same. */
const ignored = () => undefined;

function withoutWords({ envelope: _, ...message }: Message): Message {
  return { ...message, reactions: [] };
}

/** As one that is not shown. */
function emptied({ expires_at: _, ...message }: Message): Message {
  return { ...withoutWords(message), hidden: true };
}

type DraftStore = Pick<IDBPObjectStore<Schema, Stores, 'drafts', 'readwrite'>, 'put' | 'delete'>;

function keepOrDrop(store: DraftStore, conversation: string, draft: KeptDraft | null): Promise<unknown> {
  return draft ? store.put(draft) : store.delete(conversation);
}

function abort(tx: { abort(): void }): void {
  try {
    tx.abort();
  } catch {
    // It has ended by itself.
  }
}

/** Cleared, or closed for another tab, between two steps. `UnknownError` is what Chromium calls a forced end. */
function wasCut(thrown: unknown): boolean {
  const names = ['InvalidStateError', 'AbortError', 'UnknownError'];
  return thrown instanceof DOMException && names.includes(thrown.name);
}

/** Whose storage it is. What was kept here before one began anew is sealed with keys that are lost. */
export const ownerOf = ({ id, renewed_at }: Pick<Me, 'id' | 'renewed_at'>) =>
  renewed_at > 0 ? `${id}/${renewed_at}` : id;
