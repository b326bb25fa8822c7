// @vitest-environment happy-dom
import { beforeEach, describe, expect, it } from 'vitest';
import { GROUPS, openBook } from './book';
import { moved, rowsOf, within } from './grid';
import { chooseTone, forgetHabits, recent, tone, used } from './habits';

const en = await openBook('en');
const fr = await openBook('fr');
const first = (found: { emoji: string }[], n = 1) => found.slice(0, n).map(({ emoji }) => emoji);

describe('the book of emoji', () => {
  it('has the same emoji in both languages, each in a group, as keyboards type them', () => {
    expect(en.all.length).toBeGreaterThan(1800);
    expect(fr.all.map(({ emoji }) => emoji)).toEqual(en.all.map(({ emoji }) => emoji));
    expect(new Set(en.all.map(({ group }) => group))).toEqual(new Set(GROUPS));
    for (const emoji of ['👍', '❤️', '😂', '😮', '😢', '🙏', '☺️', '👩‍❤️‍👨'])
      expect(en.get(emoji)?.emoji).toBe(emoji);
  });

  it('knows the skin tones of those that have one', () => {
    expect(en.get('👍')?.tones).toEqual(['👍🏻', '👍🏼', '👍🏽', '👍🏾', '👍🏿']);
    expect(en.get('👍🏽')?.emoji).toBe('👍');
    expect(en.get('🧑‍🤝‍🧑')?.tones).toHaveLength(5);
    expect(en.get('🎉')?.tones).toEqual([]);
    expect(new Set(en.all.map(({ tones }) => tones.length))).toEqual(new Set([0, 5]));
  });

  it('finds by code, name and other words, the best first', () => {
    expect(first(en.find('smile'))).toEqual(['😄']);
    expect(first(en.find('heart'))).toEqual(['❤️']);
    expect(first(en.find('hea'))).toEqual(['❤️']);
    expect(first(en.find('tad'))).toEqual(['🎉']);
    expect(first(en.find('thumbs up'))).toEqual(['👍']);
    expect(first(en.find('+1'))).toEqual(['👍']);
    expect(first(en.find('birthday'), 20)).toContain('🎂');
    expect(en.find('zzzz')).toEqual([]);
    expect(en.find('   ')).toEqual([]);
    expect(en.find('face', 3)).toHaveLength(3);
  });

  it('finds in French, with or without accents and ligatures', () => {
    for (const query of ['cœur r', 'coeur r', 'COEUR ROUGE', 'coeur_rouge']) {
      expect(first(fr.find(query))).toEqual(['❤️']);
    }
    expect(first(fr.find('gateau'), 5)).toEqual(first(fr.find('gâteau'), 5));
    expect(first(fr.find('fete'), 20)).toContain('🎉');
    expect(first(fr.find('pouce'), 2)).toContain('👍');
    expect(first(fr.find('coe'))).toEqual(['❤️']);
    expect(first(fr.find('tada'))).toEqual(['🎉']);
  });

  it('knows a whole code, and the whole name as one', () => {
    expect(en.named('smile')?.emoji).toBe('😄');
    expect(en.named('red_heart')?.emoji).toBe('❤️');
    expect(fr.named('coeur_rouge')?.emoji).toBe('❤️');
    expect(fr.named('cœur_rouge')?.emoji).toBe('❤️');
    expect(fr.named('tada')?.emoji).toBe('🎉');
    expect(en.named('smil')).toBeUndefined();
  });
});

describe('habits', () => {
  beforeEach(() => localStorage.clear());

  it('are the latest first, each once, and not too many', () => {
    for (const { emoji } of en.all.slice(0, 30)) used(emoji);
    used('🎉');
    used(recent()[3] ?? '');
    expect(recent()).toHaveLength(24);
    expect(new Set(recent()).size).toBe(24);
    expect(recent()[1]).toBe('🎉');
  });

  it('survive whatever stands in the storage', () => {
    for (const broken of ['{', '7', '{"a":1}', '[1,null,""]', '']) {
      localStorage.setItem('emoji-recent', broken);
      expect(recent()).toEqual([]);
    }
    for (const broken of ['x', '-1', '9', '1.5']) {
      localStorage.setItem('emoji-tone', broken);
      expect(tone()).toBe(0);
    }
  });

  it('are forgotten with all the rest', () => {
    used('🎉');
    chooseTone(3);
    expect([recent(), tone()]).toEqual([['🎉'], 3]);
    forgetHabits();
    expect([recent(), tone()]).toEqual([[], 0]);
  });
});

describe('the grid', () => {
  const lengths = [2, 4, 4, 1];
  const go = (row: number, column: number, key: string, ctrl = false) =>
    moved(lengths, { row, column }, key, ctrl);

  it('begins a row with each section', () => {
    const rows = rowsOf(
      [
        { title: 'a', cells: [1, 2] },
        { title: 'b', cells: [3, 4, 5, 6, 7] },
      ],
      4,
    );
    expect(rows.map(({ cells }) => cells)).toEqual([[1, 2], [3, 4, 5, 6], [7]]);
    expect(rows.map(({ title, first }) => `${title}${first}`)).toEqual(['a0', 'b0', 'b1']);
  });

  it('is walked with the arrow keys, from the end of a row to the next', () => {
    expect(go(0, 0, 'ArrowRight')).toEqual({ row: 0, column: 1 });
    expect(go(0, 1, 'ArrowRight')).toEqual({ row: 1, column: 0 });
    expect(go(1, 0, 'ArrowLeft')).toEqual({ row: 0, column: 1 });
    expect(go(1, 3, 'ArrowDown')).toEqual({ row: 2, column: 3 });
    expect(go(2, 3, 'ArrowDown')).toEqual({ row: 3, column: 0 });
    expect(go(1, 3, 'ArrowUp')).toEqual({ row: 0, column: 1 });
    expect(go(2, 1, 'Home')).toEqual({ row: 2, column: 0 });
    expect(go(2, 1, 'End')).toEqual({ row: 2, column: 3 });
    expect(go(2, 1, 'Home', true)).toEqual({ row: 0, column: 0 });
    expect(go(1, 1, 'End', true)).toEqual({ row: 3, column: 0 });
    expect(go(0, 1, 'PageDown')).toEqual({ row: 3, column: 0 });
  });

  it('ends at its ends, and above it is the search', () => {
    expect(go(0, 0, 'ArrowLeft')).toEqual({ row: 0, column: 0 });
    expect(go(3, 0, 'ArrowRight')).toEqual({ row: 3, column: 0 });
    expect(go(3, 0, 'ArrowDown')).toEqual({ row: 3, column: 0 });
    expect(go(0, 1, 'ArrowUp')).toBe('above');
    expect(go(0, 0, 'x')).toBeNull();
    expect(within([], { row: 3, column: 2 })).toEqual({ row: 0, column: 0 });
  });
});
