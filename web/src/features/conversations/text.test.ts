import { describe, expect, it } from 'vitest';
import { byteLength, isEmojiOnly, withoutControls } from './text';

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
