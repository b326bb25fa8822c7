/** Texts as a search compares them: without case, accents and ligatures, as the server does with names. */

/** Letters of their own that people look for by others. */
const PLAIN: Partial<Record<string, string>> = {
  œ: 'oe',
  æ: 'ae',
  ß: 'ss',
  ø: 'o',
  ł: 'l',
  đ: 'd',
  ð: 'd',
  ı: 'i',
  ς: 'σ',
};

/** "Éloïse" → "eloise", "Œuvre" → "oeuvre". */
export function fold(text: string): string {
  return text
    .normalize('NFKD')
    .replace(/\p{M}/gu, '')
    .toLowerCase()
    .replace(/[œæßøłđðıς]/g, (letter) => PLAIN[letter] ?? letter);
}

/** Letters and digits of a text, folded, with one blank before each word: a word begins where " " + its letters stand. */
export function foldWords(text: string): string {
  return ` ${fold(text)} `.replace(/[^\p{L}\p{N}]+/gu, ' ').trimEnd();
}

/** The words of a question; none where it has no letter. */
export function wordsOf(query: string): string[] {
  return [...new Set(foldWords(query).split(' '))].filter((word) => word !== '');
}

/** Folded text, and for each of its letters the place it came from. */
export function foldWithPlaces(text: string): { folded: string; places: number[] } {
  let folded = '';
  const places: number[] = [];
  let place = 0;
  for (const letter of text) {
    const plain = foldOnce(letter);
    folded += plain;
    for (let i = 0; i < plain.length; i++) places.push(place);
    place += letter.length;
  }
  places.push(text.length);
  return { folded, places };
}

const known = new Map<string, string>();

/** Texts are long and letters few. */
function foldOnce(letter: string): string {
  let plain = known.get(letter);
  if (plain === undefined) known.set(letter, (plain = fold(letter)));
  return plain;
}

/** Where words of a folded text begin with this one. */
export function* startsOf(word: string, folded: string): Generator<number> {
  for (let at = folded.indexOf(word); at !== -1; at = folded.indexOf(word, at + 1)) {
    if (at === 0 || !/[\p{L}\p{N}]/u.test(letterBefore(folded, at))) yield at;
  }
}

/** A letter beyond the first plane takes two places. */
const letterBefore = (text: string, at: number) =>
  /[\uDC00-\uDFFF]/.test(text[at - 1] ?? '') ? text.slice(at - 2, at) : (text[at - 1] ?? '');
