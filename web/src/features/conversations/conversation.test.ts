import { expect, it, vi } from 'vitest';
import type { Conversation as Record, Message } from '../../lib/api/types';
import { Conversation } from './conversation.svelte';
import type { Tools } from './tools';

const message = (seq: number, sender: string) =>
  ({
    id: `m${seq}`,
    conversation: 'c',
    seq,
    rev: seq,
    sender,
    envelope: '',
    epoch: 'e',
    sent_at: seq,
  }) as Message;
const record = (change: Partial<Record>) =>
  ({
    id: 'c',
    seq: 5,
    rev: 5,
    active_at: 1,
    unread: 3,
    mine: { delivered: 5, read: 2 },
    theirs: { delivered: 5, read: 5 },
    last_message: null,
    epoch: null,
    ...change,
  }) as unknown as Record;

/** Messages 1 to 5 are held, the last three of them new and of the other person. */
function opened(senders = ['them', 'me', 'them', 'them', 'them'], before = record({})) {
  const note = vi.fn();
  const confirmed = vi.fn();
  const receipts = { note, confirmed };
  const conversation = new Conversation({ me: 'me', receipts } as unknown as Tools, before);
  conversation.history.shown = senders.map((sender, at) => ({
    message: message(at + 1, sender),
    content: { type: 'text', body: '' },
    reactions: [],
  }));
  return { conversation, note, confirmed };
}

it('says which of its receipts the server knows of, and keeps the others', () => {
  const { conversation, confirmed } = opened();
  conversation.markRead(5);
  conversation.apply(record({ mine: { delivered: 5, read: 2 } }));
  expect(confirmed).toHaveBeenLastCalledWith('c', { delivered: 5, read: 2 });
  expect(conversation.record).toMatchObject({ mine: { read: 5 }, unread: 0 });
  conversation.marked('me', { delivered: 5, read: 5 });
  expect(confirmed).toHaveBeenLastCalledWith('c', { delivered: 5, read: 5 });
});

it('is read as far as it was seen, and no further', () => {
  const { conversation, note } = opened();
  conversation.markRead(2);
  expect(note).not.toHaveBeenCalled();
  conversation.markRead(4);
  expect(note).toHaveBeenLastCalledWith('c', { delivered: 4, read: 4 });
  expect(conversation.record).toMatchObject({ mine: { read: 4 }, unread: 1 });
  // An answer from before the mark, and another window that has read less.
  conversation.apply(record({}));
  conversation.marked('me', { delivered: 5, read: 3 });
  expect(conversation.record.unread).toBe(1);
  conversation.marked('me', { delivered: 5, read: 5 });
  expect(conversation.record.unread).toBe(0);
});

it('is read to its end when only my own words follow, and then says nothing more', () => {
  const { conversation, note } = opened(['them', 'me', 'them', 'me', 'me'], record({ unread: 1 }));
  conversation.markRead(3);
  expect(conversation.record).toMatchObject({ mine: { read: 5 }, unread: 0 });
  conversation.markRead(5);
  expect(note).toHaveBeenCalledTimes(1);
});
