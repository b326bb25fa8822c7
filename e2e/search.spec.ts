import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import AxeBuilder from '@axe-core/playwright';
import type { Locator } from '@playwright/test';
import { Person, Server, en, expect, fr, test, watch } from './support/test.ts';
import { traceOf } from './support/traces.ts';

const FILL = fileURLToPath(new URL('../target/debug/examples/fill', import.meta.url));

const field = ({ page }: Person) => page.getByRole('combobox');
const results = ({ page, t }: Person) => page.getByRole('group', { name: t.search.messages });
const hit = (person: Person, text: string | RegExp) =>
  person.page.getByRole('option').filter({ hasText: text });

async function look(person: Person, words: string): Promise<void> {
  await person.page.keyboard.press('Control+K');
  await field(person).fill(words);
}

/** All that this browser keeps, in one piece. */
async function kept({ page }: Person): Promise<Buffer> {
  const all = await page.evaluate(async () => {
    const opening = indexedDB.open('entrenous');
    const db = await new Promise<IDBDatabase>((resolve, reject) => {
      opening.onsuccess = () => resolve(opening.result);
      opening.onerror = () => reject(opening.error ?? new Error('not opened'));
    });
    let text = '';
    const walk = (value: unknown) => {
      if (typeof value === 'string') text += `${value}\n`;
      else if (value instanceof Uint8Array) for (const byte of value) text += String.fromCharCode(byte);
      else if (value instanceof Map) for (const each of value) walk(each);
      else if (typeof value === 'object' && value !== null)
        for (const each of Object.values(value)) walk(each);
    };
    for (const name of db.objectStoreNames) {
      const request = db.transaction(name).objectStore(name).getAll();
      await new Promise((resolve) => (request.onsuccess = resolve));
      text += `\n${name}: ${request.result.length}\n`;
      walk(request.result);
    }
    db.close();
    return text;
  });
  return Buffer.from(all, 'latin1');
}

async function menuOf(writer: Person, other: Person, text: string): Promise<Locator> {
  const row = writer.log(other).getByRole('article').filter({ hasText: text });
  await row.hover();
  await row.getByRole('button', { name: writer.t.message.actions }).click();
  return writer.page.getByRole('menu', { name: writer.t.message.actions });
}

test('what was said long ago is found, and opens where it stands', async ({ browser }) => {
  const server = await Server.start({ options: ['--frames-per-second', '100000'] });
  const context = await browser.newContext({ baseURL: server.url, locale: 'en-GB' });
  const alice = new Person('Alice Martin', await context.newPage());
  const { page } = alice;
  watch(page);
  await alice.signUp();
  await promisify(execFile)(FILL, [server.url, alice.handle, '5000', '50000']);
  const phil = new Person('Phil Writer', page);
  await expect(alice.row(phil)).toContainText('Message 5000', { timeout: 60_000 });
  const asked: string[] = [];
  page.on('request', (request) => asked.push(request.url().slice(server.url.length)));

  // Nothing of it was fetched before.
  await page.getByRole('button', { name: en.search.open }).first().click();
  await expect(field(alice)).toBeFocused();
  expect(asked.filter((path) => /history|search|index|messages/i.test(path))).toEqual([]);
  await field(alice).fill('message 987');
  const wanted = hit(alice, /Message 987\b/);
  await expect(wanted).toContainText(phil.displayName);
  await expect(wanted.locator('mark')).toHaveText(['Message', '987']);
  await expect(hit(alice, /Message/)).toHaveCount(1);
  await expect(page.getByRole('status').getByText(en.search.messageCount(1, false))).toHaveCount(1);
  await expect(page.getByRole('progressbar')).toHaveCount(0);
  expect(asked.filter((path) => /messages\?.*limit=200/.test(path))).toHaveLength(25);
  await field(alice).press('Enter');

  const original = alice
    .log(phil)
    .getByRole('article')
    .filter({ hasText: /Message 987\b/ });
  await expect(original).toBeInViewport();
  await expect(original).toBeFocused();
  await expect(alice.log(phil).getByText(/^Message 5000\b/)).toHaveCount(0);
  const address = page.url();
  expect(address).toMatch(/\/c\/[0-9a-f-]{36}\/987$/);
  // Once more, from another place of the same thread.
  await page.getByRole('button', { name: en.thread.toEnd }).click();
  await expect(alice.log(phil).getByText(/^Message 5000\b/)).toBeInViewport();
  await look(alice, '987');
  await wanted.click();
  await expect(original).toBeInViewport();

  // The address alone leads there, and what was read is not read again.
  asked.length = 0;
  await page.reload();
  await expect(original).toBeInViewport();
  await expect(original).toBeFocused();
  await look(alice, 'message 988');
  await expect(hit(alice, /Message 988\b/)).toBeVisible();
  await expect(page.getByRole('progressbar')).toHaveCount(0);
  expect(asked.some((path) => path.includes('message-index'))).toBe(true);
  // The thread's own pages are shorter.
  expect(asked.filter((path) => /[?&]before=/.test(path) && path.includes('limit=200'))).toEqual([]);
  await field(alice).fill('MESSAGE');
  await expect(page.getByRole('status').getByText(en.search.messageCount(50, true))).toHaveCount(1);
  await field(alice).press('ArrowUp');
  await field(alice).press('Enter');
  await expect(page.getByRole('status').getByText(en.search.messageCount(100, true))).toHaveCount(1);
  await field(alice).press('Escape');

  // An address of no message says so; of somebody else's, too.
  await page.goto(address.replace(/987$/, '987654'));
  await expect(page.getByText(en.thread.noSuchMessage)).toBeVisible();
  await expect(alice.composer(phil)).toBeVisible();
  const mallory = new Person(
    'Mallory Pike',
    await (await browser.newContext({ baseURL: server.url })).newPage(),
  );
  await mallory.signUp();
  await mallory.page.goto(address);
  await expect(mallory.page.getByText(en.conversations.missing)).toBeVisible();
  await mallory.page.context().close();
  await context.close();
  await server.remove();
});

