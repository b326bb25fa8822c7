import { axeFindsNothing } from './support/axe.ts';
import { NEW_PASSWORD, Place, fillReset, resetLink, resetWords } from './support/beginning-anew.ts';
import { expect, test } from './support/test.ts';

for (const locale of ['en-GB', 'fr-FR']) {
  test(`with a link one begins anew, and one line stands for what is lost (${locale})`, async ({
    browser,
  }) => {
    const place = await Place.of(browser);
    const admin = await place.person('Admin');
    const alice = await place.person('Alice Martin');
    const bob = await place.person('Bob Nkemelu', locale);
    const { t } = bob;
    const w = resetWords(t);
    await alice.find(bob);
    for (let number = 1; number <= 5; number++) await alice.write(bob, `secret ${number}`);
    await alice.stored(bob, 'secret 5');
    const first = await resetLink(admin, bob);
    const link = await resetLink(admin, bob);

    const there = bob.at(await place.browserOf(locale));
    const { page } = there;
    await page.goto(first);
    await expect(page.getByText(t.errors.reset_expired)).toBeVisible();
    await axeFindsNothing(page, 'a link that is void');
    await page.goto('/welcome');
    await page.goto(link);
    await expect(page.getByText(w.whose(bob.displayName, bob.handle))).toBeVisible();
    await expect(page.getByText(w.lost)).toBeVisible();
    await axeFindsNothing(page, 'beginning anew');
    await fillReset(there, { understood: false });
    await expect(page.getByText(w.notUnderstood)).toBeVisible();
    await fillReset(there);
    there.recoveryCode = await there.readRecoveryCode();
    expect(there.recoveryCode).not.toBe(bob.recoveryCode);
    // Nothing is changed before the last step.
    await bob.page.reload();
    await bob.open(alice);
    await expect(bob.bubble(alice, 'secret 5')).toBeVisible();
    await there.confirmRecoveryCode(w.confirm);

    await expect(there.row(alice)).toContainText(t.conversations.silence.lost);
    await there.open(alice);
    await expect(page.getByText(t.thread.lost)).toHaveCount(1);
    await expect(page.getByText(t.thread.instead.unreadable)).toHaveCount(0);
    await expect(there.row(alice).getByText(t.conversations.unread(5))).toHaveCount(0);
    await axeFindsNothing(page, 'a thread whose messages were lost');
    await there.write(alice, 'I am back');
    await there.stored(alice, 'I am back');
    await expect(page.getByText(t.thread.lost)).toHaveCount(1);
    await page.reload();
    await expect(there.bubble(alice, 'I am back')).toBeVisible();
    await expect(page.getByText(t.thread.lost)).toHaveCount(1);

    // Where one was logged in, one is not any more, and what was kept there is of no use.
    await expect(bob.page.getByRole('heading', { name: t.logIn.title })).toBeVisible();
    await bob.logIn();
    await expect(bob.page.getByText(t.errors.wrong_credentials)).toBeVisible();
    await bob.logIn(NEW_PASSWORD);
    await bob.open(alice);
    await expect(bob.bubble(alice, 'I am back')).toBeVisible();
    await expect(bob.page.getByText(t.thread.lost)).toHaveCount(1);
    const again = await place.browserOf(locale);
    await again.goto(link);
    await expect(again.getByText(t.errors.reset_expired)).toBeVisible();
    await place.leave();
  });
}

test('whoever is still logged in is told before the link is used', async ({ browser }) => {
  const place = await Place.of(browser);
  const admin = await place.person('Admin');
  const bob = await place.person('Bob Nkemelu');
  const w = resetWords(bob.t);
  const link = await resetLink(admin, bob);
  await bob.page.goto(link);
  await expect(bob.page.getByRole('heading', { name: w.hereTitle })).toBeVisible();
  await axeFindsNothing(bob.page, 'a link for somebody who is logged in');
  await bob.page.getByRole('button', { name: w.stay }).click();
  await expect(bob.page.getByRole('heading', { name: bob.t.conversations.emptyTitle })).toBeVisible();
  await bob.page.goto(link);
  await bob.page.getByRole('button', { name: w.logOut }).click();
  await expect(bob.page.getByText(w.whose(bob.displayName, bob.handle))).toBeVisible();
  await fillReset(bob);
  bob.recoveryCode = await bob.readRecoveryCode();
  await bob.confirmRecoveryCode(w.confirm);
  await expect(bob.page.getByRole('heading', { name: bob.t.conversations.emptyTitle })).toBeVisible();
  await place.leave();
});

test('an answer that is lost on the way leaves nobody outside', async ({ browser }) => {
  const place = await Place.of(browser);
  const admin = await place.person('Admin');
  const bob = await place.person('Bob Nkemelu');
  const there = bob.at(await place.browserOf());
  const w = resetWords(bob.t);
  await there.page.goto(await resetLink(admin, bob));
  await fillReset(there);
  there.recoveryCode = await there.readRecoveryCode();
  await there.page.route(
    '**/api/resets/finish',
    async (route) => {
      await route.fetch();
      await route.abort();
    },
    { times: 1 },
  );
  await there.confirmRecoveryCode(w.confirm);
  await expect(there.page.getByText(bob.t.errors.offline)).toBeVisible();
  await there.page.getByRole('button', { name: w.confirm }).click();
  await expect(there.page.getByRole('heading', { name: bob.t.conversations.emptyTitle })).toBeVisible();
  await place.leave();
});
