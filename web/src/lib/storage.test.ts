import 'fake-indexeddb/auto';
import { deleteDB, openDB } from 'idb';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Conversation, Message } from './api/types';
import { Storage, type KeptIndex, type KeptSegment, type Queued } from './storage';

let storage: Storage;
let name = 0;

beforeEach(() => {
  storage = new Storage(`test-${name++}`);
});
afterEach(() => storage.deleteEverything());

const message = (seq: number, conversation = 'c'): Message => ({
  conversation,
  seq,
  rev: seq,
  id: `m${seq}`,
  sender: 'a',
  epoch: 'e',
  envelope: 'AQE',
  sent_at: seq,
});

const queued = (id: string, conversation = 'c'): Queued => ({
  id,
  conversation,
  sealed: 'sealed',
  envelope: null,
  written_at: 1,
  refused: null,
});

const bytes = (text: string) => new TextEncoder().encode(text);
const segment = (text: string): KeptSegment => ({ conversation: 'c', number: 0, sealed: bytes(text) });
const index = (stamp: string): KeptIndex => ({
  conversation: 'c',
  stamp,
  first: 1,
  rev: 9,
  segments: new Map([[0, stamp]]),
});

it('pages back through the messages of one conversation only', async () => {
  const all = [1, 2, 3, 10, 11, 100].map((seq) => message(seq));
  await storage.keep([], [...all, message(50, 'd')]);
  expect((await storage.messages('c', Infinity, 3)).map((m) => m.seq)).toEqual([10, 11, 100]);
  expect((await storage.messages('c', 10, 3)).map((m) => m.seq)).toEqual([1, 2, 3]);
  expect(await storage.messages('c', 1, 3)).toEqual([]);
});

it('drops the messages of one conversation only', async () => {
  await storage.keep([], [message(1), message(2), message(1, 'd')]);
  await storage.dropMessages('c');
  expect(await storage.messages('c', Infinity, 9)).toEqual([]);
  expect(await storage.messages('d', Infinity, 9)).toHaveLength(1);
});

it('takes the words out of what has disappeared, and keeps its place', async () => {
  const brief = { ...message(2), expires_at: 100 };
  const record = { last_message: brief } as Conversation;
  await storage.keep([{ id: 'c', record, synced: 2 }], [message(1), brief]);
  await storage.expire(99);
  expect((await storage.messages('c', Infinity, 9)).map(({ envelope }) => envelope)).toEqual(['AQE', 'AQE']);
  for (const now of [100, 101]) {
    await storage.expire(now);
    const [lasting, gone] = await storage.messages('c', Infinity, 9);
    expect(lasting).toEqual(message(1));
    expect(gone).toMatchObject({ seq: 2, hidden: true });
    expect(gone).not.toHaveProperty('envelope');
    const [kept] = await storage.conversations();
    expect(kept?.record.last_message).not.toHaveProperty('envelope');
    expect(kept?.record.last_message).toMatchObject({ seq: 2, expires_at: 100 });
  }
});

it('stores a conversation and its messages together or not at all', async () => {
  const record = { id: 'c' } as Conversation;
  const cannotBeStored = { ...message(2), envelope: (() => 1) as unknown as string };
  await expect(
    storage.keep([{ id: 'c', record, synced: 2 }], [message(1), cannotBeStored]),
  ).rejects.toThrow();
  expect(await storage.conversations()).toEqual([]);
  expect(await storage.messages('c', Infinity, 9)).toEqual([]);
});

it('keeps the queue in the order of writing, over a reload', async () => {
  // Ids that would sort the other way round.
  for (const id of ['z', 'm', 'a']) await storage.enqueue(queued(id));
  await storage.enqueue(queued('other', 'd'));
  storage.close();
  expect((await storage.queued('c')).map((q) => q.id)).toEqual(['z', 'm', 'a']);
  expect((await storage.queued()).map((q) => q.id)).toEqual(['z', 'm', 'a', 'other']);
});

it('keeps the place of what is changed, and does not bring back what is gone', async () => {
  for (const id of ['a', 'b']) await storage.enqueue(queued(id));
  expect(await storage.sealOnce('a', 'AQE')).toBe('AQE');
  expect((await storage.queued('c')).map((q) => [q.id, q.envelope])).toEqual([
    ['a', 'AQE'],
    ['b', null],
  ]);
  await storage.dequeue('a');
  await storage.refuse('a', 'x');
  expect(await storage.sealOnce('a', 'AQE')).toBeNull();
  expect((await storage.queued('c')).map((q) => q.id)).toEqual(['b']);
});

it('keeps the envelope of whoever sealed first', async () => {
  await storage.enqueue(queued('a'));
  const otherTab = new Storage(`test-${name - 1}`);
  expect(await Promise.all([storage.sealOnce('a', 'one'), otherTab.sealOnce('a', 'two')])).toEqual([
    'one',
    'one',
  ]);
  otherTab.close();
});