test('words are found without their accents; an edit and a deletion count at once, also on the disk', async ({
  person,
}) => {
  const alice = await person('Alice Martin');
  const bob = await person('Bob Nkemelu', { locale: 'fr-FR' });
  const carol = await person('Carol Diaz');
  await bob.find(alice);
  await bob.write(alice, 'Le **chef-d’œuvre** de l’été, à minuit');
  await bob.write(alice, 'jabberwock secret');
  await carol.find(alice);
  await carol.write(alice, 'An oeuvre of mine');
  await expect(alice.row(carol)).toContainText('oeuvre');
  await expect(alice.row(bob)).toContainText('jabberwock');

  // What is shown of it is kept, too.
  await alice.open(bob);
  await look(alice, 'OEUVRE');
  await expect(results(alice).getByRole('option')).toHaveCount(2);
  await expect(results(alice).getByRole('option').first()).toContainText('An oeuvre of mine');
  await expect(hit(alice, 'chef-d’œuvre').locator('mark')).toHaveText('œuvre');
  await field(alice).fill("l'ete minu");
  await expect(hit(alice, 'à minuit')).toBeVisible();
  await expect(results(alice).getByRole('option')).toHaveCount(1);
  await field(alice).fill('minuit carol');
  await expect(alice.page.getByText(en.search.nobody('minuit carol'))).toBeVisible();

  // People first, then messages; the arrows go through both.
  await field(alice).fill('Jabberwock');
  await expect(hit(alice, 'jabberwock secret')).toHaveAttribute('aria-selected', 'true');
  await bob.write(alice, 'say jabberwock again');
  await expect(results(alice).getByRole('option')).toHaveCount(2);
  const { violations } = await new AxeBuilder({ page: alice.page }).analyze();
  expect(violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join()}`)).toEqual([]);

  const before = await kept(alice);
  expect(traceOf(before, 'Bob Nkemelu'), 'what is in clear is found').not.toBeNull();
  expect(traceOf(before, 'segments: 2'), 'the index is there').not.toBeNull();
  for (const word of ['jabberwock', 'oeuvre', 'minuit']) expect(traceOf(before, word), word).toBeNull();

  // While the search is open.
  const [edited, deleted] = ['say jabberwock again', 'jabberwock secret'];
  await (
    await menuOf(bob, alice, edited)
  )
    .getByRole('menuitem', { name: fr.message.edit, exact: true })
    .click();
  await bob.write(alice, 'say callooh again');
  await expect(results(alice).getByRole('option')).toHaveCount(1);
  await (
    await menuOf(bob, alice, deleted)
  )
    .getByRole('menuitem', { name: fr.message.delete, exact: true })
    .click();
  await bob.page.getByRole('dialog').getByRole('button', { name: fr.message.deleteForBoth }).click();
  await expect(alice.page.getByText(en.search.nobody('Jabberwock'))).toBeVisible();
  await field(alice).fill('callooh');
  await expect(hit(alice, 'say callooh again')).toBeVisible();
  await alice.page.reload();
  await expect(alice.row(bob)).toBeVisible();
  await look(alice, 'jabberwock');
  await expect(alice.page.getByText(en.search.nobody('jabberwock'))).toBeVisible();

  // Log-out takes the index along.
  await alice.page.keyboard.press('Escape');
  await alice.page.goto('/settings');
  await alice.page.getByRole('button', { name: en.settings.logOut }).click();
  await expect(alice.page.getByRole('heading', { name: en.logIn.title })).toBeVisible();
  await expect.poll(async () => traceOf(await kept(alice), 'segments: 0')).not.toBeNull();
});

test('one conversation is searched alone, by keyboard, in French and where there is little room', async ({
  person,
}) => {
  const alice = await person('Alice Martin', { locale: 'fr-FR', viewport: { width: 320, height: 640 } });
  const bob = await person('Bob Nkemelu');
  const carol = await person('Carol Diaz');
  const { page } = alice;
  for (const other of [bob, carol]) {
    await other.find(alice);
    await other.write(alice, `Rendez-vous à la gare, ${other.displayName}`);
    await expect(alice.row(other)).toBeVisible();
  }
  await alice.open(bob);
  await page.keyboard.press('Control+F');
  const dialog = page.getByRole('dialog', { name: fr.search.within });
  await expect(field(alice)).toBeFocused();
  await expect(dialog.getByText(fr.search.withinHint)).toBeVisible();
  // The browser's own way is left, by the same keys.
  const left = page.evaluate(
    () =>
      new Promise((resolve) =>
        addEventListener('keydown', (event) => setTimeout(() => resolve(!event.defaultPrevented)), {
          once: true,
        }),
      ),
  );
  await field(alice).press('Control+F');
  expect(await left).toBe(true);
  await field(alice).fill('gare');
  await expect(dialog.getByRole('option')).toHaveCount(1);
  await expect(dialog.getByRole('option')).toContainText('Bob Nkemelu');
  await expect(page.getByRole('status').getByText(fr.search.messageCount(1, false))).toHaveCount(1);
  const beyond = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  expect(beyond).toBeLessThanOrEqual(0);
  const { violations } = await new AxeBuilder({ page }).analyze();
  expect(violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join()}`)).toEqual([]);
  await field(alice).fill('absent');
  await expect(dialog.getByText(fr.search.noMessage('absent'))).toBeVisible();
  await field(alice).press('Escape');
  await expect(dialog).toBeHidden();
  await page.getByRole('button', { name: fr.search.within }).click();
  await field(alice).fill('gare');
  await expect(dialog.getByRole('option')).toHaveCount(1);
  await field(alice).press('Enter');
  await expect(dialog).toBeHidden();
  await expect(alice.log(bob).getByRole('article').filter({ hasText: 'gare' })).toBeFocused();
  expect(page.url()).toMatch(/\/1$/);
});

