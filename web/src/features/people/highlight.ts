import { fold, foldWithPlaces, startsOf, wordsOf } from '../../lib/folding';

/** One stretch of a text, and whether it is what was searched for. */
export interface Part {
  text: string;
  hit: boolean;
}

/** Marks where words of `text` begin with a word of `query`: between blanks, or of letters and digits alone. */
export function highlight(text: string, query: string, words: 'blanks' | 'letters' = 'blanks'): Part[] {
  const { folded, places } = foldWithPlaces(text);
  const hits = new Array<boolean>(text.length).fill(false);
  for (const term of words === 'letters' ? wordsOf(query) : fold(query).split(/\s+/)) {
    if (term === '') continue;
    for (const at of startsOf(term, folded)) {
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
