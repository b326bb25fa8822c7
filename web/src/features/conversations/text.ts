/** What can be told of a message's text from its letters alone. */

const EMOJI = [
  '\\p{RI}\\p{RI}',
  '[\\d#*]\\uFE0F?\\u20E3',
  '(?:\\p{Emoji_Presentation}\\uFE0F?|\\p{Extended_Pictographic}\\uFE0F|\\p{Emoji_Modifier_Base}(?=\\p{EMod}))' +
    '\\p{EMod}?[\\u{E0020}-\\u{E007F}]*' +
    '(?:\\u200D\\p{Extended_Pictographic}(?:\\uFE0F|\\p{EMod})?)*',
].join('|');
const EMOJI_ONLY = new RegExp(`^\\s*(?:(?:${EMOJI})\\s*){1,6}$`, 'u');

/** One to six emoji and nothing else: shown larger. */
export function isEmojiOnly(text: string): boolean {
  // The longest emoji (a family, a flag of a region) stays under 40 code units.
  return text.length <= 240 && EMOJI_ONLY.test(text);
}

const encoder = new TextEncoder();

/** Bytes of the text in UTF-8, which is what the limit counts. */
export function byteLength(text: string): number {
  return encoder.encode(text).length;
}

/** Without what no key writes and nothing shows: control characters, save line ends and tabs. */
export function withoutControls(text: string): string {
  return text.replace(/[^\P{Cc}\n\t]/gu, '');
}
