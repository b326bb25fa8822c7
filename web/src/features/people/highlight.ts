/** One stretch of a text, and whether it is what was searched for. */
export interface Part {
  text: string;
  hit: boolean;
}

/** Without case and accents, as the server compares: "Éloïse" → "eloise". */
export function fold(text: string): string {
  return text.normalize('NFKD').replace(/\p{M}/gu, '').toLowerCase();
}

/** Folded text, and for each of its letters the place it came from. */
function foldWithPlaces(text: string): { folded: string; places: number[] } {
  let folded = '';
  const places: number[] = [];
  let place = 0;
  for (const letter of text) {
    const plain = fold(letter);
    folded += plain;
    for (let i = 0; i < plain.length; i++) places.push(place);
    place += letter.length;
  }
  places.push(text.length);
  return { folded, places };
}

const isWordStart = (folded: string, at: number) =>
  at === 0 || !/[\p{L}\p{N}]/u.test(folded.slice(0, at).at(-1) ?? '');

/** Marks where words of `text` begin with a word of `query`. */
export function highlight(text: string, query: string): Part[] {
  const { folded, places } = foldWithPlaces(text);
  const hits = new Array<boolean>(text.length).fill(false);
  for (const term of fold(query).split(/\s+/)) {
    if (term === '') continue;
    for (let at = folded.indexOf(term); at !== -1; at = folded.indexOf(term, at + 1)) {
      if (!isWordStart(folded, at)) continue;
      // A letter that folds to two ("ﬁ") is marked whole.
      let end = at + term.length;
      while (places[end] === places[end - 1]) end++;
      hits.fill(true, places[at], places[end]);
    }
  }
  const parts: Part[] = [];
  for (const [place, hit] of hits.entries()) {
    const last = parts.at(-1);
    if (last && last.hit === hit) last.text += text[place];
    else parts.push({ text: text[place] ?? '', hit });
  }
  return parts;
}
