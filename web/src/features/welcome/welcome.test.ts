// @vitest-environment happy-dom
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { language, t } from '../../i18n/index.svelte';
import { api } from '../../lib/api/client';
import { organisation } from '../../lib/organisation.svelte';
import { Problem } from '../../lib/problem';
import type { Session } from '../../lib/session.svelte';
import { askFor, confirms, groupsOf } from './recovery';
import { displayNameProblem, handleProblem, newPasswordProblem, tidyHandle } from './rules';
import { SignUp } from './sign-up.svelte';

const CODE = '7K3D-QW9M-2XHF-R8TN-V4CJ-6PZA-1BGE';

beforeEach(() => language.choose('en'));

describe('the rule of handles', () => {
  it.each(['abc', 'jean.elo', 'a_b-c.1', 'x'.repeat(32)])('takes %s', (handle) => {
    expect(handleProblem(handle)).toBe('');
  });

  it('says what is wrong with the others', () => {
    expect(handleProblem('')).toBe(t.fields.handleMissing);
    expect(handleProblem('ab')).toBe(t.fields.handleShort);
    expect(handleProblem('x'.repeat(33))).toBe(t.fields.handleLong);
    for (const handle of ['éloïse', 'Abc', 'a b', 'a@b', 'ａｂｃ']) {
      expect(handleProblem(handle)).toBe(t.fields.handleCharacters);
    }
  });

  it('lowers what is typed, and leaves out blanks and the leading @', () => {
    expect(tidyHandle('@Jean Elo ')).toBe('jeanelo');
  });
});

describe('the rule of passwords', () => {
  it('counts characters after NFKC, ten at least', () => {
    expect(newPasswordProblem('')).toBe(t.fields.passwordMissing);
    expect(newPasswordProblem('123456789')).toBe(t.fields.passwordShort);
    expect(newPasswordProblem('1234567890')).toBe('');
    // Nine characters, eighteen UTF-16 halves.
    expect(newPasswordProblem('🐎'.repeat(9))).toBe(t.fields.passwordShort);
    // Ten letters and ten accents that NFKC joins to them: ten characters.
    expect(newPasswordProblem('e\u0301'.repeat(9))).toBe(t.fields.passwordShort);
    expect(newPasswordProblem('e\u0301'.repeat(10))).toBe('');
  });
});

it('a display name is neither blank nor over 64 characters', () => {
  expect(displayNameProblem('  ')).toBe(t.fields.displayNameMissing);
  for (const unseen of ['\u200b', '\u3164 \u00ad', '\u2060\ufe0f', '\u0301']) {
    expect(displayNameProblem(unseen)).toBe(t.fields.displayNameMissing);
  }
  expect(displayNameProblem('\u200bé')).toBe('');
  expect(displayNameProblem('🐎'.repeat(64))).toBe('');
  expect(displayNameProblem('🐎'.repeat(65))).toBe(t.fields.displayNameLong);
});

describe('the recovery code', () => {
  it('is seven groups, and any of them may be asked for', () => {
    const groups = groupsOf(CODE);
    expect(groups).toHaveLength(7);
    const asked = new Set(Array.from({ length: 500 }, () => askFor(groups)));
    expect([...asked].sort()).toEqual([0, 1, 2, 3, 4, 5, 6]);
  });

  it('is confirmed by its group, however one writes it', () => {
    expect(confirms('1BGE', '1BGE')).toBe(true);
    expect(confirms(' ibge ', '1BGE')).toBe(true);
    expect(confirms('1BG', '1BGE')).toBe(false);
    expect(confirms('1BGF', '1BGE')).toBe(false);
    expect(confirms('', '1BGE')).toBe(false);
  });
});

