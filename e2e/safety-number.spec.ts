import type { Locator } from '@playwright/test';
import jsQR from 'jsqr';
import { axeFindsNothing } from './support/axe.ts';
import { Place, beginAnew, resetLink } from './support/beginning-anew.ts';
import { type Person, expect, fr, test } from './support/test.ts';

async function openProfile({ page, t }: Person, of: Person): Promise<Locator> {
  await page.getByRole('button', { name: t.thread.profileOf(of.displayName) }).click();
  return page.getByRole('dialog', { name: t.person.title });
}

async function digits(within: Locator, { t }: Person): Promise<string> {
  const groups = within.getByRole('list', { name: t.safety.number }).getByRole('listitem');
  await expect(groups).toHaveCount(12);
  return (await groups.allInnerTexts()).join('');
}

/** As any reader reads it from the screen. */
async function codeOf(within: Locator, { t }: Person): Promise<string | undefined> {
  const code = within.getByRole('img', { name: t.safety.code });
  const picture = (await code.screenshot()).toString('base64');
  const { data, width, height } = await code.page().evaluate(async (base64) => {
    const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
    const seen = await createImageBitmap(new Blob([bytes], { type: 'image/png' }));
    const { width, height } = seen;
    const canvas = new OffscreenCanvas(width, height).getContext('2d') as OffscreenCanvasRenderingContext2D;
    canvas.drawImage(seen, 0, 0);
    return { data: [...canvas.getImageData(0, 0, width, height).data], width, height };
  }, picture);
  return jsQR(Uint8ClampedArray.from(data), width, height)?.data;
}

const mark = ({ page, t }: Person, of: Person) =>
  page
    .locator('header', { has: page.getByRole('heading', { name: of.displayName }) })
    .getByText(t.safety.verified);

test('two people compare their numbers, and each browser of theirs knows that they did', async ({
  person,
  browserOf,
}) => {
  const alice = await person('Alice Martin', { colorScheme: 'dark' });
  const bob = await person('Bob Nkemelu', { locale: 'fr-FR' });
  await alice.find(bob);
  await alice.write(bob, 'Shall we compare?');
  await bob.open(alice);
  const elsewhere = await alice.logInOn(await browserOf());
  await elsewhere.open(bob);

  const panel = await openProfile(alice, bob);
  const theirs = await openProfile(bob, alice);
  const number = await digits(panel, alice);
  expect(await digits(theirs, bob)).toBe(number);
  expect(number).toMatch(/^\d{60}$/);
  expect(await codeOf(panel, alice)).toBe(number);
  expect(await codeOf(theirs, bob)).toBe(number);
  await axeFindsNothing(alice.page, 'a profile with the safety number');
  await axeFindsNothing(bob.page, 'a profile with the safety number, in French');

  await panel.getByRole('button', { name: alice.t.safety.verify }).click();
  await expect(panel.getByText(/Verified on /)).toBeVisible();
  await alice.page.keyboard.press('Escape');
  await expect(mark(alice, bob)).toBeVisible();
  await expect(mark(elsewhere, bob)).toBeVisible();
  await axeFindsNothing(alice.page, 'a thread with somebody whose number was verified');
  await expect(mark(bob, alice)).toHaveCount(0);
  await theirs.getByRole('button', { name: fr.safety.verify }).click();
  await expect(theirs.getByText(/Vérifié le /)).toBeVisible();

  // Taken back in the one, it is gone in the other, and after a reload.
  const there = await openProfile(elsewhere, bob);
  await there.getByRole('button', { name: alice.t.safety.unverify }).click();
  await expect(mark(alice, bob)).toHaveCount(0);
  await alice.page.reload();
  await expect(alice.bubble(bob, 'Shall we compare?')).toBeVisible();
  await expect(mark(alice, bob)).toHaveCount(0);
});

