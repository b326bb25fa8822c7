import type { LanguageCode } from '../../i18n/index.svelte';

export type Score = 0 | 1 | 2 | 3 | 4;
type Estimate = (password: string, about: string[]) => Score;

// Of each language only the common words and first names: all its lists would weigh three times as much.
const languageWords = {
  en: () =>
    Promise.all([
      import('@zxcvbn-ts/language-en/dist/commonWords.json.mjs'),
      import('@zxcvbn-ts/language-en/dist/firstnames.json.mjs'),
    ]),
  fr: () =>
    Promise.all([
      import('@zxcvbn-ts/language-fr/dist/commonWords.json.mjs'),
      import('@zxcvbn-ts/language-fr/dist/firstnames.json.mjs'),
    ]),
};

/** The word lists weigh more than the rest of the page: fetched when the password field is first used. */
export async function loadEstimator(language: LanguageCode): Promise<Estimate> {
  const [{ ZxcvbnFactory }, common, [words, names]] = await Promise.all([
    import('@zxcvbn-ts/core'),
    import('@zxcvbn-ts/language-common'),
    languageWords[language](),
  ]);
  const zxcvbn = new ZxcvbnFactory({
    graphs: common.adjacencyGraphs,
    dictionary: { ...common.dictionary, words: words.default, names: names.default },
  });
  // Beyond 100 characters the estimate says nothing new and only takes time.
  return (password, about) => zxcvbn.check(password.slice(0, 100), about).score;
}
