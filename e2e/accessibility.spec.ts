import type { Page } from '@playwright/test';
import { axeFindsNothing } from './support/axe.ts';
import { between, refusing } from './support/between.ts';
import { Person, en, expect, fr, test } from './support/test.ts';

async function nothingIsCutOff(page: Page, screen: string): Promise<void> {
  const beyond = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  expect(beyond, `${screen} scrolls sideways`).toBeLessThanOrEqual(0);
}

for (const [locale, t, colorScheme] of [
  ['en-GB', en, 'light'],
  ['fr-FR', fr, 'dark'],
] as const) {
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

for (const [locale, t, colorScheme] of [
  ['en-GB', en, 'light'],
  ['fr-FR', fr, 'dark'],
] as const) {
  test(`axe finds nothing in what opens over a list and a thread: ${locale}, ${colorScheme}`, async ({
    person,
  }) => {
    test.slow();
    const alice = await person('Alice Martin', { locale, colorScheme, reducedMotion: 'reduce' });
    const bob = await person('Bob Nkemelu');
    const { page } = alice;
    const check = async (screen: string) => axeFindsNothing(page, screen);
    const dialog = page.getByRole('dialog');
    const close = async () => {
      await page.keyboard.press('Escape');
      await expect(dialog).toHaveCount(0);
      await expect(page.getByRole('menu')).toHaveCount(0);
    };

    await bob.find(alice);
    await bob.write(alice, 'Une question ?');
    await expect(alice.row(bob)).toContainText('Une question ?');
    await page.getByRole('button', { name: t.saved.title }).click();
    await expect(dialog.getByText(t.saved.none)).toBeVisible();
    await check('no saved message');
    await close();
    await alice.actOnRow(bob);
    await expect(page.getByRole('menuitem', { name: t.list.markRead })).toBeVisible();
    await check('the menu of a conversation');
    await page.getByRole('menuitem', { name: t.list.mute }).click();
    await page.getByRole('menuitem', { name: t.list.mutes.week }).waitFor();
    await check('for how long it is muted');
    await page.getByRole('menuitem', { name: t.list.mutes.week }).click();
    await alice.actOnRow(bob, t.list.pin);
    await expect(alice.row(bob)).toContainText(t.list.pinned);

    await alice.open(bob);
    await alice.act(bob, 'Une question', 'reply');
    await expect(page.getByRole('button', { name: t.composer.noReply })).toBeVisible();
    await check('a list with a pin and a mute, and an answer begun');
    await alice.write(bob, 'Ma reponse');
    await alice.act(bob, 'Ma reponse', 'edit');
    await expect(page.getByText(t.composer.editingSent)).toBeVisible();
    await check('a message that is edited');
    await alice.write(bob, 'Ma réponse');
    await expect(alice.log(bob).getByRole('button', { name: t.message.edited })).toBeVisible();
    await bob.open(alice);
    await (await bob.menuOf(alice, 'Ma réponse')).getByRole('menuitemradio').first().click();
    await alice.log(bob).getByRole('button', { pressed: false, name: '👍' }).click();
    await (await alice.menuOf(bob, ': Une question')).getByRole('menuitemradio').nth(1).click();
    await expect(alice.log(bob).getByRole('button', { pressed: true })).toHaveText(['❤️', '👍2']);
    await check('a quote, an edit and reactions');
    await alice.menuOf(bob, 'Ma réponse');
    await check('the menu of a message');
    await close();

    for (const [action, there] of [
      ['versions', dialog.getByText('Ma reponse')],
      ['delete', dialog.getByRole('button', { name: t.message.deleteForBoth })],
      ['forward', page.getByRole('combobox')],
    ] as const) {
      await alice.act(bob, 'Ma réponse', action);
      await expect(there).toBeVisible();
      await check(`the dialog of ${action}`);
      await close();
    }
    await alice.act(bob, 'Ma réponse', 'save');
    await expect(page.getByText(t.message.saved)).toBeVisible();
    await check('something that was done and is told');
    await page.getByRole('button', { name: t.saved.title }).click();
    await expect(dialog.getByRole('link', { name: 'Ma réponse' })).toBeVisible();
    await check('saved messages');
    await close();
    await alice.act(bob, 'Ma réponse', 'select');
    await expect(page.getByRole('toolbar')).toContainText(t.message.selected(1));
    await check('choosing messages');
    await page.keyboard.press('Escape');

    await alice.composer(bob).fill('Bon anniversaire !');
    await page.getByRole('button', { name: t.later.open }).click();
    await dialog.getByRole('button', { name: t.later.in.tomorrow }).click();
    await check('sending later');
    await dialog.getByRole('button', { name: t.later.schedule, exact: true }).click();
    const line = page.getByRole('button', { name: t.later.waiting(1) });
    await expect(line).toBeVisible();
    await check('a message that waits for its time');
    await line.click();
    await expect(dialog.getByText('Bon anniversaire !')).toBeVisible();
    await check('what waits for its time');
    await close();

    await page.getByRole('button', { name: t.thread.profileOf(bob.displayName) }).click();
    await dialog.getByRole('button', { name: t.report.open }).click();
    await expect(page.getByRole('dialog', { name: t.report.title(bob.displayName) })).toBeVisible();
    await check('reporting');
    await page.keyboard.press('Escape');
    await page.getByRole('button', { name: t.block.block }).click();
    await expect(page.getByRole('group', { name: t.block.title(bob.displayName) })).toBeVisible();
    await check('the question before a block');
    await page.getByRole('group').getByRole('button', { name: t.block.block }).click();
    await expect(dialog.getByRole('button', { name: t.block.unblock })).toBeVisible();
    await check('the panel of who is blocked');
    await close();
    await expect(page.getByText(t.block.here(bob.displayName))).toBeVisible();
    await check('a thread with who is blocked');

    await page.goto('/settings');
    await page.getByRole('switch', { name: t.notices.quiet }).check();
    await expect(page.locator('input[type=time]')).toHaveCount(2);
    await expect(page.getByRole('button', { name: t.settings.unblock(bob.displayName) })).toBeVisible();
    await check('quiet hours and who is blocked');
  });
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
