import { describe, expect, it } from 'vitest';
import { Problem } from '../problem';
import { conversationOf, epochsOf, frameOf, keyringOf, pageOf } from './answers';
import type { Conversation, Epoch, Message } from './types';

const message = (seq: number, over: Partial<Message> = {}): Message => ({
  conversation: 'c',
  seq,
  rev: seq,
  id: `m${seq}`,
  sender: 'them',
  epoch: 'e',
  envelope: 'words',
  sent_at: 1,
  ...over,
});
const person = { id: 'them', handle: 'them', display_name: 'Them', status: '', bio: '' };
const record: Conversation = {
  id: 'c',
  peer: person,
  seq: 2,
  rev: 2,
  active_at: 1,
  unread: 0,
  blocked: false,
  mine: { delivered: 2, read: 2 },
  theirs: { delivered: 2, read: 2 },
  timer: 0,
  timer_seq: 0,
  epoch: null,
  last_message: message(2),
};

function refused(answer: () => unknown): void {
  expect(answer).toThrow(Problem);
  expect(answer).toThrow('bad_answer');
}

describe('a page', () => {
  it('is of the conversation that it was asked for, whatever it says', () => {
    const { messages } = pageOf('mine', { messages: [message(1), message(2)] }, 'seq', {});
    expect(messages.map(({ conversation }) => conversation)).toEqual(['mine', 'mine']);
  });

  it('goes on from where it was asked, and never back', () => {
    const page = (...seqs: number[]) => ({ messages: seqs.map((seq) => message(seq)) });
    expect(pageOf('c', page(5, 7), 'seq', { after: 4, before: 8 }).messages).toHaveLength(2);
    refused(() => pageOf('c', page(5, 5), 'seq', {}));
    refused(() => pageOf('c', page(5, 4), 'rev', {}));
    refused(() => pageOf('c', page(5), 'rev', { after: 5 }));
    refused(() => pageOf('c', page(8), 'seq', { before: 8 }));
    refused(() => pageOf('c', { messages: [], next: 5 }, 'rev', { after: 5 }));
    expect(pageOf('c', { messages: [], next: 6 }, 'rev', { after: 5 }).next).toBe(6);
  });

  it('has messages in it', () => {
    const wrong = [{ seq: '1' }, { rev: -1 }, { seq: 1.5 }, { sent_at: 9e15 }, { envelope: 7 }];
    const messages = [null, 7, [], {}, ...wrong.map((fields) => ({ ...message(1), ...fields }))];
    for (const each of messages) refused(() => pageOf('c', { messages: [each as Message] }, 'seq', {}));
    refused(() => pageOf('c', 'page' as never, 'seq', {}));
  });
});

it('a conversation is the one that was asked for, and its last message is its own', () => {
  const other = { ...record, last_message: message(2, { conversation: 'other' }) };
  expect(conversationOf(other).last_message?.conversation).toBe('c');
  expect(conversationOf({ ...record, last_message: undefined }, 'c').last_message).toBeNull();
  refused(() => conversationOf(record, 'other'));
  refused(() => conversationOf({ ...record, theirs: { delivered: 1, read: NaN } }));
  refused(() => conversationOf({ ...record, peer: { ...person, display_name: null as never } }));
});

it('grants and the keyring come to an end', () => {
  const grant = (number: number): Epoch => ({ id: 'e', number, body: 'b', signature: 's' });
  expect(epochsOf({ epochs: [grant(1), grant(3)], next: 3 }).epochs).toHaveLength(2);
  refused(() => epochsOf({ epochs: [grant(2), grant(1)] }));
  refused(() => epochsOf({ epochs: [], next: 4 }, 4));
  refused(() => epochsOf({ epochs: [{ ...grant(1), body: 7 as never }] }));
  refused(() => keyringOf({ entries: [], next: 'here' }, 'here'));
  refused(() => keyringOf({ entries: null as never }));
});

it('a frame is of its kind, and one of a kind that is not known is let pass', () => {
  const good = [
    { type: 'ready', server_time: 1 },
    { type: 'message', message: message(1) },
    { type: 'receipt', conversation: 'c', account: 'a', delivered: 1, read: 0 },
    { type: 'erasure', erase_at: null },
    { type: 'constructor' },
    { type: 'of a newer server' },
  ];
  for (const frame of good) expect(frameOf(frame)).toBe(frame);
  const bad = [
    { type: 'message' },
    { ...good[2], read: 'all' },
    { type: 'erasure', erase_at: 9e15 },
    { type: 'reset_asked', reset_asked: { asked_at: 1 } },
    { type: 'secured' },
  ];
  for (const frame of [null, 'text', [], { type: 7 }, ...bad]) refused(() => frameOf(frame));
});
