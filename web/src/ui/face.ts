/** Grounds of the initials. White reads on each at 4.5:1 or more. */
const GROUNDS = [
  '#8a5a44',
  '#3d6b8c',
  '#7a5c99',
  '#4a7553',
  '#a0522d',
  '#5a6b3c',
  '#8c4a6b',
  '#3f6e73',
] as const;

/** Of nobody any more. */
export const GONE = '#6b7075';

/** Always the same colour for the same account. */
export function ground(account: string): string {
  let sum = 0;
  for (const letter of account) sum = (sum * 31 + (letter.codePointAt(0) ?? 0)) >>> 0;
  return GROUNDS[sum % GROUNDS.length] ?? GROUNDS[0];
}

function first(word: string): string {
  // A letter with its accents, or a whole emoji, is one sign to its reader.
  const [sign] = new Intl.Segmenter().segment(word);
  return sign?.segment.toLocaleUpperCase() ?? '';
}

/** At most two signs: of the first word and of the last. */
export function initials(name: string): string {
  const words = name
    .trim()
    .split(/[\s\-_.]+/u)
    .filter((word) => word !== '');
  const last = words.length > 1 ? words[words.length - 1] : undefined;
  return first(words[0] ?? '') + (last ? first(last) : '');
}
