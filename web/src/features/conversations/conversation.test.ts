// @vitest-environment happy-dom
import { describe, expect, it, vi } from 'vitest';
import type { Conversation as Record, Message } from '../../lib/api/types';
import { api } from '../../lib/api/client';
import { clock } from '../../lib/clock';
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
    peer: { id: 'them' },
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

/** An envelope is its own text. */
const plain = (text: string) => ({ text });

/** Messages 1 to 5 are held, the last three of them new and of the other person. */
function opened(senders = ['them', 'me', 'them', 'them', 'them'], before = record({})) {
  const note = vi.fn();
  const confirmed = vi.fn();
  const receipts = { note, confirmed };
  const keys = { loadKeyring: () => Promise.resolve() };
  const vault = {
    openAll: (messages: Message[]) =>
      Promise.resolve(
        messages.map(({ envelope }) => ({ words: envelope ? plain(envelope) : null, reactions: [] })),
      ),
  };
  const storage = { keep: () => Promise.resolve() };
  const preferences = { of: () => ({ unread: true }) };
  const renewedAt = () => 0;
  const tools = { me: 'me', renewedAt, receipts, keys, vault, storage, preferences } as unknown as Tools;
  const conversation = new Conversation(tools, before, before.rev);
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

it('counts no message that has disappeared before it was read', async () => {
  const { conversation } = opened();
  conversation.history.loaded = true;
  const expires_at = clock.now() - 1;
  // Its time is over, and the server has not said so yet.
  conversation.history.shown = conversation.history.shown.map((each) =>
    each.message.seq === 4 ? { ...each, message: { ...each.message, expires_at } } : each,
  );
  expect(conversation.record.unread).toBe(3);
  expect(conversation.unread).toBe(2);
  const gone = { ...message(4, 'them'), rev: 6, envelope: null, expires_at, deleted_at: expires_at };
  await conversation.receive(gone);
  expect(conversation.record).toMatchObject({ rev: 6, unread: 2 });
  expect(conversation.unread).toBe(2);
  // Told twice, and one that was read long ago.
  await conversation.receive(gone);
  await conversation.receive({ ...gone, ...message(1, 'them'), rev: 7, envelope: null });
  expect(conversation.unread).toBe(2);
});

it('counts what disappears unread in a conversation that is not open, down to nothing', async () => {
  const { conversation } = opened([], record({ unread: 2 }));
  conversation.history.synced = 0;
  expect(conversation.markedUnread).toBe(false);
  const gone = (seq: number, rev: number) =>
    ({ ...message(seq, 'them'), rev, envelope: null, expires_at: 10, deleted_at: 10 }) as Message;
  await conversation.receive(gone(4, 6));
  expect(conversation.unread).toBe(1);
  await conversation.receive(gone(5, 7));
  expect(conversation.unread).toBe(0);
  expect(conversation.markedUnread).toBe(true);
  // It has come and gone while nobody was here.
  await conversation.receive(gone(6, 8));
  expect(conversation.unread).toBe(0);
});

it('says the last words also where the server had to be asked for what lies between', async () => {
  const { conversation } = opened([], record({ unread: 5, mine: { delivered: 0, read: 0 } }));
  conversation.history.synced = 0;
  const said = (seq: number) => ({
    ...message(seq, 'them'),
    envelope: JSON.stringify({ type: 'text', body: `${seq}` }),
  });
  vi.spyOn(api, 'conversation')
    .mockReset()
    .mockResolvedValue(record({ seq: 9, rev: 9, last_message: said(9) }));
  await conversation.receive(said(7));
  for (const late of [8, 9]) await conversation.receive(said(late));
  expect(conversation.latest?.content).toMatchObject({ body: '9' });
});

it('says why it has no last words', () => {
  const silence = (last_message: Message | null) => opened([], record({ last_message })).conversation.silence;
  const last = message(5, 'them');
  expect(silence({ ...last, expires_at: clock.now() - 1 })).toBe('expired');
  expect(silence({ ...last, hidden: true })).toBe('hidden');
  // Not opened yet, or nothing was said.
  expect(silence({ ...last, expires_at: clock.now() + 60_000 })).toBeNull();
  expect(silence(null)).toBeNull();
});

describe('a timer', () => {
  const day = 24 * 3_600_000;
  const timer = (seq: number, after: number, lifetime: number) => ({
    ...message(seq, 'them'),
    envelope: JSON.stringify({ type: 'timer', after }),
    ...(lifetime > 0 && { expires_at: clock.now() + lifetime, sent_at: clock.now() }),
  });
  const told = (answer: Partial<Record>) => {
    const asked = vi.spyOn(api, 'conversation').mockReset();
    return asked.mockResolvedValue(record({ seq: 6, rev: 6, ...answer }));
  };
  const open = () => {
    const { conversation } = opened(undefined, record({ timer: 0, timer_seq: 0 }));
    conversation.history.loaded = true;
    return conversation;
  };

  it('is shown when it is set', async () => {
    const conversation = open();
    const asked = told({ timer: day, timer_seq: 6 });
    const news = await conversation.receive(timer(6, day, day));
    expect(news).toEqual({ type: 'timer', after: day });
    expect(conversation.view.at(-1)?.content).toEqual({ type: 'timer', after: day });
    expect(conversation.record).toMatchObject({ timer: day, timer_seq: 6 });
    expect(asked).toHaveBeenCalledTimes(1);
  });

  it('is none when the server does not keep it, whatever the words say', async () => {
    // As the message itself shows, and as the server says when it is asked.
    for (const lifetime of [0, 7 * day]) {
      const conversation = open();
      told({ timer: 0, timer_seq: 0 });
      const news = await conversation.receive(timer(6, day, lifetime));
      const nothing = { type: 'unreadable', reason: 'timer_not_set' };
      expect(news).toEqual(nothing);
      expect(conversation.view.at(-1)?.content).toEqual(nothing);
      expect(conversation.latest?.content).toEqual(nothing);
      expect(conversation.record).toMatchObject({ timer: 0, timer_seq: 0 });
    }
  });
});
