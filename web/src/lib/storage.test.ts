import 'fake-indexeddb/auto';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { Conversation, Message } from './api/types';
import { Storage, type Queued } from './storage';

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
  expect(await storage.changeQueued('a', { envelope: 'AQE' })).toBe(true);
  expect((await storage.queued('c')).map((q) => [q.id, q.envelope])).toEqual([
    ['a', 'AQE'],
    ['b', null],
  ]);
  await storage.dequeue('a');
  expect(await storage.changeQueued('a', { refused: 'x' })).toBe(false);
  expect((await storage.queued('c')).map((q) => q.id)).toEqual(['b']);
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
