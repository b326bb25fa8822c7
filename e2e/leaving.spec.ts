import type { Person } from './support/person.ts';
import { en, expect, test } from './support/test.ts';

async function logOut({ page }: Person): Promise<void> {
  await page.getByRole('link', { name: en.settings.open }).click();
  await page.getByRole('button', { name: en.settings.logOut }).click();
}

test('a log-out without a network does not end the next session', async ({ person }) => {
  const alice = await person('Alice Martin');
  const { page } = alice;
  const before = await page.context().cookies();
  await page.getByRole('link', { name: en.settings.open }).click();
  await page.context().setOffline(true);
  await page.getByRole('button', { name: en.settings.logOut }).click();
  await expect(page.getByRole('heading', { name: en.logIn.title })).toBeVisible();
  // The server has not heard of it yet.
  await page.context().setOffline(false);
  expect((await page.request.get('/api/session')).status()).toBe(200);

  await alice.logIn();
  await expect(page.getByRole('heading', { name: en.conversations.emptyTitle })).toBeVisible();
  await page.reload();
  await expect(page.getByRole('heading', { name: en.conversations.emptyTitle })).toBeVisible();
  // And the old one is over, for whoever kept its cookie.
  const after = await page.context().cookies();
  expect(after.map(({ value }) => value)).not.toEqual(before.map(({ value }) => value));
  await page.context().addCookies(before);
  expect((await page.request.get('/api/session')).status()).toBe(401);
});

test('what is not sent yet is lost only when one says so', async ({ person }) => {
  const alice = await person('Alice Martin');
  const bob = await person('Bob Nkemelu');
  const { page } = alice;
  // The page for the settings is fetched while there is a network.
  await page.getByRole('link', { name: en.settings.open }).click();
  await page.getByRole('button', { name: en.app.back, exact: true }).click();
  await alice.find(bob);
  await page.context().setOffline(true);
  await alice.write(bob, 'kept here');
  await expect(alice.tick(bob, 'waiting')).toBeVisible();

  await logOut(alice);
  await expect(page.getByRole('dialog')).toContainText(en.settings.unsent(1));
  await expect(page.getByRole('button', { name: en.settings.stay })).toBeFocused();
  await page.keyboard.press('Enter');
  await expect(page.getByRole('dialog')).toBeHidden();
  await page.getByRole('button', { name: en.app.back, exact: true }).click();
  await expect(alice.bubble(bob, 'kept here')).toBeVisible();

  await logOut(alice);
  await page.getByRole('button', { name: en.settings.logOutAnyway }).click();
  await expect(page.getByRole('heading', { name: en.logIn.title })).toBeVisible();
  await expect(page.getByRole('dialog')).toBeHidden();
});

test('what one person had open is not there for the next one', async ({ person }) => {
  const alice = await person('Alice Martin');
  const bob = await person('Bob Nkemelu');
  const { page } = alice;
  await alice.find(bob);
  await alice.write(bob, 'hello');
  await expect(alice.tick(bob, 'delivered')).toBeVisible();
  const thread = page.url();
  const otherTab = await page.context().newPage();
  await otherTab.goto('/');
  await expect(otherTab.getByRole('link', { name: en.settings.open })).toBeVisible();

  // Logged out from the other tab, while this one shows a profile.
  await page.getByRole('button', { name: en.thread.profileOf(bob.displayName) }).click();
  await expect(page.getByRole('dialog')).toBeVisible();
  await logOut(alice.at(otherTab));
  await expect(page.getByRole('heading', { name: en.logIn.title })).toBeVisible();
  expect(thread).toContain('/c/');
  await expect(page).toHaveURL(/\/welcome$/);

  await bob.at(page).logIn();
  await expect(bob.at(page).row(alice)).toBeVisible();
  await expect(page.getByRole('dialog')).toBeHidden();
  await expect(page).toHaveURL(/\/$/);
});