it('puts what is written anew in the place of what was refused, once', async () => {
  for (const id of ['a', 'b', 'd']) await storage.enqueue(queued(id));
  // What waits may be on its way, and is not to be replaced.
  expect(await storage.replace('b', queued('x'), null)).toBe(false);
  await storage.refuse('b', 'bad_envelope');
  const otherTab = new Storage(`test-${name - 1}`);
  const both = [storage.replace('b', queued('x'), null), otherTab.replace('b', queued('y'), null)];
  expect(await Promise.all(both)).toEqual([true, false]);
  expect((await storage.queued('c')).map((q) => [q.id, q.refused])).toEqual([
    ['a', null],
    ['x', null],
    ['d', null],
  ]);
  otherTab.close();
});

it('keeps a message and takes its draft away in one step, or does neither', async () => {
  const draft = { conversation: 'c', sealed: 'sealed' };
  await storage.keepDraft('c', draft);
  await storage.enqueue(queued('a'), null);
  expect(await storage.drafts()).toEqual([]);
  await storage.keepDraft('c', draft);
  await expect(storage.enqueue(queued('a'))).rejects.toMatchObject({ code: 'not_kept' });
  expect(await storage.drafts()).toEqual([draft]);
});

it('leaves the draft alone when a message is sent again as it was', async () => {
  const draft = { conversation: 'c', sealed: 'sealed' };
  await storage.enqueue(queued('a'));
  await storage.refuse('a', 'bad_envelope');
  await storage.keepDraft('c', draft);
  expect(await storage.replace('a', queued('b'))).toBe(true);
  expect(await storage.drafts()).toEqual([draft]);
  expect(await storage.replace('a', queued('x'), null)).toBe(false);
  expect(await storage.drafts()).toEqual([draft]);
});

it('keeps what waits in a database of the version before', async () => {
  const before = await openDB(`test-${name - 1}`, 1, {
    upgrade(db) {
      db.createObjectStore('session');
      db.createObjectStore('owner');
      db.createObjectStore('conversations', { keyPath: 'id' });
      db.createObjectStore('messages', { keyPath: ['conversation', 'seq'] });
      const outbox = db.createObjectStore('outbox', { keyPath: 'order', autoIncrement: true });
      outbox.createIndex('conversation', 'conversation');
      outbox.createIndex('id', 'id', { unique: true });
    },
  });
  await before.add('outbox', queued('a'));
  before.close();
  expect((await storage.queued()).map((q) => q.id)).toEqual(['a']);
  await storage.keepDraft('c', { conversation: 'c', sealed: 'sealed' });
  expect(await storage.drafts()).toHaveLength(1);
});

it.each([2, 3])(
  'keeps all there is in a database of version %i, which is not taken for another one',
  async (version) => {
    const before = await openDB(`test-${name - 1}`, version, {
      upgrade(db) {
        db.createObjectStore('session');
        db.createObjectStore('owner');
        db.createObjectStore('conversations', { keyPath: 'id' });
        db.createObjectStore('messages', { keyPath: ['conversation', 'seq'] });
        const outbox = db.createObjectStore('outbox', { keyPath: 'order', autoIncrement: true });
        outbox.createIndex('conversation', 'conversation');
        outbox.createIndex('id', 'id', { unique: true });
        db.createObjectStore('drafts', { keyPath: 'conversation' });
        db.createObjectStore('marks', { keyPath: 'conversation' });
        if (version === 3) db.createObjectStore('settings', { keyPath: 'key' });
      },
    });
    await before.put('owner', 'the instance', 'instance');
    await before.put('owner', 'a', 'account');
    await before.add('outbox', queued('m'));
    await before.put('drafts', { conversation: 'c', sealed: 'sealed' });
    before.close();
    await storage.belongTo('a');
    expect((await storage.queued()).map((q) => q.id)).toEqual(['m']);
    expect(await storage.drafts()).toHaveLength(1);
    expect(await storage.keepIndex('a', null, index('one'), [segment('sealed')])).toBe(true);
    storage.close();
    const after = await openDB(`test-${name - 1}`);
    expect(await after.get('owner', 'instance')).toBe('the instance');
    after.close();
  },
);

