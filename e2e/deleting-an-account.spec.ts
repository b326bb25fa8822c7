import { en as enWords } from '../web/src/features/leaving/words/en.ts';
import { fr as frWords } from '../web/src/features/leaving/words/fr.ts';
import { axeFindsNothing } from './support/axe.ts';
import { Place } from './support/beginning-anew.ts';
import type { Person } from './support/person.ts';
import { expect, fr, test } from './support/test.ts';

const wordsOf = ({ t }: Person) => (t === fr ? frWords : enWords);

/** Down to the receipt. Returns its address. */
async function askToLeave(who: Person): Promise<string> {
  const { page, t } = who;
  const w = wordsOf(who);
  await page.goto('/settings');
  await page.getByRole('button', { name: w.section.leave }).click();
  const dialog = page.getByRole('dialog', { name: t.leaving.title });
  await axeFindsNothing(page, 'before leaving');
  await dialog.getByRole('button', { name: w.ask.does }).click();
  await expect(dialog.getByText(t.fields.passwordMissing)).toBeVisible();
  await dialog.getByLabel(t.password.present, { exact: true }).fill('not this one');
  await dialog.getByRole('button', { name: w.ask.does }).click();
  await expect(dialog.getByText(t.security.wrongPassword)).toBeVisible();
  await dialog.getByLabel(t.password.present, { exact: true }).fill(who.password);
  await dialog.getByRole('button', { name: w.ask.does }).click();
  const asked = page.getByRole('dialog', { name: w.asked.title });
  await expect(asked.getByText(w.asked.receipt)).toBeVisible();
  await axeFindsNothing(page, 'the receipt');
  const link = await asked.locator('code').innerText();
  await asked.getByRole('button', { name: w.asked.done }).click();
  await expect(asked).toBeHidden();
  return new URL(link).pathname + new URL(link).hash;
}

for (const [locale, width] of [
  ['en-GB', 1280],
  ['fr-FR', 375],
] as const) {
  test(`after seven days an account is gone, and its receipt says so (${locale})`, async ({ browser }) => {
    const place = await Place.of(browser);
    await place.person('Admin');
    const alice = await place.person('Alice Martin', locale);
    const bob = await place.person('Bob Nkemelu', locale);
    const { t } = alice;
    const w = wordsOf(alice);
    await alice.page.setViewportSize({ width, height: 800 });
    await alice.find(bob);
    await alice.write(bob, 'Hers, and soon gone');
    await bob.open(alice);
    await bob.write(alice, 'His, and kept');
    await expect(alice.bubble(bob, 'His, and kept')).toBeVisible();

    const receipt = await askToLeave(alice);
    await expect(alice.page.getByRole('button', { name: t.leaving.stay })).toBeVisible();
    const stranger = await place.browserOf(locale);
    await stranger.goto(receipt);
    await expect(stranger.getByText(w.receipt.waiting('', '').slice(0, 30))).toBeVisible();
    await axeFindsNothing(stranger, 'a receipt that waits');

    await place.server.stop();
    await place.server.start({ ahead: '169h' });
    await expect(alice.page.getByRole('heading', { name: t.logIn.title })).toBeVisible();
    await alice.logIn();
    await expect(alice.page.getByText(t.errors.wrong_credentials)).toBeVisible();
    await expect(async () => {
      await stranger.reload();
      await expect(stranger.getByText(w.receipt.counts(1, 1))).toBeVisible({ timeout: 1_000 });
    }).toPass();
    await expect(stranger.getByText(w.receipt.left)).toBeVisible();
    await axeFindsNothing(stranger, 'a receipt');

    // What he has of her: that somebody was there, and his own words, here and in another browser.
    const elsewhere = await bob.logInOn(await place.browserOf(locale));
    for (const { page } of [bob, elsewhere]) {
      await page.getByRole('link', { name: new RegExp(t.leaving.gone) }).click();
      await expect(page.getByRole('heading', { name: t.leaving.gone })).toBeVisible();
      await expect(page.getByText(t.leaving.here)).toBeVisible();
      await expect(page.getByText('His, and kept').last()).toBeVisible();
      await expect(page.getByRole('log').getByText('Hers, and soon gone')).toHaveCount(0);
      await expect(page.getByRole('main').getByText(alice.displayName, { exact: true })).toHaveCount(0);
      await expect(page.getByRole('textbox', { name: t.composer.label(t.leaving.gone) })).toHaveCount(0);
      await axeFindsNothing(page, 'a conversation with nobody');
    }
    await place.leave();
  });
}

test('who has changed their mind stays, and every browser of theirs says so', async ({ browser }) => {
  const place = await Place.of(browser);
  await place.person('Admin');
  const alice = await place.person('Alice Martin');
  const there = await alice.logInOn(await place.browserOf());
  const { t } = alice;
  const receipt = await askToLeave(alice);
  const stay = there.page.getByRole('button', { name: t.leaving.stay });
  // The new log-in is told first.
  await there.page.goto('/settings');
  await expect(stay).toBeVisible();
  await axeFindsNothing(there.page, 'settings of an account that will be deleted');
  await stay.click();
  await expect(there.page.getByText(t.leaving.stays)).toBeVisible();
  await expect(alice.page.getByRole('button', { name: enWords.section.leave })).toBeVisible();
  await alice.page.goto(receipt);
  await expect(alice.page.getByText(enWords.receipt.unknown)).toBeVisible();
  await place.leave();
});
