// @vitest-environment happy-dom
import { describe, expect, it } from 'vitest';
import { Problem } from '../lib/problem';
import { en } from './en';
import { fr } from './fr';
import { en as enAdministration } from '../features/administration/words/en';
import { fr as frAdministration } from '../features/administration/words/fr';
import { en as enFactor } from '../features/second-factor/words/en';
import { fr as frFactor } from '../features/second-factor/words/fr';
import { en as enSurvey } from '../features/survey/words/en';
import { fr as frSurvey } from '../features/survey/words/fr';
import { en as enReset } from '../features/reset/words/en';
import { fr as frReset } from '../features/reset/words/fr';
import { en as enMyData } from '../features/my-data/words/en';
import { fr as frMyData } from '../features/my-data/words/fr';
import { en as enMail } from '../features/mail/words/en';
import { fr as frMail } from '../features/mail/words/fr';
import { language, preferred, t } from './index.svelte';
import { problemText } from './problem-text';

const NARROW = '\u202f';
const NO_BREAK = '\u00a0';

/** Every text under its path; functions are called with words that can be told apart. */
function flatten(node: unknown, path = ''): [string, string][] {
  if (typeof node === 'string') return [[path, node]];
  if (typeof node === 'function') {
    const says = node as (...args: unknown[]) => string;
    return [0, 1, 2, 7].map((n) => [`${path}(${n})`, says(n, 'b', 'c', 'd')]);
  }
  return Object.entries(node as object).flatMap(([key, value]) =>
    flatten(value, path === '' ? key : `${path}.${key}`),
  );
}

const english = new Map(
  flatten({
    ...en,
    administration: enAdministration,
    reset: { ...en.reset, ...enReset },
    myData: enMyData,
    factor: enFactor,
    survey: enSurvey,
    mail: enMail,
  }),
);
const french = new Map(
  flatten({
    ...fr,
    administration: frAdministration,
    reset: { ...fr.reset, ...frReset },
    myData: frMyData,
    factor: frFactor,
    survey: frSurvey,
    mail: frMail,
  }),
);
/** Said alike in both languages. */
const ALIKE =
  /^(search\.(shortcut|messages$)|conversations\.title$|notices\.title$|settings\.administration$|administration\.(page\.title|entry\.invitations)$)/;

describe('the French texts', () => {
  it('are as many as the English ones, under the same names', () => {
    expect([...french.keys()].sort()).toEqual([...english.keys()].sort());
    expect(english.size).toBeGreaterThan(100);
  });

  it('are never empty', () => {
    expect([...french].filter(([, text]) => text.trim() === '')).toEqual([]);
  });

  it('are not English left over', () => {
    const left = [...french].filter(([path, text]) => english.get(path) === text && !ALIKE.test(path));
    expect(left).toEqual([]);
  });

  it('follow French typography', () => {
    const wrong = [...french].filter(
      ([, text]) =>
        text.includes("'") ||
        text.includes('...') ||
        // A breakable blank, or none, before a high sign; « and » the same.
        new RegExp(`[^${NARROW}${NO_BREAK}][;!?»]|[^${NO_BREAK}\\w/:]:(?!//)|«[^${NO_BREAK}]`).test(text),
    );
    expect(wrong).toEqual([]);
  });
});

describe('the language', () => {
  it('is the first of the person’s that we speak, the remembered one before all', () => {
    expect(preferred(['fr-CA', 'en'], null)).toBe('fr');
    expect(preferred(['de', 'en-GB', 'fr'], null)).toBe('en');
    expect(preferred(['de'], null)).toBe('en');
    expect(preferred(['en'], 'fr')).toBe('fr');
    expect(preferred(['fr'], 'xx')).toBe('fr');
  });

  it('changes every text at once, is remembered and written on the page', () => {
    language.choose('en');
    expect(t.signUp.title).toBe(en.signUp.title);
    language.choose('fr');
    expect(t.signUp.title).toBe(fr.signUp.title);
    expect(localStorage.getItem('language')).toBe('fr');
    expect(document.documentElement.lang).toBe('fr');
  });
});

describe('a problem in words', () => {
  it('has a sentence for its code, and another for a code nobody knows', () => {
    language.choose('en');
    expect(problemText(new Problem('handle_taken', 409))).toBe(en.errors.handle_taken);
    expect(problemText(new Problem('from_the_future', 500))).toBe(en.errors.internal);
    expect(problemText(new TypeError('x is undefined'))).toBe(en.errors.internal);
  });

  it('says how long to wait', () => {
    language.choose('en');
    expect(problemText(new Problem('too_many_attempts', 429, '', 30))).toContain('30 seconds');
    expect(problemText(new Problem('too_many_attempts', 429, '', 90))).toContain('2 minutes');
  });
});
