import { describe, expect, it } from 'vitest';
import { byteLength, isEmojiOnly, splitLinks, withoutControls } from './text';

const links = (text: string) => splitLinks(text).flatMap((piece) => piece.href ?? []);
const shown = (text: string) => splitLinks(text).flatMap((piece) => (piece.href ? piece.text : []));

describe('links', () => {
  it('are found inside a sentence, and the text around them is kept', () => {
    expect(splitLinks('Voir https://exemple.fr/plan, puis répondre.')).toEqual([
      { text: 'Voir ' },
      { text: 'https://exemple.fr/plan', href: 'https://exemple.fr/plan' },
      { text: ', puis répondre.' },
    ]);
  });

  it.each([
    'javascript:alert(1)',
    'JaVaScRiPt://x%0aalert(1)',
    'data:text/html,<script>alert(1)</script>',
    'vbscript:x',
    'file:///etc/passwd',
    'blob:https://a.org/1',
    'xhttps://a.org',
    'https://',
    'http://[',
  ])('are never made of %s', (text) => {
    expect(links(text)).toEqual([]);
    expect(splitLinks(text)).toEqual([{ text }]);
  });

  it('lose nothing of the text, whatever it is', () => {
    for (const text of [
      '',
      'a',
      'https://a.org',
      '\n https://a.org\n\nhttps://b.org) ',
      '](https://a.org)…',
    ]) {
      expect(
        splitLinks(text)
          .map((piece) => piece.text)
          .join(''),
      ).toBe(text);
    }
  });

  it('keep parentheses that belong to the address and drop the sentence’s', () => {
    expect(shown('(https://fr.wikipedia.org/wiki/Paris_(Texas))')).toEqual([
      'https://fr.wikipedia.org/wiki/Paris_(Texas)',
    ]);
    expect(shown('(voir https://a.org/b).')).toEqual(['https://a.org/b']);
    expect(shown('« https://a.org/b » “https://a.org/c”')).toEqual(['https://a.org/b', 'https://a.org/c']);
    expect(shown('https://a.org/?q=1&b[]=2!!!')).toEqual(['https://a.org/?q=1&b[]=2']);
  });

  it('end where a character would let the shown address differ from the real one', () => {
    expect(links('https://a.org/\u202Egpj.exe')).toEqual(['https://a.org/']);
    expect(links('https://a.org\u2066.evil.org')).toEqual(['https://a.org/']);
    expect(links('https://a.org\u200B.evil.org')).toEqual(['https://a.org/']);
  });

  it('refuse an address that shows one host and leads to another', () => {
    expect(links('https://bank.example@evil.example/')).toEqual([]);
    expect(links('https://bank.example:pay@evil.example/')).toEqual([]);
  });

  it('are mail addresses only when they are one', () => {
    expect(links('mailto:eloise@exemple.fr')).toEqual(['mailto:eloise@exemple.fr']);
    expect(links('mailto:nobody')).toEqual([]);
    expect(links('mailto:a@b@c')).toEqual([]);
  });
});

describe('emoji only', () => {
  it.each(['👍', '❤️', '🇫🇷', '👩‍👩‍👧‍👦', '👋🏽', '1️⃣', '🏴󠁧󠁢󠁳󠁣󠁴󠁿', '😀 😀 😀', '☝🏿', '😀😀😀😀😀😀'])('%s', (text) => {
    expect(isEmojiOnly(text)).toBe(true);
  });

  it.each(['', ' ', '1', '©', '12', 'ok 👍', '👍.', '#', '😀😀😀😀😀😀😀', '\u200d', '🏽a'])(
    'not %j',
    (text) => {
      expect(isEmojiOnly(text)).toBe(false);
    },
  );

  it('is decided quickly for a long text', () => {
    const start = performance.now();
    isEmojiOnly('👍🏽 '.repeat(5000) + 'x');
    isEmojiOnly('👍🏽 '.repeat(39) + 'x');
    expect(performance.now() - start).toBeLessThan(50);
  });
});

it('counts bytes, not characters', () => {
  expect(byteLength('é👍')).toBe(6);
});

it('keeps line ends and tabs of what was pasted, and no other control character', () => {
  expect(withoutControls('a\u0000b\r\n\tc\u001b[31md\u007f\u0085')).toBe('ab\n\tc[31md');
  expect(withoutControls('né 👩‍👩‍👧 \u202e')).toBe('né 👩‍👩‍👧 \u202e');
});