for (const locale of ['en-GB', 'fr-FR']) {
  test(`who has compared the number looks at the new one before writing again (${locale})`, async ({
    browser,
  }) => {
    const place = await Place.of(browser);
    const admin = await place.person('Admin');
    const alice = await place.person('Alice Martin', locale);
    const bob = await place.person('Bob Nkemelu');
    const { t, page } = alice;
    await alice.find(bob);
    await alice.write(bob, 'from before');
    await bob.open(alice);
    await bob.write(alice, 'from before as well');
    await expect(alice.bubble(bob, 'from before as well')).toBeVisible();
    const elsewhere = await alice.logInOn(await place.browserOf(locale));
    await elsewhere.open(bob);
    const panel = await openProfile(alice, bob);
    const before = await digits(panel, alice);
    await panel.getByRole('button', { name: t.safety.verify }).click();
    await page.keyboard.press('Escape');
    await expect(mark(elsewhere, bob)).toBeVisible();

    // Written without a line, and not sent before Bob has lost everything.
    await page.context().setOffline(true);
    await alice.write(bob, 'waits for the line');
    const anew = await beginAnew(bob, await place.browserOf(), await resetLink(admin, bob));
    await page.context().setOffline(false);

    for (const browser of [alice, elsewhere]) {
      const told = browser.page.getByRole('region', { name: t.safety.changed(bob.displayName) });
      await expect(told).toContainText(t.safety.wasVerified(bob.displayName));
      await expect(told.getByRole('button', { name: t.safety.accept })).toHaveCount(0);
      await expect(browser.composer(bob)).toHaveCount(0);
      await expect(mark(browser, bob)).toHaveCount(0);
    }
    await expect(page.getByText(t.safety.waiting(1))).toBeVisible();
    await axeFindsNothing(page, 'a changed safety number');
    await page.reload();
    await expect(page.getByText(t.safety.waiting(1))).toBeVisible();
    await page.getByRole('button', { name: t.safety.look }).click();
    const dialog = page.getByRole('dialog', { name: t.safety.newNumber });
    const shown = await digits(dialog, alice);
    expect(shown).not.toBe(before);
    await axeFindsNothing(page, 'the new number');

    await anew.find(alice);
    await anew.write(alice, 'it is me');
    await expect(elsewhere.row(bob)).toContainText(t.thread.instead.unreadable);
    const own = await openProfile(anew, alice);
    expect(await digits(own, anew)).toBe(shown);
    await anew.page.keyboard.press('Escape');

    await dialog.getByRole('button', { name: t.safety.accept }).click();
    await expect(dialog).toHaveCount(0);
    await expect(alice.bubble(bob, 'it is me')).toBeVisible();
    await alice.stored(bob, 'waits for the line');
    await expect(anew.bubble(alice, 'waits for the line')).toHaveCount(1);
    await expect(alice.bubble(bob, 'waits for the line')).toHaveCount(1);
    for (const text of ['from before', 'from before as well']) {
      await expect(alice.bubble(bob, text)).toBeVisible();
      await expect(anew.bubble(alice, text)).toHaveCount(0);
    }
    // The other browser knows by the vault.
    await expect(elsewhere.bubble(bob, 'it is me')).toBeVisible();
    await elsewhere.write(bob, 'from elsewhere');
    await expect(anew.bubble(alice, 'from elsewhere')).toBeVisible();
    await expect(mark(elsewhere, bob)).toHaveCount(0);
    await place.leave();
  });
}

test('who never compared the number can write under the new one at once', async ({ browser }) => {
  const place = await Place.of(browser);
  const admin = await place.person('Admin');
  const alice = await place.person('Alice Martin');
  const bob = await place.person('Bob Nkemelu');
  await alice.find(bob);
  await alice.write(bob, 'from before');
  await alice.stored(bob, 'from before');
  const anew = await beginAnew(bob, await place.browserOf(), await resetLink(admin, bob));
  const told = alice.page.getByRole('region', { name: alice.t.safety.changed(bob.displayName) });
  await expect(told).not.toContainText(alice.t.safety.wasVerified(bob.displayName));
  await told.getByRole('button', { name: alice.t.safety.accept }).click();
  await alice.write(bob, 'welcome back');
  await anew.open(alice);
  await expect(anew.bubble(alice, 'welcome back')).toBeVisible();
  await place.leave();
});
