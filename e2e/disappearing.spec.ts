import { type Page } from '@playwright/test';
import { Person, Server, en, expect, fr, test, watch } from './support/test.ts';

const DAY = 86_400_000;

/** What this browser keeps of the messages: their places, and whether anything of them is left. */
const kept = (page: Page) =>
  page.evaluate(
    () =>
      new Promise<[number, boolean][]>((resolve, reject) => {
        const opening = indexedDB.open('entrenous');
        opening.onerror = () => reject(new Error('not opened'));
        opening.onsuccess = () => {
          const db = opening.result;
          const all = db.transaction('messages').objectStore('messages').getAll();
          all.onsuccess = () => {
            const rows = all.result as { seq: number; envelope?: string }[];
            db.close();
            resolve(rows.map(({ seq, envelope }) => [seq, envelope !== undefined]));
          };
        };
      }),
  );

test('messages disappear for both when their time is over, and from both browsers', async ({ browser }) => {
  const server = await Server.start();
  const join = async (name: string, locale: string, texts: typeof en) => {
    const context = await browser.newContext({ baseURL: server.url, locale });
    const page = await context.newPage();
    watch(page);
    const person = new Person(name, page, texts);
    await person.signUp();
    return person;
  };
  const alice = await join('Alice Martin', 'en-GB', en);
  const bob = await join('Bob Nkemelu', 'fr-FR', fr);
  await alice.find(bob);
  await alice.write(bob, 'this stays');
  await bob.open(alice);

  // Set by one, shown to both.
  await alice.page.getByRole('button', { name: en.thread.profileOf(bob.displayName) }).click();
  await alice.page.getByLabel(en.timer.label).selectOption(String(DAY));
  await alice.page.keyboard.press('Escape');
  await expect(alice.log(bob)).toContainText(en.timer.setByMe(en.timer.days(1)));
  await expect(bob.log(alice)).toContainText(fr.timer.set(alice.displayName, fr.timer.days(1)));
  await expect(bob.page.locator('header').getByText(fr.timer.days(1), { exact: true })).toBeVisible();
  await bob.write(alice, 'ceci disparaît');
  await alice.write(bob, 'so does this');
  await expect(bob.bubble(alice, 'so does this')).toBeVisible();
  await expect(alice.bubble(bob, 'ceci disparaît')).toBeVisible();
  await expect(alice.tick(bob, 'read')).toBeVisible();
  // Bob is away when it happens.
  await bob.page.goto('about:blank');

  await server.stop();
  await server.start({ ahead: '25h' });
  await expect(alice.bubble(bob, 'so does this')).toBeHidden();
  await expect(alice.bubble(bob, 'ceci disparaît')).toBeHidden();
  await expect(alice.bubble(bob, 'this stays')).toBeVisible();
  await expect(alice.row(bob)).toContainText('this stays');
  await expect(alice.log(bob)).not.toContainText(en.timer.setByMe(en.timer.days(1)));
  await bob.page.goto('/');
  await bob.open(alice);
  await expect(bob.bubble(alice, 'this stays')).toBeVisible();
  await expect(bob.bubble(alice, 'ceci disparaît')).toBeHidden();
  for (const { page } of [alice, bob]) {
    await expect.poll(async () => (await kept(page)).filter(([, left]) => left)).toEqual([[1, true]]);
    expect((await kept(page)).length).toBeGreaterThanOrEqual(4);
  }

  // It goes on as it was set, until it is ended.
  await bob.write(alice, 'encore');
  await expect(alice.bubble(bob, 'encore')).toBeVisible();
  await bob.page.getByRole('button', { name: fr.thread.profileOf(alice.displayName) }).click();
  await bob.page.getByLabel(fr.timer.label).selectOption('0');
  await bob.page.keyboard.press('Escape');
  await expect(alice.log(bob)).toContainText(en.timer.ended(bob.displayName));
  await expect(alice.page.locator('header').getByText(en.timer.days(1), { exact: true })).toBeHidden();
  await alice.page.context().close();
  await bob.page.context().close();
  await server.remove();
});
