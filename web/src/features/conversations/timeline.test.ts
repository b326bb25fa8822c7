import { describe, expect, it } from 'vitest';
import type { Message } from '../../lib/api/types';
import { contentOf, emojiOf } from './content';
import {
  contiguous,
  contradicts,
  grewAtTop,
  isSet,
  itemsOf,
  merge,
  placeOf,
  withChanges,
  withoutLost,
  withoutRepeats,
  type Change,
  type Pending,
  type Shown,
} from './timeline';

const noon = new Date(2026, 10, 19, 12).getTime();
const minute = 60_000;

const message = (seq: number, over: Partial<Message> = {}): Message => ({
  conversation: 'c',
  seq,
  rev: seq,
  id: `m${seq}`,
  sender: 'me',
  epoch: 'e',
  envelope: '',
  sent_at: noon + seq * 1000,
  ...over,
});
const shown = (seq: number, over: Partial<Message> = {}): Shown => ({
  message: message(seq, over),
  content: { type: 'text', body: `${seq}/${over.rev ?? seq}` },
  reactions: [],
});
const waiting = (id: string, refused: string | null = null): Pending => ({
  id,
  written_at: noon + 60 * 1000,
  content: { type: 'text', body: id },
  refused,
});
const seqs = (all: Shown[]) => all.map((each) => each.message.seq);

describe('a change', () => {
  it('is next, held already, or shows that something is missing', () => {
    expect([placeOf(8, 7), placeOf(7, 7), placeOf(3, 7), placeOf(9, 7)]).toEqual([
      'next',
      'held',
      'held',
      'gap',
    ]);
  });
});

describe('what is lost', () => {
  const closed = (seq: number): Shown => ({
    ...shown(seq),
    content: { type: 'unreadable', reason: 'unknown_epoch' },
  });
  const renewedAt = noon + 3_500;

  it('is what was written before one began anew and does not open, or says nothing', () => {
    const deleted: Shown = { ...shown(2), content: { type: 'deleted' } };
    const types = withoutLost([closed(1), deleted, shown(3), closed(4)], renewedAt).map(
      ({ content }) => content.type,
    );
    expect(types).toEqual(['lost', 'lost', 'text', 'unreadable']);
    expect(withoutLost([closed(1)], 0)[0]?.content.type).toBe('unreadable');
  });

  it('is one line, where it ends', () => {
    const items = itemsOf(
      withoutLost([closed(1), closed(2), closed(3), shown(4)], renewedAt),
      [],
      'me',
      null,
    );
    expect(items.map(({ kind }) => kind)).toEqual(['lost', 'day', 'bubble']);
    const none = itemsOf(withoutLost([closed(1)], renewedAt), [waiting('w')], 'me', null);
    expect(none.map(({ kind }) => kind)).toEqual(['lost', 'day', 'bubble']);
  });
});

describe('merging', () => {
  it('puts messages in the order of the conversation, whatever the order of arrival', () => {
    expect(seqs(merge([shown(4), shown(5)], [shown(8), shown(6), shown(7)]))).toEqual([4, 5, 6, 7, 8]);
  });

  it('shows a message that arrives twice once', () => {
    expect(seqs(merge([shown(4), shown(5)], [shown(5), shown(5), shown(4)]))).toEqual([4, 5]);
  });

  it('lets the later change win, in either order of arrival', () => {
    const changed = shown(4, { rev: 9 });
    for (const merged of [merge([shown(4)], [changed]), merge([changed], [shown(4)])]) {
      expect(merged[0]?.content).toEqual({ type: 'text', body: '4/9' });
    }
  });

  it('does not make a hole when an old message outside of what is held changes', () => {
    expect(seqs(merge([shown(40), shown(41)], [shown(2, { rev: 50 })]))).toEqual([40, 41]);
  });
});

