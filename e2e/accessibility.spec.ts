import type { Page } from '@playwright/test';
import { axeFindsNothing } from './support/axe.ts';
import { between, refusing } from './support/between.ts';
import { Person, en, expect, fr, test } from './support/test.ts';

async function nothingIsCutOff(page: Page, screen: string): Promise<void> {
  const beyond = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  expect(beyond, `${screen} scrolls sideways`).toBeLessThanOrEqual(0);
}

for (const [locale, t] of [
  ['en-GB', en],
  ['fr-FR', fr],
] as const) {
  for (const colorScheme of ['light', 'dark'] as const) {
    test(`axe finds nothing on any screen: ${locale}, ${colorScheme}`, async ({
      browserOf,
      person,
      server,
    }) => {
      // A dialog that still fades in has no contrast yet.
      const page = await browserOf({ locale, colorScheme, reducedMotion: 'reduce' });
      const check = async (screen: string) => axeFindsNothing(page, screen);
      const alice = new Person('Alice Martin', page, t);
      await page.goto('/');
      await expect(page.getByRole('heading', { name: t.logIn.title })).toBeVisible();
      await check('log-in');
      await page.goto('/sign-up');
      await expect(page.getByRole('heading', { name: t.signUp.title })).toBeVisible();
      await check('sign-up');
      await page.getByRole('button', { name: t.signUp.submit }).click();
      await expect(page.getByText(t.fields.displayNameMissing)).toBeVisible();
      await check('sign-up with mistakes');
      await alice.fillSignUp();
      alice.recoveryCode = await alice.readRecoveryCode();
      await check('recovery code');
      await alice.confirmRecoveryCode();
      await expect(page.getByRole('heading', { name: t.conversations.emptyTitle })).toBeVisible();
      await check('no conversation yet');

      const bob = await person('Bob Nkemelu');
      await page.keyboard.press('Control+K');
      await page.getByRole('combobox').fill(bob.handle);
      await expect(page.getByRole('option')).toHaveCount(1);
      await check('finding a person');
      await page.keyboard.press('Enter');
      await alice.write(bob, 'Voir https://example.org/plan 👍');
      await alice.write(bob, '🎉');
      await expect(alice.tick(bob, 'delivered')).toBeVisible();
      await bob.open(alice);
      await bob.write(alice, 'Merci !');
      await expect(alice.bubble(bob, 'Merci !')).toBeVisible();
      await check('a conversation');
      await page.getByRole('button', { name: t.thread.profileOf(bob.displayName) }).click();
      await expect(page.getByRole('dialog')).toBeVisible();
      await check('a profile');
      await page.keyboard.press('Escape');

      await between(page, { toServer: refusing() });
      await alice.write(bob, 'Refusé');
      await page.getByRole('button', { name: t.thread.edit }).waitFor();
      await check('a refused message');
      await page.getByRole('button', { name: t.thread.edit }).click();
      await expect(page.getByText(t.composer.editing)).toBeVisible();
      await check('editing a refused message');
      await page.goto('/');
      await expect(alice.row(bob)).toContainText(t.conversations.draft);
      await check('a draft');
      await page.goto('/settings');
      await expect(page.getByRole('heading', { name: t.settings.title })).toBeVisible();
      await check('settings');

      await page.goto('about:blank');
      const session = await page.context().newCDPSession(page);
      await session.send('Storage.clearDataForOrigin', { origin: server.url, storageTypes: 'indexeddb' });
      await page.goto('/');
      await expect(page.getByRole('alert')).toHaveText(t.errors.storage_lost);
      await check('a lost storage');
    });
  }
}

