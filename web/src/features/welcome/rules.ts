import { t } from '../../i18n/index.svelte';

export const MIN_PASSWORD = 10;

/** As the server counts: characters, not UTF-16 halves. */
export const length = (text: string) => [...text].length;

/** Upper-case typed is lower-case meant, and blanks are never part of a handle. */
export function tidyHandle(typed: string): string {
  return typed.replace(/\s|^@/g, '').toLowerCase();
}

/** Each rule answers with what is wrong, in words, or with nothing. */
export function handleProblem(handle: string): string {
  if (handle === '') return t.fields.handleMissing;
  if (!/^[a-z0-9_.-]*$/.test(handle)) return t.fields.handleCharacters;
  if (handle.length < 3) return t.fields.handleShort;
  if (handle.length > 32) return t.fields.handleLong;
  return '';
}

/** As the server: at least one character that takes up room. */
export const isVisible = (text: string) =>
  /[^\p{White_Space}\p{M}\u{AD}\u{115F}\u{1160}\u{180E}\u{200B}-\u{200F}\u{2060}-\u{206F}\u{2800}\u{3164}\u{FEFF}\u{FFA0}]/u.test(
    text,
  );

export function displayNameProblem(name: string): string {
  if (!isVisible(name)) return t.fields.displayNameMissing;
  if (length(name.trim()) > 64) return t.fields.displayNameLong;
  return '';
}

/** Counted after NFKC, the form in which the keychain takes it. */
export function newPasswordProblem(password: string): string {
  if (password === '') return t.fields.passwordMissing;
  if (length(password.normalize('NFKC')) < MIN_PASSWORD) return t.fields.passwordShort;
  return '';
}