describe('what the server says again', () => {
  const known = message(1, { envelope: 'words', edit: { id: 'e2', at: 2, count: 2 } });
  const deleted = message(1, { envelope: null, deleted_at: 5 });

  it('may be more, and never another, or less than it was', () => {
    const edited = { id: 'e3', at: 3, count: 3 };
    expect(contradicts({ ...known, rev: 9 }, known)).toBe(false);
    expect(contradicts({ ...known, envelope: 'others', edit: edited }, known)).toBe(false);
    expect(contradicts(deleted, known)).toBe(false);
    expect(contradicts({ ...deleted, rev: 9 }, deleted)).toBe(false);
    expect(contradicts({ ...known, hidden: true, envelope: null }, known)).toBe(false);

    expect(contradicts(known, deleted)).toBe(true);
    expect(contradicts({ ...known, id: 'other' }, known)).toBe(true);
    expect(contradicts({ ...known, sender: 'other' }, known)).toBe(true);
    expect(contradicts({ ...known, envelope: 'others' }, known)).toBe(true);
    expect(contradicts({ ...known, envelope: 'first', edit: { id: 'e1', at: 1, count: 1 } }, known)).toBe(
      true,
    );
    expect(contradicts({ ...known, envelope: 'first', edit: null }, known)).toBe(true);
  });

  it('under another number is no other message', () => {
    const repeated = shown(3, { id: 'm1' });
    const all = withoutRepeats([shown(1), shown(2), repeated]);
    expect(all.map(({ content }) => content.type)).toEqual(['text', 'text', 'repeated']);
    const keys = itemsOf(all, [], 'me', null).map(({ key }) => key);
    expect(new Set(keys).size).toBe(keys.length);
  });

  it('leaves a line where something is missing', () => {
    const kinds = itemsOf([shown(5), shown(6), shown(9)], [], 'me', null);
    expect(kinds.filter(({ kind }) => kind === 'gap')).toEqual([{ kind: 'gap', key: 'gap-9', count: 2 }]);
    expect(itemsOf([shown(5), shown(6)], [], 'me', null).some(({ kind }) => kind === 'gap')).toBe(false);
  });
});

describe('what is kept', () => {
  const kept = [1, 2, 3, 7, 8, 9].map((seq) => message(seq));
  it('counts as history only as far as nothing is missing', () => {
    expect(contiguous(kept).map((m) => m.seq)).toEqual([7, 8, 9]);
    expect(contiguous(kept.slice(0, 3), 4).map((m) => m.seq)).toEqual([1, 2, 3]);
    expect(contiguous(kept.slice(0, 3), 7)).toEqual([]);
    expect(contiguous([])).toEqual([]);
  });
});

