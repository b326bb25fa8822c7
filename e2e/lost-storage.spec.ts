import { Person, en, expect, test } from './support/test.ts';

const lost = en.errors.storage_lost;

test('a browser that has lost its storage says what happened, and a log-in brings all back', async ({
  person,
  server,
}) => {
  const alice = await person('Alice Martin');
  const bob = await person('Bob Nkemelu');
  const { page } = alice;
  await alice.find(bob);
  for (const text of ['one', 'two']) await alice.write(bob, text);
  await expect(alice.tick(bob, 'delivered')).toBeVisible();
  await alice.composer(bob).fill('a draft');
  const sessions = await page.context().cookies();

  // The cookie stays, as after a device was short of space.
  await page.goto('about:blank');
  const session = await page.context().newCDPSession(page);
  await session.send('Storage.clearDataForOrigin', { origin: server.url, storageTypes: 'indexeddb' });
  await page.goto('/');
  await expect(page.getByRole('alert')).toHaveText(lost);
  // Somebody else at this browser reads nothing from it.
  await alice.logIn();
  await alice.open(bob);
  for (const text of ['one', 'two']) await expect(alice.bubble(bob, text)).toBeVisible();
  await expect(alice.composer(bob)).toHaveValue('');
  await alice.write(bob, 'three');
  await bob.open(alice);
  await expect(bob.bubble(alice, 'three')).toBeVisible();
  await page.reload();
  await expect(alice.bubble(bob, 'three')).toBeVisible();

  // The session that nobody could open any more is over.
  await page.context().addCookies(sessions);
  expect((await page.request.get('/api/session')).status()).toBe(401);
});

test('who was never here, or has logged out, reads nothing of a loss', async ({ person, browserOf }) => {
  const stranger = await browserOf();
  const asked = stranger.waitForResponse('**/api/session');
  await stranger.goto('/');
  expect((await asked).status()).toBe(401);
  const { page } = await person('Alice Martin');
  await page.getByRole('link', { name: en.settings.open }).click();
  await page.getByRole('button', { name: en.settings.logOut }).click();
  await expect(page.getByRole('button', { name: en.logIn.submit, exact: true })).toBeVisible();
  const askedAgain = page.waitForResponse('**/api/session');
  await page.reload();
  expect((await askedAgain).status()).toBe(401);
  for (const each of [stranger, page]) {
    await expect(each.getByRole('button', { name: en.logIn.submit, exact: true })).toBeVisible();
    await expect(each.getByRole('alert')).toHaveCount(0);
  }
});

for (const how of ['deleted by a script', 'cleared by the browser'] as const) {
  test(`storage that is ${how} under an open page takes nothing with it`, async ({ person, server }) => {
    const alice = await person('Alice Martin');
    const bob = await person('Bob Nkemelu');
    const { page } = alice;
    await alice.find(bob);
    await alice.write(bob, 'sent');
    await expect(alice.tick(bob, 'delivered')).toBeVisible();
    await page.context().setOffline(true);
    for (const text of ['waits', 'waits as well']) await alice.write(bob, text);
    await expect(alice.log(bob).getByText(en.thread.ticks.waiting, { exact: true })).toHaveCount(2);

    const session = await page.context().newCDPSession(page);
    if (how === 'cleared by the browser') {
      await session.send('Storage.clearDataForOrigin', { origin: server.url, storageTypes: 'indexeddb' });
    } else {
      await page.evaluate(
        () =>
          new Promise<void>((resolve, reject) => {
            const request = indexedDB.deleteDatabase('entrenous');
            request.onsuccess = () => resolve();
            request.onerror = () => reject(new Error('not deleted'));
          }),
      );
    }
    await alice.write(bob, 'written after');
    await alice.composer(bob).fill('a draft');
    const other = alice.at(await page.context().newPage());
    await page.context().setOffline(false);

    const all = ['sent', 'waits', 'waits as well', 'written after'];
    const said = /^(sent|waits|waits as well|written after)$/;
    await bob.open(alice);
    await expect(bob.log(alice).getByText(said)).toHaveText(all);
    // It is signed in as before, for a reload and for other windows.
    await other.page.goto('/');
    await expect(other.row(bob)).toContainText(`${en.conversations.draft} a draft`);
    await page.reload();
    await expect(alice.log(bob).getByText(said)).toHaveText(all);
    await expect(alice.composer(bob)).toHaveValue('a draft');
  });
}

test('the browser is asked to keep the storage once, when there is something to keep', async ({
  browserOf,
  person,
}) => {
  const bob = await person('Bob Nkemelu');
  const page = await browserOf();
  let asked = 0;
  await page.exposeFunction('onPersist', () => void (asked += 1));
  await page.addInitScript(() => {
    const { storage } = navigator;
    const persist = storage.persist.bind(storage);
    storage.persist = () => {
      (globalThis as unknown as { onPersist(): void }).onPersist();
      return persist();
    };
  });
  const alice = new Person('Alice Martin', page);
  await alice.signUp();
  await alice.find(bob);
  expect(asked).toBe(0);
  await alice.write(bob, 'one');
  await expect.poll(() => asked).toBe(1);
  await page.reload();
  await alice.write(bob, 'two');
  await expect(alice.log(bob).getByText(en.thread.ticks.delivered, { exact: true })).toHaveCount(2);
  expect(asked).toBe(1);
});
