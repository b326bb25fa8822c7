import { between, frame } from './support/between.ts';
import type { Locator } from '@playwright/test';
import type { Person } from './support/person.ts';
import { en, expect, test } from './support/test.ts';

/** Another window of the same browser. */
async function window(of: Person, address = '/'): Promise<Person> {
  const page = await of.page.context().newPage();
  await page.goto(address);
  await expect(page.getByRole('button', { name: en.search.open }).first()).toBeVisible();
  return of.at(page);
}

const begun = (text: string) => `${en.conversations.draft} ${text}`;

test('a draft is the same in every window, outlives a reload, and is gone everywhere when it is sent', async ({
  person,
}) => {
  const alice = await person('Alice Martin');
  const bob = await person('Bob Nkemelu');
  await alice.find(bob);
  const other = await window(alice);

  // Somebody to whom nothing was ever sent.
  await alice.page.bringToFront();
  await alice.composer(bob).pressSequentially('À demain');
  await expect(other.row(bob)).toContainText(begun('À demain'));
  // Here it stands in the composer, and need not be said twice.
  await expect(alice.row(bob)).not.toContainText(en.conversations.draft);

  await other.page.bringToFront();
  await other.open(bob);
  await expect(other.composer(bob)).toHaveValue('À demain');
  await other.composer(bob).pressSequentially(' à midi');
  await expect(alice.composer(bob)).toHaveValue('À demain à midi');
  await alice.page.reload();
  await expect(alice.composer(bob)).toHaveValue('À demain à midi');

  await other.composer(bob).press('Enter');
  await expect(bob.row(alice)).toContainText('À demain à midi');
  await expect(alice.composer(bob)).toHaveValue('');
  await alice.page.goto('/');
  await expect(alice.row(bob)).toContainText('À demain à midi');
  await expect(alice.row(bob)).not.toContainText(en.conversations.draft);
});

test('no window takes the words from whoever is typing in another', async ({ person }) => {
  const alice = await person('Alice Martin');
  const bob = await person('Bob Nkemelu');
  await alice.find(bob);
  const other = await window(alice, alice.page.url());
  await expect(other.composer(bob)).toBeVisible();

  // One types fluently, the other looks for the keys.
  const texts = ['the quick brown fox jumps over the lazy', 'slow but so'];
  const [here, there] = [alice.composer(bob), other.composer(bob)];
  const typed = [typeIn(here, texts[0] ?? '', 100), typeIn(there, texts[1] ?? '', 450)];
  expect(await Promise.all(typed)).toEqual(texts);
  // When both are still, they say the same: whoever was the last has the word.
  await expect(async () => {
    expect(await here.inputValue()).toBe(await there.inputValue());
  }).toPass();
  expect(texts).toContain(await here.inputValue());
});

/** A key every so many milliseconds; returns what stands there in the end. */
function typeIn(composer: Locator, text: string, every: number): Promise<string> {
  return composer.evaluate(
    async (element, { text, every }) => {
      const field = element as HTMLTextAreaElement;
      for (const letter of text) {
        field.value += letter;
        field.dispatchEvent(new InputEvent('input', { bubbles: true }));
        await new Promise((resolve) => setTimeout(resolve, every));
      }
      return field.value;
    },
    { text, every },
  );
}

test('a draft stays in its browser, and goes with a log-out', async ({ person, browserOf }) => {
  const alice = await person('Alice Martin');
  const bob = await person('Bob Nkemelu');
  await alice.find(bob);
  await alice.write(bob, 'hello');
  await alice.composer(bob).fill('not yet');
  const other = await window(alice);
  await expect(other.row(bob)).toContainText(begun('not yet'));
  const elsewhere = await alice.logInOn(await browserOf());
  await expect(elsewhere.row(bob)).toContainText('hello');
  await expect(elsewhere.row(bob)).not.toContainText(en.conversations.draft);

  await other.page.getByRole('link', { name: en.settings.open }).click();
  await other.page.getByRole('button', { name: en.settings.logOut }).click();
  await expect(alice.page.getByRole('button', { name: en.logIn.submit, exact: true })).toBeVisible();
  await alice.logIn();
  await expect(alice.row(bob)).toContainText('hello');
  await expect(alice.row(bob)).not.toContainText(en.conversations.draft);
  await alice.open(bob);
  await expect(alice.composer(bob)).toHaveValue('');
});

