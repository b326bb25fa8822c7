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

export function displayNameProblem(name: string): string {
  if (name.trim() === '') return t.fields.displayNameMissing;
  if (length(name.trim()) > 64) return t.fields.displayNameLong;
  return '';
}

/** Counted after NFKC, the form in which the keychain takes it. */
export function newPasswordProblem(password: string): string {
  if (password === '') return t.fields.passwordMissing;
  if (length(password.normalize('NFKC')) < MIN_PASSWORD) return t.fields.passwordShort;
  return '';
}