describe('a thread', () => {
  const kinds = (items: ReturnType<typeof itemsOf>) =>
    items.map((item) => (item.kind === 'bubble' ? item.key + (item.first ? '*' : '') : item.kind));

  it('groups what one person writes within five minutes', () => {
    const items = itemsOf(
      [
        shown(1, { sent_at: noon }),
        shown(2, { sent_at: noon + 4 * minute }),
        shown(3, { sent_at: noon + 10 * minute }),
        shown(4, { sent_at: noon + 10 * minute, sender: 'them' }),
      ],
      [],
      'me',
      null,
    );
    expect(kinds(items)).toEqual(['day', 'm1*', 'm2', 'm3*', 'm4*']);
  });

  it('separates days, also between two messages a minute apart', () => {
    const midnight = new Date(2026, 10, 20).getTime();
    const items = itemsOf(
      [shown(1, { sent_at: midnight - 1 }), shown(2, { sent_at: midnight })],
      [],
      'me',
      null,
    );
    expect(kinds(items)).toEqual(['day', 'm1*', 'day', 'm2*']);
  });

  it('never goes back to a day that is over, whenever what waits was written', () => {
    const yesterday = { ...waiting('old'), written_at: noon - 86_400_000 };
    const tomorrow = { ...waiting('next'), written_at: noon + 86_400_000 };
    const items = itemsOf([shown(1)], [yesterday, waiting('now'), tomorrow], 'me', null);
    expect(items.map((item) => (item.kind === 'day' ? 'day' : item.key))).toEqual([
      'day',
      'm1',
      'old',
      'now',
      'day',
      'next',
    ]);
  });

  it('says once where the new messages begin, and never because of my own', () => {
    const all = [
      shown(1, { sender: 'them' }),
      shown(2),
      shown(3, { sender: 'them' }),
      shown(4, { sender: 'them' }),
    ];
    expect(kinds(itemsOf(all, [], 'me', 1))).toEqual(['day', 'm1*', 'm2*', 'new', 'm3*', 'm4']);
    expect(kinds(itemsOf(all, [], 'me', 4))).not.toContain('new');
    expect(kinds(itemsOf(all, [], 'me', null))).not.toContain('new');
  });

  it('says so only where what was read before is held as well, or nothing was', () => {
    const page = [5, 6, 7].map((seq) => shown(seq, { sender: 'them' }));
    expect(kinds(itemsOf(page, [], 'me', 3))).not.toContain('new');
    expect(kinds(itemsOf(page, [], 'me', 4))).not.toContain('new');
    expect(kinds(itemsOf(page, [], 'me', 5))).toEqual(['m5', 'new', 'm6*', 'm7']);
    expect(kinds(itemsOf([shown(1, { sender: 'them' })], [], 'me', 0))).toEqual(['day', 'new', 'm1*']);
  });

  it('is the same below, whatever comes in above', () => {
    const all = [1, 2, 3, 4, 5, 6].map((seq) => shown(seq, { sent_at: noon + seq, sender: 'them' }));
    const whole = itemsOf(all, [], 'me', null);
    for (let from = 1; from < all.length; from++) {
      const part = itemsOf(all.slice(from), [], 'me', null);
      expect(part).toEqual(whole.slice(-part.length));
    }
  });

  it('grows at its top only when older messages come in', () => {
    const of = (seqs: number[], ids: string[] = []) =>
      itemsOf(
        seqs.map((seq) => shown(seq)),
        ids.map((id) => waiting(id)),
        'me',
        null,
      );
    expect(grewAtTop(of([5, 6]), of([3, 4, 5, 6]))).toBe(true);
    expect(grewAtTop(of([3, 4, 5, 6]), of([3, 4, 5, 6], ['x']))).toBe(false);
    expect(grewAtTop(of([5, 6]), of([5, 6, 7]))).toBe(false);
    expect(grewAtTop(of([]), of([5]))).toBe(false);
    expect(grewAtTop(of([], ['x']), of([5], ['x']))).toBe(false);
    expect(grewAtTop(of([5, 6]), of([80, 81]))).toBe(false);
  });

  it('shows a sent message once, in the same place, while it is both waiting and accepted', () => {
    const before = itemsOf([shown(1)], [waiting('m2')], 'me', null);
    const both = itemsOf([shown(1), shown(2)], [waiting('m2'), waiting('later', 'too_large')], 'me', null);
    expect(kinds(before)).toEqual(['day', 'm1*', 'm2']);
    expect(kinds(both)).toEqual(['day', 'm1*', 'm2', 'later']);
    expect(both[2]).toMatchObject({ seq: 2 });
    expect(both[3]).toMatchObject({ seq: null, refused: 'too_large' });
  });

  it('keys are unique, so that no bubble takes the place of another', () => {
    const items = itemsOf([shown(1), shown(2, { sent_at: noon + 86_400_000 })], [waiting('x')], 'me', 0);
    expect(new Set(items.map((item) => item.key)).size).toBe(items.length);
  });
});

