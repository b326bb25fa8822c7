import { expect, it, vi } from 'vitest';
import { Problem } from '../../lib/problem';
import { PrivacySwitches } from './privacy.svelte';

function switches() {
  const saved = { presence: true, typing: true, receipts: true };
  const answers: (() => void)[] = [];
  const changePrivacy = vi.fn(async (change: Partial<typeof saved>) => {
    await new Promise<void>((resolve) => answers.push(resolve));
    Object.assign(saved, change);
  });
  const session = { changePrivacy, refreshPrivacy: () => Promise.resolve() };
  return { saved, answers, changePrivacy, shown: new PrivacySwitches(session, () => saved) };
}

it('shows at once what was switched, and saves one after the other', async () => {
  const { saved, answers, changePrivacy, shown } = switches();
  shown.set('typing', false);
  shown.set('typing', true);
  shown.set('presence', false);
  expect(shown.shown).toEqual({ presence: false, typing: true, receipts: true });
  for (let answered = 0; answered < 3; answered++) {
    await vi.waitFor(() => expect(answers.length).toBe(answered + 1));
    expect(changePrivacy).toHaveBeenCalledTimes(answered + 1);
    answers[answered]?.();
  }
  await vi.waitFor(() => expect(saved).toEqual({ presence: false, typing: true, receipts: true }));
  expect(shown.shown).toEqual(saved);
});

it('switches back what could not be saved, and says why', async () => {
  const { shown, changePrivacy, saved } = switches();
  changePrivacy.mockRejectedValueOnce(new Problem('offline'));
  shown.set('receipts', false);
  await vi.waitFor(() => expect(shown.problem?.code).toBe('offline'));
  expect(shown.shown).toEqual(saved);
});
