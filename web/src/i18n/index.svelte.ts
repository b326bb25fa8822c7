import { en, type Texts } from './en';
import { fr } from './fr';

export const languages = { en: 'English', fr: 'Français' } as const;
export type LanguageCode = keyof typeof languages;

const texts: Record<LanguageCode, Texts> = { en, fr };
const KEY = 'language';

const languageOf = (tag: string) => tag.toLowerCase().split('-')[0] ?? '';
const speaks = (tag: string) => languageOf(tag) in languages;

/** The first of the person's languages that we speak. */
export function preferred(wanted: readonly string[], remembered: string | null): LanguageCode {
  for (const tag of [remembered ?? '', ...wanted]) {
    if (speaks(tag)) return languageOf(tag) as LanguageCode;
  }
  return 'en';
}

class Language {
  code: LanguageCode = $state(preferred(navigator.languages, localStorage.getItem(KEY)));

  constructor() {
    document.documentElement.lang = this.code;
  }

  /** The organisation's, for whoever has chosen none and speaks none of ours. */
  suggest(code: LanguageCode): void {
    if (localStorage.getItem(KEY) || navigator.languages.some((tag) => speaks(tag))) return;
    this.code = code;
    document.documentElement.lang = code;
  }

  choose(code: LanguageCode): void {
    this.code = code;
    localStorage.setItem(KEY, code);
    document.documentElement.lang = code;
  }
}

export const language = new Language();

/** Reading follows every change of language. */
export function speaking<Words extends object>(words: Record<LanguageCode, Words>): Words {
  return new Proxy(words.en, {
    get: (_, group) => words[language.code][group as keyof Words],
  });
}

/** The texts of the chosen language: `t.signUp.title`. */
export const t: Texts = speaking(texts);
