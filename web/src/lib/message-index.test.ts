import 'fake-indexeddb/auto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { textOf } from '../features/conversations/content';
import type { Message } from './api/types';
import { excerptOf, MessageIndex, type Seal } from './message-index';
import { Storage } from './storage';

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Sealed by turning bits: what is sealed with one label does not open with another. */
const turned = (label: string, bytes: Uint8Array) =>
  Uint8Array.from(bytes, (byte, at) => byte ^ 0x80 ^ (label.charCodeAt(at % label.length) & 0x1f));
const seal: Seal = {
  seal: (label, text) => turned(label, encoder.encode(text)),
  open: (label, sealed) => decoder.decode(turned(label, sealed)),
};

let storage: Storage;
let name = 0;
let index: MessageIndex;

const anotherTab = () => new MessageIndex('me', storage, seal);

beforeEach(async () => {
  storage = new Storage(`index-${name++}`);
  await storage.belongTo('me');
  index = anotherTab();
});
afterEach(() => storage.deleteEverything());

const message = (seq: number, conversation = 'c', sent_at = seq) =>
  ({ conversation, seq, rev: seq, id: `m${seq}`, sender: 'a', sent_at }) as Message;
const opened = (text: string | null) => (text === null ? null : { text: JSON.stringify(textOf(text)) });

/** Messages from place 1 on; a null was deleted. */
function say(texts: (string | null)[], conversation = 'c', of = index): void {
  const reached = { conversation, first: 1, rev: texts.length };
  of.take(
    reached,
    texts.map((_, at) => message(at + 1, conversation)),
    texts.map(opened),
  );
}

function change(seq: number, text: string | null, rev: number, of = index): void {
  of.take({ conversation: 'c', first: 1, rev }, [message(seq)], [opened(text)]);
}

const places = (query: string, of = index, conversations = ['c', 'd'], limit = 50) =>
  of.find(query, conversations, limit).found.map(({ conversation, seq }) => `${conversation}${seq}`);

describe('what is found', () => {
  it('has each word of the query at the beginning of one of its own', () => {
    say(['Rendez-vous demain à la gare', 'la garde est finie', 'demain, peut-être', 'le lendemain']);
    expect(places('gar')).toEqual(['c2', 'c1']);
    expect(places('demain')).toEqual(['c3', 'c1']);
    expect(places('dem gare')).toEqual(['c1']);
    expect(places('vous')).toEqual(['c1']);
    expect(places('arde')).toEqual([]);
  });

  it('does not depend on case, accents, ligatures or apostrophes', () => {
    say(['Où est l’Œuvre de l’été ?', 'STRASSE', 'Straße 5', 'E\u0301le\u0301phant', 'ΟΔΟΣ', 'ﬁlm']);
    expect(places('oeuvre')).toEqual(['c1']);
    expect(places('ŒUV')).toEqual(['c1']);
    expect(places('ete')).toEqual(['c1']);
    expect(places("L'été")).toEqual(['c1']);
    expect(places('strasse')).toEqual(['c3', 'c2']);
    expect(places('éléph')).toEqual(['c4']);
    expect(places('οδος')).toEqual(['c5']);
    expect(places('film')).toEqual(['c6']);
  });

  it('is what one reads, not the marks it was written with', () => {
    say(['**Im**portant', '[the plan](https://example.org/secret)', '```\nlet answer = 42\n```']);
    expect(places('important')).toEqual(['c1']);
    expect(places('secret')).toEqual([]);
    expect(places('answer 42')).toEqual(['c3']);
  });

  it('is nothing where no letter is asked for', () => {
    say(['hello', '!?']);
    expect(places('')).toEqual([]);
    expect(places(' ?! ')).toEqual([]);
  });

  it('is of the conversations asked for, the latest first, and says when there is more', () => {
    index.take(
      { conversation: 'c', first: 1, rev: 3 },
      [1, 2, 3].map((seq) => message(seq, 'c', seq * 10)),
      ['tea', 'tea', 'tea'].map(opened),
    );
    index.take(
      { conversation: 'd', first: 1, rev: 2 },
      [1, 2].map((seq) => message(seq, 'd', seq * 10 + 5)),
      ['tea', 'tea'].map(opened),
    );
    expect(places('tea')).toEqual(['c3', 'd2', 'c2', 'd1', 'c1']);
    expect(places('tea', index, ['d'])).toEqual(['d2', 'd1']);
    expect(places('tea', index, ['c', 'd'], 2)).toEqual(['c3', 'd2']);
    expect(index.find('tea', ['c', 'd'], 4).more).toBe(true);
    expect(index.find('tea', ['c', 'd'], 5).more).toBe(false);
  });

  it('has no message that cannot be read, is of a newer version, or is hidden', () => {
    const newer = { text: JSON.stringify({ type: 'poll', body: 'hello' }) };
    index.take(
      { conversation: 'c', first: 1, rev: 4 },
      [1, 2, 3, 4].map((seq) => message(seq)),
      [{ error: 'unknown_epoch' }, newer, null, opened('hello')],
    );
    expect(places('hello')).toEqual(['c4']);
  });

  it('leaves what is changed further back for when it is read', () => {
    index.take({ conversation: 'c', first: 5, rev: 9 }, [message(4), message(5)], ['tea', 'tea'].map(opened));
    expect(places('tea')).toEqual(['c5']);
  });
});