describe('signing up', () => {
  const prepareSignUp = vi.fn(async () => CODE);
  const finish = vi.fn(async (_: { setupCode?: string }) => {});
  const abandon = vi.fn();
  const session = { prepareSignUp, finish, abandon } as unknown as Session;

  function filled(): SignUp {
    const signUp = new SignUp(session);
    signUp.displayName = ' Éloïse ';
    signUp.handle = 'eloise';
    signUp.password = 'lune tartine vélo';
    return signUp;
  }

  beforeEach(() => {
    vi.clearAllMocks();
    organisation.setupCodeNeeded = false;
  });
  afterEach(() => vi.restoreAllMocks());

  it('says nothing before the first try, then what is missing', async () => {
    const signUp = new SignUp(session);
    expect([signUp.displayNameError, signUp.handleError, signUp.passwordError]).toEqual(['', '', '']);
    expect(await signUp.prepare()).toBe(false);
    expect(signUp.displayNameError).toBe(t.fields.displayNameMissing);
    expect(signUp.handleError).toBe(t.fields.handleMissing);
    expect(signUp.passwordError).toBe(t.fields.passwordMissing);
    expect(prepareSignUp).not.toHaveBeenCalled();
  });

  it('makes no account before a group of the code was typed', async () => {
    const signUp = filled();
    expect(await signUp.prepare()).toBe(true);
    expect(signUp.code).toBe(CODE);
    signUp.confirm();
    signUp.typedGroup = 'XXXX';
    expect(await signUp.finish()).toBe(false);
    expect(signUp.groupError).toBe(t.recovery.wrongGroup(signUp.asked + 1));
    expect(finish).not.toHaveBeenCalled();
    signUp.typedGroup = signUp.groups[signUp.asked] ?? '';
    expect(await signUp.finish()).toBe(true);
    expect(finish).toHaveBeenCalledOnce();
  });

  it('submitted twice is submitted once', async () => {
    const signUp = filled();
    await Promise.all([signUp.prepare(), signUp.prepare()]);
    expect(prepareSignUp).toHaveBeenCalledOnce();
    expect(prepareSignUp).toHaveBeenCalledWith({
      handle: 'eloise',
      displayName: 'Éloïse',
      password: 'lune tartine vélo',
    });
  });

  it('asks for the set-up code only where one is needed', async () => {
    organisation.setupCodeNeeded = true;
    const signUp = filled();
    expect(await signUp.prepare()).toBe(false);
    expect(signUp.setupCodeError).toBe(t.fields.setupCodeMissing);
    signUp.setupCode = ' 1234 ';
    expect(await signUp.prepare()).toBe(true);
  });

  it('keeps the code that was shown when the set-up code was wrong', async () => {
    const signUp = filled();
    await signUp.prepare();
    signUp.confirm();
    signUp.typedGroup = signUp.groups[signUp.asked] ?? '';
    finish.mockRejectedValueOnce(new Problem('wrong_setup_code', 403));
    expect(await signUp.finish()).toBe(false);
    expect(signUp.step).toBe('confirm');
    expect(signUp.setupCodeError).toBe(t.errors.wrong_setup_code);
    signUp.setupCode = 'right';
    expect(await signUp.finish()).toBe(true);
    expect(finish).toHaveBeenLastCalledWith({ setupCode: 'right' });
  });

  it('goes back and forth between its steps, until the form is changed', async () => {
    const signUp = filled();
    signUp.returnTo('code');
    expect(signUp.step).toBe('form');
    await signUp.prepare();
    signUp.returnTo('form');
    signUp.returnTo('code');
    expect(signUp.step).toBe('code');
    signUp.returnTo('form');
    signUp.changed();
    signUp.returnTo('code');
    expect(signUp.step).toBe('form');
  });

  it('leaves no prepared account behind when the page is left meanwhile', async () => {
    const signUp = filled();
    const preparing = signUp.prepare();
    signUp.leave();
    abandon.mockClear();
    await preparing;
    expect(abandon).toHaveBeenCalledOnce();
  });

  it('says its errors in the language of the moment', async () => {
    const signUp = filled();
    await signUp.prepare();
    signUp.confirm();
    signUp.typedGroup = 'XXXX';
    await signUp.finish();
    const english = signUp.groupError;
    language.choose('fr');
    expect(signUp.groupError).toBe(t.recovery.wrongGroup(signUp.asked + 1));
    expect(signUp.groupError).not.toBe(english);
  });

  it('tells at the handle when somebody was faster', async () => {
    const signUp = filled();
    prepareSignUp.mockRejectedValueOnce(new Problem('handle_taken', 409));
    expect(await signUp.prepare()).toBe(false);
    expect(signUp.step).toBe('form');
    expect(signUp.handleError).toBe(t.errors.handle_taken);
  });

  it('asks about the handle once, when the typing pauses', async () => {
    vi.useFakeTimers();
    const asked = vi.spyOn(api, 'handle').mockResolvedValue({ available: false });
    const signUp = new SignUp(session);
    for (const handle of ['el', 'elo', 'eloi']) {
      signUp.handle = handle;
      signUp.handleTyped();
    }
    expect(asked).not.toHaveBeenCalled();
    await vi.runAllTimersAsync();
    expect(asked.mock.calls.map(([handle]) => handle)).toEqual(['eloi']);
    expect(signUp.availability).toBe('taken');
    expect(signUp.handleError).toBe(t.errors.handle_taken);
    vi.useRealTimers();
  });
});