describe('what waits to be done', () => {
  const change = (kind: Change['about']['kind'], over: Partial<Change> = {}): Change => ({
    id: kind,
    about: { kind, target: 'm1' },
    content: null,
    emoji: null,
    refused: null,
    ...over,
  });
  const before = [
    {
      ...shown(1),
      reactions: [
        { sender: 'me', emoji: '👍' },
        { sender: 'you', emoji: '🎉' },
      ],
    },
    shown(2),
  ];
  const after = (...changes: Change[]) => withChanges(before, changes, 'me')[0];

  it('shows at once: an edit, a reaction in the place of the one before, nothing of a deleted message', () => {
    const edit = change('edit', { content: { type: 'text', body: 'new' } });
    expect(after(edit)).toMatchObject({ content: { body: 'new' }, message: { edit: { count: 1 } } });
    const reactions = [{ sender: 'you', emoji: '🎉' }];
    expect(after(change('unreaction'))?.reactions).toEqual(reactions);
    const other = { sender: 'me', emoji: '❤️' };
    expect(after(change('reaction', { emoji: '❤️' }))?.reactions).toEqual([...reactions, other]);
    expect(after(edit, change('deletion'))).toMatchObject({ content: { type: 'deleted' }, reactions: [] });
    expect(withChanges(before, [edit], 'me')[1]).toBe(before[1]);
  });

  it('is nothing when it was refused', () => {
    expect(withChanges(before, [change('deletion', { refused: 'not_yours' })], 'me')).toBe(before);
  });
});

describe('content', () => {
  it('names the message that it answers, if that is a message', () => {
    const text = (reply: unknown) => contentOf({ text: JSON.stringify({ type: 'text', body: 'a', reply }) });
    expect(text({ id: 'm', seq: 3, more: 1 })).toEqual({
      type: 'text',
      body: 'a',
      reply: { id: 'm', seq: 3 },
    });
    for (const reply of [null, 1, 'm', {}, { id: 'm' }, { id: 1, seq: 1 }, { id: 'm', seq: 1.5 }]) {
      expect(text(reply)).toEqual({ type: 'text', body: 'a' });
    }
  });

  it('of a reaction is one emoji, and never a sentence', () => {
    const reaction = (emoji: unknown) => emojiOf({ text: JSON.stringify({ type: 'reaction', emoji }) });
    expect(reaction('👍🏽')).toBe('👍🏽');
    for (const emoji of ['', 1, null, 'x'.repeat(41)]) expect(reaction(emoji)).toBeNull();
    expect(emojiOf({ text: '{"type":"text","body":"a"}' })).toBeNull();
    expect(emojiOf({ error: 'not_authentic' })).toBeNull();
  });

  it('is text, or says calmly why not', () => {
    expect(contentOf({ text: '{"type":"text","body":"a"}' })).toEqual({ type: 'text', body: 'a' });
    expect(contentOf({ text: '{"type":"poll","body":1}' })).toEqual({ type: 'newer' });
    expect(contentOf({ error: 'unsupported_version' })).toEqual({ type: 'newer' });
    expect(contentOf({ error: 'not_authentic' })).toEqual({ type: 'unreadable', reason: 'not_authentic' });
    for (const text of ['', 'null', '1', '"a"', '{"type":"text"}', '{"type":"text","body":{}}', '{}', '[]']) {
      expect(contentOf({ text })).toEqual({ type: 'unreadable', reason: 'not_understood' });
    }
  });
});

it('a timer is set by what the server keeps, not by words', () => {
  const day = 24 * 60 * minute;
  const said = (seq: number, lifetime: number | null) =>
    message(seq, lifetime === null ? {} : { expires_at: noon + seq * 1000 + lifetime });
  const now = { timer: day, timer_seq: 5 };
  expect(isSet(said(5, day), day, now)).toBe(true);
  // Shorter than before: what sets it stays as long as what it is about.
  expect(isSet(said(5, 7 * day), day, now)).toBe(true);
  expect(isSet(said(5, 7 * day), 7 * day, now)).toBe(false);
  expect(isSet(said(6, day), 0, now)).toBe(false);
  // Earlier ones were followed by this one.
  expect(isSet(said(3, 7 * day), 7 * day, now)).toBe(true);
  expect(isSet(said(3, null), 7 * day, now)).toBe(false);
  expect(isSet(said(5, null), 0, { timer: 0, timer_seq: 5 })).toBe(true);
});