describe('an edit', () => {
  it('takes the place of what was said, in memory and on the disk', async () => {
    say(['hello jabberwock', 'other words']);
    await index.keep();
    change(1, 'hello callooh', 3);
    expect(places('jabberwock')).toEqual([]);
    expect(places('callooh')).toEqual(['c1']);
    await index.keep();
    const next = anotherTab();
    expect(await next.load()).toEqual([{ conversation: 'c', first: 1, rev: 3 }]);
    expect(places('jabberwock', next)).toEqual([]);
    expect(places('callooh', next)).toEqual(['c1']);
  });
});

describe('a deletion', () => {
  it('takes the words out of memory and of the segment on the disk, in which the others stay', async () => {
    const texts = Array.from({ length: 4_500 }, (_, at) => `word${at + 1}`);
    say(texts);
    await index.keep();
    const words = async (number: number) => {
      const kept = await storage.segment('c', number);
      return seal.open(`index/c/${number}`, kept?.sealed ?? new Uint8Array());
    };
    expect(await words(1)).toContain('"word2500"');
    const [other] = [await storage.segment('c', 0)];
    change(2_500, null, 4_501);
    await index.keep();
    expect(places('word2500')).toEqual([]);
    expect(await words(1)).not.toContain('"word2500"');
    expect(await words(1)).toContain('"word2501"');
    expect(await storage.segment('c', 0)).toEqual(other);
    const next = anotherTab();
    await next.load();
    expect(places('word2500', next)).toEqual([]);
    expect(places('word4500', next)).toEqual(['c4500']);
  });
});

describe('what disappears', () => {
  const until = 1_000;
  const words = async () =>
    seal.open('index/c/0', (await storage.segment('c', 0))?.sealed ?? new Uint8Array());
  const kept = async () => {
    const brief = { ...message(1), expires_at: until };
    index.take(
      { conversation: 'c', first: 1, rev: 2 },
      [brief, message(2)],
      ['brief', 'lasting'].map(opened),
    );
    await index.keep(until - 1);
    expect(await words()).toContain('brief');
  };

  it('leaves the disk when its time is over, although nobody has said so', async () => {
    await kept();
    expect(await index.keep(until)).toBe(true);
    expect(await words()).not.toContain('brief');
    expect(await words()).toContain('lasting');
  });

  it('leaves it at the next start otherwise', async () => {
    await kept();
    const next = anotherTab();
    await next.load();
    expect(places('brief', next)).toEqual([]);
    expect(await next.keep()).toBe(true);
    expect(await words()).not.toContain('brief');
  });
});

