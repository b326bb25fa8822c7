/**
 * What this browser keeps, in IndexedDB: envelopes as the server has them, the
 * outbox, and the sealed secret of the session. Never a text in clear, never a
 * key that the page could read. The server is the truth: all but the outbox
 * can be lost at any time, so a failing cache is a slow start, not an error.
 */
import { deleteDB, openDB, type DBSchema, type IDBPDatabase } from 'idb';
import type { Conversation, Message } from './api/types';

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
  /** The text, sealed for this browser, to show it again after a reload. */
  sealed: string;
  /** Set before the first attempt, so that every attempt sends the same bytes. */
  envelope: string | null;
  written_at: number;
  /** Why the server, or the keychain, refused it for good. */
  refused: string | null;
}

interface Schema extends DBSchema {
  session: { key: string; value: ReloadSecret };
  owner: { key: string; value: string };
  conversations: { key: string; value: CachedConversation };
  messages: { key: [string, number]; value: Message };
  outbox: { key: number; value: Queued; indexes: { conversation: string; id: string } };
}

const RELOAD = 'reload';
const OWNER = 'account';
const everySeq = (conversation: string, before = Infinity) =>
  IDBKeyRange.bound([conversation, 0], [conversation, before], false, true);

export class Storage {
  private opened: Promise<IDBPDatabase<Schema>> | null = null;

  constructor(private readonly name = 'entrenous') {}

  private db(): Promise<IDBPDatabase<Schema>> {
    this.opened ??= openDB<Schema>(this.name, 1, {
      upgrade(db) {
        db.createObjectStore('session');
        db.createObjectStore('owner');
        db.createObjectStore('conversations', { keyPath: 'id' });
        db.createObjectStore('messages', { keyPath: ['conversation', 'seq'] });
        const outbox = db.createObjectStore('outbox', { keyPath: 'order', autoIncrement: true });
        outbox.createIndex('conversation', 'conversation');
        outbox.createIndex('id', 'id', { unique: true });
      },
      // Another tab logs out (or is newer): give way, open again when needed.
      blocking: () => this.close(),
      terminated: () => (this.opened = null),
    }).catch((thrown: unknown) => {
      this.opened = null;
      throw thrown;
    });
    return this.opened;
  }

  close(): void {
    void this.opened?.then((db) => db.close()).catch(() => undefined);
    this.opened = null;
  }

  async deleteEverything(): Promise<void> {
    this.close();
    await deleteDB(this.name);
  }

  async reloadSecret(): Promise<ReloadSecret | undefined> {
    return (await this.db()).get('session', RELOAD);
  }

  async keepReloadSecret(secret: ReloadSecret): Promise<void> {
    await (await this.db()).put('session', secret, RELOAD);
  }

  async dropReloadSecret(): Promise<void> {
    await (await this.db()).delete('session', RELOAD);
  }

  /** What another account left here (its session ended without a log-out) is not for this one. */
  async belongTo(account: string): Promise<void> {
    const owner = await (await this.db()).get('owner', OWNER);
    if (owner !== undefined && owner !== account) await this.deleteEverything();
    await (await this.db()).put('owner', account, OWNER);
  }

  async conversations(): Promise<CachedConversation[]> {
    return (await this.db()).getAll('conversations');
  }

  /** Stores the conversations, and the messages that bring each up to its `synced`, or nothing at all. */
  async keep(conversations: CachedConversation[], messages: Message[] = []): Promise<void> {
    const tx = (await this.db()).transaction(['conversations', 'messages'], 'readwrite');
    // A request that fails later (no space) ends the transaction by itself: `done` tells.
    const put = (request: Promise<unknown>) => void request.catch(() => undefined);
    try {
      for (const each of conversations) put(tx.objectStore('conversations').put(each));
      for (const each of messages) put(tx.objectStore('messages').put(each));
    } catch (thrown) {
      tx.done.catch(() => undefined);
      tx.abort();
      throw thrown;
    }
    await tx.done;
  }

  /** The newest messages kept before `before`, in ascending `seq`. */
  async messages(conversation: string, before: number, limit: number): Promise<Message[]> {
    const found: Message[] = [];
    const db = await this.db();
    let cursor = await db.transaction('messages').store.openCursor(everySeq(conversation, before), 'prev');
    while (cursor && found.length < limit) {
      found.push(cursor.value);
      cursor = await cursor.continue();
    }
    return found.reverse();
  }

  async dropMessages(conversation: string): Promise<void> {
    await (await this.db()).delete('messages', everySeq(conversation));
  }

  async enqueue(queued: Queued): Promise<void> {
    await (await this.db()).add('outbox', queued);
  }

  /** In the order of writing; of one conversation or of all. */
  async queued(conversation?: string): Promise<Queued[]> {
    const db = await this.db();
    if (conversation === undefined) return db.getAll('outbox');
    // An index lists equal keys by their primary key: the order of writing.
    return db.getAllFromIndex('outbox', 'conversation', conversation);
  }

  /** The first that may be sent. Refused ones stay where they are, and are few. */
  async nextQueued(conversation: string): Promise<Queued | undefined> {
    const index = (await this.db()).transaction('outbox').store.index('conversation');
    let cursor = await index.openCursor(conversation);
    while (cursor && cursor.value.refused !== null) cursor = await cursor.continue();
    return cursor?.value;
  }

  /** Changes what is still queued; false when another tab has finished with it. */
  async changeQueued(id: string, change: Partial<Queued>): Promise<boolean> {
    const tx = (await this.db()).transaction('outbox', 'readwrite');
    const found = await tx.store.index('id').get(id);
    if (found) await tx.store.put({ ...found, ...change });
    await tx.done;
    return found !== undefined;
  }

  async dequeue(id: string): Promise<void> {
    const tx = (await this.db()).transaction('outbox', 'readwrite');
    const order = await tx.store.index('id').getKey(id);
    if (order !== undefined) await tx.store.delete(order);
    await tx.done;
  }
}
