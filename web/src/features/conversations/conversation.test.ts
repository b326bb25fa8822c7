import { afterEach, expect, it, vi } from 'vitest';
import { api } from '../../lib/api/client';
import type { Conversation as Record } from '../../lib/api/types';
import { Conversation } from './conversation.svelte';
import { Conversations } from './conversations.svelte';
import type { Tools } from './tools';

const peer = { id: 'bob', handle: 'bob', display_name: 'Bob', status: '', bio: '', avatar: null };
const none = { delivered: 0, read: 0 };
const epoch = (number: number) => ({ id: `epoch-${number}`, number, created_at: number, first_seq: 1 });

const record = (changes: Partial<Record> = {}): Record => ({
  id: 'c',
  peer,
  seq: 3,
  rev: 3,
  active_at: 1,
  unread: 0,
  epoch: epoch(2),
  mine: none,
  theirs: none,
  last_message: null,
  ...changes,
});

const tools = {
  me: 'alice',
  vault: {},
  keys: { loadKeyring: () => Promise.resolve(), pin: () => Promise.resolve() },
  storage: { keep: () => Promise.resolve(), dropMessages: () => Promise.resolve() },
  outbox: {},
  receipts: {},
} as unknown as Tools;

afterEach(() => vi.restoreAllMocks());

it('goes on to a later epoch, and never back', () => {
  const conversation = new Conversation(tools, record());
  conversation.apply(record({ rev: 4, epoch: epoch(1) }));
  expect(conversation.record.epoch).toEqual(epoch(2));
  conversation.apply(record({ rev: 5, epoch: null }));
  conversation.epochChanged(epoch(1));
  conversation.apply(record({ rev: 6, epoch: { ...epoch(2), created_at: 99 } }));
  expect(conversation.record.epoch).toEqual(epoch(2));
  // Of the server's older answers the newest epoch counts as well.
  conversation.apply(record({ rev: 1, epoch: epoch(3) }));
  expect(conversation.record.epoch).toEqual(epoch(3));
  conversation.epochChanged(epoch(4));
  expect(conversation.record.epoch).toEqual(epoch(4));
});

it('shows on opening what the other person read meanwhile, though no message is new', async () => {
  const conversation = new Conversation(tools, record());
  expect(conversation.tick(3)).toBe('sent');
  vi.spyOn(api, 'conversation').mockResolvedValue(record({ theirs: { delivered: 3, read: 3 } }));
  vi.spyOn(api, 'history').mockResolvedValue({ messages: [] });
  await conversation.load();
  expect(conversation.tick(3)).toBe('read');
});

it('asks for the pages that hold what was unread, which may be read elsewhere', async () => {
  const conversations = new Conversations(tools);
  let old = record({ id: 'old', unread: 2 });
  const pages = vi
    .spyOn(api, 'conversations')
    .mockImplementation(({ cursor }) =>
      Promise.resolve(
        cursor ? { conversations: [old] } : { conversations: [record({ id: 'new' })], next: 'more' },
      ),
    );
  await conversations.refresh();
  for (const each of conversations.list) {
    each.history.synced = each.record.rev;
    each.preview = { kind: 'text', body: 'as it was' } as unknown as NonNullable<typeof each.preview>;
  }
  expect(conversations.get('old')?.record.unread).toBe(2);
  old = record({ id: 'old', mine: { delivered: 3, read: 3 } });
  await conversations.refresh();
  expect(conversations.get('old')?.record.unread).toBe(0);
  expect(pages).toHaveBeenCalledTimes(4);
  await conversations.refresh();
  expect(pages).toHaveBeenCalledTimes(5);
});