for (const width of [375, 320]) {
  test(`everything fits a phone ${width} px wide`, async ({ person }) => {
    const bob = await person('Bob Nkemelu');
    const alice = await person('Alice With A Very Long Name Indeed-Montgomery', {
      viewport: { width, height: 640 },
      hasTouch: true,
    });
    const { page } = alice;
    await nothingIsCutOff(page, 'the empty list');
    await page.getByRole('button', { name: en.search.open }).first().tap();
    await page.getByRole('combobox').fill(bob.handle);
    await nothingIsCutOff(page, 'finding a person');
    await page.getByRole('option').tap();
    await alice
      .composer(bob)
      .fill(`A long word: ${'abcdefghij'.repeat(12)} and https://example.org/${'x'.repeat(80)}`);
    await page.getByRole('button', { name: en.composer.send, exact: true }).tap();
    await expect(alice.tick(bob, 'delivered')).toBeVisible();
    await nothingIsCutOff(page, 'a conversation');
    await between(page, { toServer: refusing() });
    await alice.composer(bob).fill('refused');
    await page.getByRole('button', { name: en.composer.send, exact: true }).tap();
    await expect(page.getByRole('button', { name: en.thread.edit })).toBeVisible();
    await nothingIsCutOff(page, 'a refused message');
    await page.getByRole('button', { name: en.thread.edit }).tap();
    await expect(page.getByText(en.composer.editing)).toBeVisible();
    await nothingIsCutOff(page, 'editing a refused message');
    // One pane at a time, and a way back.
    await expect(page.getByRole('navigation')).toBeHidden();
    await page.getByRole('button', { name: en.thread.back }).tap();
    await expect(alice.row(bob)).toContainText(`${en.conversations.draft} refused`);
    await nothingIsCutOff(page, 'the list');
    await page.goto('/settings');
    await expect(page.getByRole('heading', { name: en.settings.title })).toBeVisible();
    await nothingIsCutOff(page, 'settings');
  });
}

test('the whole story is possible with the keyboard alone', async ({ browserOf, person }) => {
  const bob = await person('Bob Nkemelu');
  const alice = new Person('Alice Martin', await browserOf());
  const { page } = alice;
  const { keyboard } = page;
  const tabTo = async (name: string | RegExp) => {
    for (let presses = 0; presses < 30; presses++) {
      await keyboard.press('Tab');
      const here = page.locator(':focus');
      if ((await here.count()) && (await here.and(page.getByRole('button', { name })).count())) return;
      if ((await here.count()) && (await here.and(page.getByLabel(name)).count())) return;
      if ((await here.count()) && (await here.and(page.getByRole('link', { name })).count())) return;
    }
    throw new Error(`no way to ${name} by Tab`);
  };

  await page.goto('/');
  await tabTo(en.logIn.noAccount);
  await keyboard.press('Enter');
  await expect(page.getByRole('heading', { name: en.signUp.title })).toBeVisible();
  await tabTo(en.signUp.displayName);
  await keyboard.type(alice.displayName);
  await tabTo(en.signUp.handle);
  await keyboard.type(alice.handle);
  await tabTo(en.signUp.password);
  await keyboard.type(alice.password);
  await keyboard.press('Enter');
  alice.recoveryCode = await alice.readRecoveryCode();
  await tabTo(en.recovery.kept);
  await keyboard.press('Enter');
  const asked = page.getByLabel(/^Group \d of your code$/);
  await expect(asked).toBeFocused();
  const label = await page.getByText(/^Group \d of your code$/).innerText();
  await keyboard.type(alice.recoveryCode.split('-')[Number(/\d/.exec(label)?.[0]) - 1] ?? '');
  await keyboard.press('Enter');
  await expect(page.getByRole('heading', { name: en.conversations.emptyTitle })).toBeVisible();

  await keyboard.press('Control+K');
  await keyboard.type(bob.handle);
  await expect(page.getByRole('option')).toHaveCount(1);
  await keyboard.press('Enter');
  await expect(alice.composer(bob)).toBeFocused();
  await keyboard.type('First line');
  await keyboard.press('Shift+Enter');
  await keyboard.type('second line');
  await keyboard.press('Enter');
  await expect(bob.row(alice)).toContainText('First line');
  await bob.open(alice);
  await expect(bob.log(alice).getByText(/First line\s+second line/)).toBeVisible();
  await bob.write(alice, 'Got it');
  await expect(alice.bubble(bob, 'Got it')).toBeVisible();
  // A screen reader is told what came.
  await expect(page.getByRole('status').getByText(en.thread.said(bob.displayName, 'Got it'))).toHaveCount(1);
});
