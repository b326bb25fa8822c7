import { Profile } from './support/profile.ts';
import { Person, Server, en, expect, test } from './support/test.ts';

test('a reload keeps the person signed in and the history in place', async ({ person }) => {
  const alice = await person('Alice Martin');
  const bob = await person('Bob Nkemelu');
  await alice.find(bob);
  for (const text of ['first', 'second', 'third']) await alice.write(bob, text);
  await expect(alice.tick(bob, 'delivered')).toBeVisible();

  await alice.page.reload();
  for (const text of ['first', 'second', 'third']) await expect(alice.bubble(bob, text)).toHaveCount(1);
});

test('a browser that was closed opens again without the password', async ({ person, server }) => {
  const bob = await person('Bob Nkemelu');
  const profile = new Profile(server.url);
  const alice = new Person('Alice Martin', await profile.open());
  await alice.signUp();
  await alice.find(bob);
  await alice.write(bob, 'before the restart');
  await expect(alice.tick(bob, 'delivered')).toBeVisible();
  await profile.close();

  const back = alice.at(await profile.open());
  await back.page.goto('/');
  await back.open(bob);
  await expect(back.bubble(bob, 'before the restart')).toBeVisible();
  await back.write(bob, 'after the restart');
  await expect(bob.row(alice)).toContainText('after the restart');
  await profile.remove();
});

test('a restart of the server loses nothing, and what was written meanwhile arrives once', async ({
  browser,
}) => {
  const server = await Server.start();
  const join = async (name: string) => {
    const person = new Person(name, await (await browser.newContext({ baseURL: server.url })).newPage());
    await person.signUp();
    return person;
  };
  const alice = await join('Alice Martin');
  const bob = await join('Bob Nkemelu');
  await alice.find(bob);
  await alice.write(bob, 'before');
  await bob.open(alice);
  await expect(bob.bubble(alice, 'before')).toBeVisible();

  for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
    await server.stop(signal);
    await alice.write(bob, `while it was down: ${signal}`);
    await expect(alice.tick(bob, 'waiting')).toBeVisible();
    await server.start();
    await expect(bob.bubble(alice, `while it was down: ${signal}`)).toBeVisible({ timeout: 45_000 });
    await expect(alice.bubble(bob, `while it was down: ${signal}`)).toHaveCount(1);
    await expect(alice.log(bob).getByText(en.thread.ticks.waiting, { exact: true })).toHaveCount(0);
  }
  await bob.page.reload();
  await expect(bob.log(alice).getByText(/^(before|while it was down: SIG(TERM|KILL))$/)).toHaveText([
    'before',
    'while it was down: SIGTERM',
    'while it was down: SIGKILL',
  ]);
  await server.remove();
});

test('a start that waits for the server says so', async ({ browser }) => {
  const server = await Server.start();
  const context = await browser.newContext({ baseURL: server.url });
  const alice = new Person('Alice Martin', await context.newPage());
  await alice.signUp();
  // The page itself still comes; what answers for the account does not.
  await alice.page.route('**/api/**', (route) => route.abort());
  await alice.page.reload();
  await expect(alice.page.getByText(en.conversations.connecting)).toBeVisible();
  await alice.page.unroute('**/api/**');
  await expect(alice.page.getByRole('heading', { name: en.conversations.emptyTitle })).toBeVisible({
    timeout: 45_000,
  });
  await server.remove();
});

test('the settings open without a network, and Back has the focus where one left', async ({ person }) => {
  const alice = await person('Alice Martin');
  const { page } = alice;
  // Fetched ahead, when the page has nothing else to do.
  const fetched = () =>
    page.evaluate(() =>
      performance.getEntriesByType('resource').some(({ name }) => /SettingsPage.*js/.test(name)),
    );
  await expect.poll(fetched).toBe(true);
  await page.context().setOffline(true);
  const link = page.getByRole('link', { name: en.settings.open });
  await link.click();
  await expect(page.getByRole('heading', { name: en.settings.title })).toBeVisible();
  await page.getByRole('button', { name: en.app.back, exact: true }).click();
  await expect(link).toBeFocused();
});

test('a part that could not be fetched is fetched when one tries again', async ({ person }) => {
  const alice = await person('Alice Martin');
  const { page } = alice;
  await page.route('**/assets/SettingsPage*', (route) => route.abort());
  await page.reload();
  await page.getByRole('link', { name: en.settings.open }).click();
  await expect(page.getByText(en.app.pageFailed)).toBeVisible();
  await expect(page.getByRole('main')).toHaveCount(1);
  await page.unroute('**/assets/SettingsPage*');
  await page.getByRole('button', { name: en.app.retry }).click();
  await expect(page.getByRole('heading', { name: en.settings.title })).toBeVisible();
});
