/**
 * What a message's text is made of: plain pieces and links. Text comes from
 * someone else, so a link is only what can be checked in full: it leads where
 * its letters say, by a scheme that cannot run code.
 */
export interface Piece {
  text: string;
  /** Set for a link. */
  href?: string;
}

/** Ends at spaces, quotes, and at characters that would let the shown address differ from the real one. */
const CANDIDATE =
  /(?<![\p{L}\p{N}:/])(?:https?:\/\/|mailto:)[^\s<>"“”«»\p{Cc}\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]+/giu;

export function splitLinks(text: string): Piece[] {
  const pieces: Piece[] = [];
  let end = 0;
  for (const match of text.matchAll(CANDIDATE)) {
    const shown = withoutTrailingPunctuation(match[0]);
    const href = safeAddress(shown);
    if (!href) continue;
    if (match.index > end) pieces.push({ text: text.slice(end, match.index) });
    pieces.push({ text: shown, href });
    end = match.index + shown.length;
  }
  if (end < text.length) pieces.push({ text: text.slice(end) });
  return pieces;
}

/** "(see https://a.org/b_(c))." keeps the inner parenthesis and gives back the rest of the sentence. */
function withoutTrailingPunctuation(link: string): string {
  for (;;) {
    const last = link.at(-1) ?? '';
    const opener = { ')': '(', ']': '[', '}': '{' }[last];
    if (opener ? count(link, last) > count(link, opener) : /[.,;:!?…'’*_~|]/u.test(last)) {
      link = link.slice(0, -1);
    } else {
      return link;
    }
  }
}

const count = (text: string, part: string) => text.split(part).length - 1;

function safeAddress(link: string): string | null {
  if (!URL.canParse(link)) return null;
  const url = new URL(link);
  if (url.protocol === 'mailto:') return /^[^@\s]+@[^@\s]+$/u.test(decoded(url.pathname)) ? url.href : null;
  if (url.protocol !== 'https:' && url.protocol !== 'http:') return null;
  // "https://bank.example@evil.example" shows one host and leads to another.
  if (url.username || url.password) return null;
  return url.href;
}

function decoded(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    return '';
  }
}

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