test('what was read in one window is read in the other', async ({ person }) => {
  const alice = await person('Alice Martin');
  const bob = await person('Bob Nkemelu');
  await alice.find(bob);
  for (const text of ['one', 'two', 'three']) await alice.write(bob, text);
  const unread = en.conversations.unread(3);
  await expect(bob.row(alice)).toContainText(unread);

  const other = await window(bob);
  await expect(other.row(alice)).toContainText(unread);
  await other.open(alice);
  await expect(other.bubble(alice, 'three')).toBeVisible();
  await expect(bob.row(alice)).not.toContainText(unread);
});

test('a session that has ended is refused, in words, in every tab', async ({ person, browserOf }) => {
  const alice = await person('Alice Martin');
  // Somebody kept a copy of the browser's cookie and storage.
  const state = await alice.page.context().storageState({ indexedDB: true });
  const copy = await browserOf({ storageState: state });
  const other = await window(alice);

  await alice.page.getByRole('link', { name: en.settings.open }).click();
  await alice.page.getByRole('button', { name: en.settings.logOut }).click();
  await expect(alice.page.getByRole('button', { name: en.logIn.submit, exact: true })).toBeVisible();
  await expect(other.page.getByRole('button', { name: en.logIn.submit, exact: true })).toBeVisible();
  // It was wanted: nothing to explain.
  await expect(other.page.getByRole('alert')).toHaveCount(0);

  await copy.goto('/');
  await expect(copy.getByRole('alert')).toHaveText(en.errors.signed_out);
  await expect(copy.getByRole('button', { name: en.logIn.submit, exact: true })).toBeVisible();
  expect((await copy.request.get('/api/session')).status()).toBe(401);
  await alice.page.reload();
  await expect(alice.page.getByRole('button', { name: en.logIn.submit, exact: true })).toBeVisible();
});

test('whoever logs in at a browser has all its windows', async ({ person }) => {
  const alice = await person('Alice Martin');
  const bob = await person('Bob Nkemelu');
  await alice.find(bob);
  await alice.write(bob, 'of Alice, to Bob');
  await expect(alice.tick(bob, 'delivered')).toBeVisible();
  // This window does not know yet that its session cannot be used any more.
  await alice.page.context().clearCookies();
  const next = bob.at(await alice.page.context().newPage());
  await next.page.goto('/');
  await next.logIn();
  await expect(next.row(alice)).toBeVisible();
  await expect(bob.at(alice.page).row(alice)).toBeVisible();
  await expect(alice.composer(bob)).toHaveCount(0);
});

test('a message under way goes out under nobody else’s name', async ({ person }) => {
  const alice = await person('Alice Martin');
  const bob = await person('Bob Nkemelu');
  await alice.find(bob);
  await alice.write(bob, 'of Alice, to Bob');
  await expect(alice.tick(bob, 'delivered')).toBeVisible();
  let swallowed = 0;
  const swallow = (text: string) => frame(text).type !== 'send' || ((swallowed += 1), false);
  await between(alice.page, { toServer: swallow });
  await alice.write(bob, 'under way');
  await expect.poll(() => swallowed).toBe(1);
  const sent: string[] = [];
  alice.page.on('request', (request) => {
    if (request.method() === 'POST' && request.url().endsWith('/messages')) sent.push(request.url());
  });
  // In the same browser, whose cookie is Bob's from then on.
  await alice.page.context().clearCookies();
  const next = bob.at(await alice.page.context().newPage());
  await next.page.goto('/');
  await next.logIn();
  await expect(bob.at(alice.page).row(alice)).toBeVisible();
  await next.open(alice);
  await expect(next.bubble(alice, 'of Alice, to Bob')).toBeVisible();
  await expect(next.log(alice).getByText(en.thread.instead.unreadable)).toHaveCount(0);
  expect(sent).toEqual([]);
});
