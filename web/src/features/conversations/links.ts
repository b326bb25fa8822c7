/**
 * Addresses inside a text. The text comes from someone else, so a link is only what can be checked in full: it leads
 * where its letters say, by a scheme that cannot run code.
 */

const START = /(?<![\p{L}\p{N}:/])(?:https?:\/\/|mailto:)/giu;
/** Without spaces, quotes, and what would let the shown address differ from the real one. */
const ADDRESS = /[^\s<>"“”«»`\p{Cc}\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]+/uy;
/** What is not seen, or turns letters around; but for what emoji are joined with. */
const HIDDEN = /(?!\ufe0f|\u200d)[\p{Cc}\p{Default_Ignorable_Code_Point}\u2028\u2029]/u;

/** Where the next address may begin, from `from` on; after the text if nowhere. */
export function nextAddress(text: string, from: number): number {
  START.lastIndex = from;
  return START.exec(text)?.index ?? text.length;
}

/** What stands there, as far as it can be an address. */
export function addressAt(text: string, at: number): string {
  ADDRESS.lastIndex = at;
  return ADDRESS.exec(text)?.[0] ?? '';
}

/** "(see https://a.org/b_(c))." keeps the inner parenthesis and gives back the rest of the sentence. */
export function withoutTrailingPunctuation(link: string): string {
  // Closing ones beyond those that were opened.
  const surplus = new Map(
    ['()', '[]', '{}'].map(([open = '', close = '']) => [close, count(link, close) - count(link, open)]),
  );
  let end = link.length;
  for (; end > 0; end--) {
    const last = link[end - 1] ?? '';
    const closing = surplus.get(last);
    if (closing === undefined ? !/[.,;:!?…'’*_~|]/u.test(last) : closing <= 0) break;
    if (closing !== undefined) surplus.set(last, closing - 1);
  }
  return link.slice(0, end);
}

const count = (text: string, part: string) => text.split(part).length - 1;

/** Where the link leads, in plain ASCII; null if it may not. */
export function safeAddress(link: string): string | null {
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

/** Letters beyond ASCII: "аррӏе.com" looks like another. */
export function hasForeignHost(href: string): boolean {
  const { hostname, pathname, protocol } = new URL(href);
  return protocol === 'mailto:' ? /xn--|%[89a-f]/i.test(pathname) : hostname.includes('xn--');
}

/** Could one believe, by the label, that the link leads elsewhere? Rather once too often. */
export function mayMislead(label: string, href: string): boolean {
  if (hasForeignHost(href) || HIDDEN.test(label)) return true;
  const shown = label.trim();
  const readings = [shown, `https://${shown}`, `http://${shown}`, `mailto:${shown}`];
  if (readings.some((reading) => safeAddress(reading) === href)) return false;
  return LIKE_AN_ADDRESS.test(shown) || shown.split(/\s+/).some(mixesScripts);
}

/** Words joined by anything but blanks, apostrophes and hyphens. */
const LIKE_AN_ADDRESS = /[\p{L}\p{N}][^\p{L}\p{N}\p{M}\s'’‐-]+[\p{L}\p{N}]/u;

const mixesScripts = (word: string) =>
  /\p{Script=Latin}/u.test(word) && /(?!\p{Script=Latin})\p{L}/u.test(word);