describe('on the disk', () => {
  it('no word is in clear, and no segment opens in the place of another', async () => {
    say(['jabberwock']);
    say(['callooh'], 'd');
    await index.keep();
    const kept = await storage.segment('c', 0);
    expect(decoder.decode(kept?.sealed)).not.toContain('jabberwock');
    expect((await storage.indexes()).map((each) => JSON.stringify([...each.segments]))).toHaveLength(2);
    // Whoever can write there exchanges the two.
    const [forC] = (await storage.indexes()).filter(({ conversation }) => conversation === 'c');
    const theirs = await storage.segment('d', 0);
    if (!forC || !theirs) throw new Error('nothing was kept');
    await storage.keepIndex('me', forC.stamp, { ...forC, stamp: 'x' }, [{ ...theirs, conversation: 'c' }]);
    const next = anotherTab();
    expect((await next.load()).map(({ conversation }) => conversation)).toEqual(['d']);
    expect(places('callooh', next)).toEqual(['d1']);
    // It is made anew.
    say(['jabberwock'], 'c', next);
    expect(await next.keep()).toBe(true);
    expect((await anotherTab().load()).length).toBe(2);
  });

  it('what another tab has written counts, and is read again', async () => {
    say(['one']);
    await index.keep();
    const other = anotherTab();
    await other.load();
    change(2, 'two', 2, other);
    expect(await other.keep()).toBe(true);
    change(2, 'late', 2);
    expect(await index.keep()).toBe(false);
    expect(await index.load()).toEqual([{ conversation: 'c', first: 1, rev: 2 }]);
    expect(places('two')).toEqual(['c2']);
    expect(places('late')).toEqual([]);
    expect(await index.keep()).toBe(true);
  });

  it('what was cleared is not held any longer, and nothing comes after a log-out', async () => {
    say(['one']);
    await index.keep();
    await storage.deleteEverything();
    change(2, 'two', 2);
    expect(await index.keep()).toBe(false);
    expect(await storage.segment('c', 0)).toBeUndefined();
    expect(await index.load()).toEqual([]);
    expect(places('one')).toEqual([]);
  });
});

describe('an excerpt', () => {
  const words = (count: number) => Array.from({ length: count }, (_, at) => `w${at}`).join(' ');

  it('is all of a short text', () => {
    expect(excerptOf('À demain, à la gare', ['gare'])).toBe('À demain, à la gare');
  });

  it('is cut between words around the first of what was found', () => {
    const excerpt = excerptOf(`${words(100)} Œuvre ${words(100)}`, ['oeuv']);
    expect(excerpt).toMatch(/^…w\d+ .*w99 Œuvre w0 .* w\d+…$/);
    expect(excerpt.length).toBeLessThan(170);
  });

  it('holds the word after what has no blank, and no half of a letter', () => {
    expect(excerptOf(`${'x'.repeat(500)}-gare`, ['gare'])).toBe('…gare');
    expect(excerptOf('👩'.repeat(500), ['gare'])).toMatch(/^(👩)+…$/u);
  });
});

it('finds one message among a hundred thousand, before and after a reload', async () => {
  const texts = Array.from({ length: 50_000 }, (_, at) => `Message ${at + 1} de l’été, à propos de rien`);
  texts[12_344] = 'une aiguille dans la meule';
  say(texts);
  say(texts.with(40_000, 'l’aiguille de la montre'), 'd');
  expect(places('aiguille')).toEqual(['d40001', 'c12345', 'd12345']);
  expect(index.find('ete', ['c', 'd'], 50)).toMatchObject({ more: true, found: { length: 50 } });
  await index.keep();
  const next = anotherTab();
  await next.load();
  expect(places('aigui meule', next)).toEqual(['c12345', 'd12345']);
  expect(places('50000', next)).toEqual(['c50000', 'd50000']);
}, 60_000);