describe('the index of the search', () => {
  beforeEach(() => storage.belongTo('a'));

  it('is written over by who has read what stands there, and by nobody else', async () => {
    expect(await storage.keepIndex('a', null, index('one'), [segment('first')])).toBe(true);
    expect(await storage.keepIndex('a', null, index('two'), [segment('second')])).toBe(false);
    expect(await storage.keepIndex('a', 'other', index('two'), [segment('second')])).toBe(false);
    expect((await storage.segment('c', 0))?.sealed).toEqual(bytes('first'));
    expect(await storage.keepIndex('a', 'one', index('two'), [segment('second')])).toBe(true);
    expect((await storage.indexes()).map(({ stamp }) => stamp)).toEqual(['two']);
    expect((await storage.segment('c', 0))?.sealed).toEqual(bytes('second'));
  });

  it('is gone with a log-out, and does not come back from what was under way', async () => {
    await storage.keepIndex('a', null, index('one'), [segment('first')]);
    await storage.deleteEverything();
    expect(await storage.indexes()).toEqual([]);
    expect(await storage.segment('c', 0)).toBeUndefined();
    expect(await storage.keepIndex('a', null, index('one'), [segment('first')])).toBe(false);
    await storage.belongTo('b');
    expect(await storage.keepIndex('a', null, index('one'), [segment('first')])).toBe(false);
    expect(await storage.segment('c', 0)).toBeUndefined();
  });

  it('is not for another account', async () => {
    await storage.keepIndex('a', null, index('one'), [segment('first')]);
    await storage.belongTo('b');
    expect(await storage.indexes()).toEqual([]);
    expect(await storage.segment('c', 0)).toBeUndefined();
  });
});

it('lets marks only grow, and drops them when the server has come as far', async () => {
  const marks = (delivered: number, read: number) => ({ conversation: 'c', delivered, read });
  await storage.keepMarks([marks(5, 2)]);
  await storage.keepMarks([marks(4, 3)]);
  await storage.keepMarks([marks(1, 1)]);
  expect(await storage.marks()).toEqual([marks(5, 3)]);
  await storage.dropMarks(marks(5, 2));
  expect(await storage.marks()).toHaveLength(1);
  await storage.dropMarks(marks(6, 3));
  expect(await storage.marks()).toEqual([]);
});

describe('a storage that was cleared under an open page', () => {
  beforeEach(async () => {
    await storage.belongTo('a');
    for (const id of ['z', 'm']) await storage.enqueue(queued(id));
    await storage.sealOnce('z', 'AQE');
    await storage.keepDraft('d', { conversation: 'd', sealed: 'sealed' });
    await storage.keep([{ id: 'c', record: { id: 'c' } as Conversation, synced: 1 }], [message(1)]);
  });

  const ids = async (of = storage) => (await of.queued()).map((q) => q.id);

  it('gets back what exists nowhere else, in its order, with the same bytes', async () => {
    await deleteDB(`test-${name - 1}`);
    await storage.enqueue(queued('a'));
    expect((await storage.queued()).map((q) => [q.id, q.envelope])).toEqual([
      ['z', 'AQE'],
      ['m', null],
      ['a', null],
    ]);
    expect(await storage.drafts()).toHaveLength(1);
    // What the server has as well is fetched anew.
    expect(await storage.messages('c', Infinity, 9)).toEqual([]);
  });

  it('gets it back at once, for a page that is opened next', async () => {
    await deleteDB(`test-${name - 1}`);
    const next = new Storage(`test-${name - 1}`);
    await expect.poll(() => ids(next)).toEqual(['z', 'm']);
    next.close();
  });

  it('gets it once from two tabs, and not what another one has sent', async () => {
    const otherTab = new Storage(`test-${name - 1}`);
    await otherTab.belongTo('a');
    expect(await ids(otherTab)).toEqual(['z', 'm']);
    await storage.dequeue('z');
    expect(await ids(otherTab)).toEqual(['m']);
    await deleteDB(`test-${name - 1}`);
    expect(await Promise.all([ids(), ids(otherTab)])).toEqual([['m'], ['m']]);
    otherTab.close();
  });

  it('gets nothing back after a log-out, nor for somebody else', async () => {
    await storage.deleteEverything();
    await deleteDB(`test-${name - 1}`);
    expect(await ids()).toEqual([]);

    await storage.belongTo('a');
    await storage.enqueue(queued('mine'));
    storage.close();
    await deleteDB(`test-${name - 1}`);
    const theirs = new Storage(`test-${name - 1}`);
    await theirs.belongTo('b');
    expect(await ids()).toEqual([]);
    theirs.close();
  });
});

it('refuses the same message twice', async () => {
  await storage.enqueue(queued('a'));
  await expect(storage.enqueue(queued('a'))).rejects.toThrow();
});

it('forgets everything, also while another tab has it open', async () => {
  const otherTab = new Storage(`test-${name - 1}`);
  await storage.enqueue(queued('a'));
  expect(await otherTab.queued()).toHaveLength(1);
  await storage.deleteEverything();
  expect(await otherTab.queued()).toEqual([]);
});

it('is emptied for another account, and only for another', async () => {
  await storage.belongTo('a');
  await storage.enqueue(queued('m'));
  await storage.belongTo('a');
  expect(await storage.queued()).toHaveLength(1);
  await storage.belongTo('b');
  expect(await storage.queued()).toEqual([]);
});
