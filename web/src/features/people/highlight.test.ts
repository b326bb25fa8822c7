import { describe, expect, it } from 'vitest';
import { fold } from '../../lib/folding';
import { highlight } from './highlight';

/** The text with its hits in brackets. */
const marked = (text: string, query: string) =>
  highlight(text, query)
    .map((part) => (part.hit ? `[${part.text}]` : part.text))
    .join('');

describe('highlight', () => {
  it('finds a word start without its accents and case', () => {
    expect(marked('Éloïse Marchand', 'elo')).toBe('[Élo]ïse Marchand');
    expect(marked('Éloïse Marchand', 'ELOÏ')).toBe('[Éloï]se Marchand');
  });

  it('finds it when the accent is a sign of its own', () => {
    expect(marked('E\u0301loi\u0308se', 'eloi')).toBe('[E\u0301loi\u0308]se');
  });

  it('marks word starts only, never the middle of a word', () => {
    expect(marked('velo.jean', 'elo')).toBe('velo.jean');
    expect(marked('jean.velo', 'velo')).toBe('jean.[velo]');
  });

  it('marks each word of the question', () => {
    expect(marked('Élodie Petit', 'pet elo')).toBe('[Élo]die [Pet]it');
  });

  it('keeps every letter where nothing matches, and where nothing is asked', () => {
    expect(marked('Jean 👩‍🚀 Villon', 'zoe')).toBe('Jean 👩‍🚀 Villon');
    expect(marked('Jean 👩‍🚀 Villon', ' ')).toBe('Jean 👩‍🚀 Villon');
    expect(highlight('', 'a')).toEqual([]);
  });

  it('marks the whole letter when it folds to two', () => {
    expect(fold('ﬁ')).toBe('fi');
    expect(marked('ﬁlm', 'f')).toBe('[ﬁ]lm');
  });
});