test('two windows of one browser make one index', async ({ person }) => {
  const alice = await person('Alice Martin');
  const bob = await person('Bob Nkemelu');
  await bob.find(alice);
  await bob.write(alice, 'the jabberwock');
  await expect(alice.row(bob)).toContainText('jabberwock');
  const window = alice.at(await alice.page.context().newPage());
  await window.page.goto('/');
  await expect(window.row(bob)).toContainText('jabberwock');
  await look(window, 'jabberwock');
  await expect(hit(window, 'the jabberwock')).toBeVisible();
  await look(alice, 'jabberwock');
  await expect(hit(alice, 'the jabberwock')).toBeVisible();
  await bob.write(alice, 'with eyes of flame');
  for (const each of [alice, window]) {
    await field(each).fill('flame');
    await expect(hit(each, 'with eyes of flame')).toBeVisible();
    await field(each).fill('jabber');
    await expect(results(each).getByRole('option')).toHaveCount(1);
  }
  // Once whatever the two have written is on the disk, it opens.
  await window.page.reload();
  await expect(window.row(bob)).toBeVisible();
  await look(window, 'flame');
  await expect(hit(window, 'with eyes of flame')).toBeVisible();
});

test('what is deleted leaves the index of a browser that searches no more', async ({ person }) => {
  const alice = await person('Alice Martin');
  const bob = await person('Bob Nkemelu');
  await bob.find(alice);
  await bob.write(alice, 'jabberwock secret');
  await expect(alice.row(bob)).toContainText('jabberwock');
  await look(alice, 'jabberwock');
  await expect(hit(alice, 'jabberwock secret')).toBeVisible();

  /** Up to which change the index on the disk goes, and the sealed words in it. */
  const index = () =>
    alice.page.evaluate(async () => {
      const opening = indexedDB.open('entrenous');
      const db = await new Promise<IDBDatabase>((resolve) => {
        opening.onsuccess = () => resolve(opening.result);
      });
      const all = async (name: string) => {
        const request = db.transaction(name).objectStore(name).getAll();
        await new Promise((resolve) => (request.onsuccess = resolve));
        return request.result as Record<string, unknown>[];
      };
      const [[kept], [segment]] = [await all('indexes'), await all('segments')];
      db.close();
      return { rev: kept?.['rev'], sealed: String(segment?.['sealed']) };
    });
  await expect.poll(async () => (await index()).rev).toBe(1);
  const before = await index();
  await alice.page.reload();
  await expect(alice.row(bob)).toBeVisible();
  await (
    await menuOf(bob, alice, 'jabberwock secret')
  )
    .getByRole('menuitem', { name: en.message.delete, exact: true })
    .click();
  await bob.page.getByRole('dialog').getByRole('button', { name: en.message.deleteForBoth }).click();
  await expect.poll(async () => (await index()).rev).toBe(2);
  expect((await index()).sealed.length).toBeLessThan(before.sealed.length);
});
