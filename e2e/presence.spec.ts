import type { Locator, Page } from '@playwright/test';
import { axeFindsNothing } from './support/axe.ts';
import { type Frame, between, frame } from './support/between.ts';
import { type Person, en, expect, fr, test } from './support/test.ts';

const LAST_SEEN = /^last seen (today|yesterday) at \d\d:\d\d$/;

/** Two people who have written with each other; each has the thread open. */
async function pair(person: (name: string) => Promise<Person>): Promise<[Person, Person]> {
  const alice = await person('Alice Martin');
  const bob = await person('Bob Nkemelu');
  await alice.find(bob);
  await alice.write(bob, 'Hello Bob');
  await bob.open(alice);
  await bob.write(alice, 'Hello Alice');
  await expect(alice.bubble(bob, 'Hello Alice')).toBeVisible();
  return [alice, bob];
}

const words = (who: Person, other: Person, text: string | RegExp) =>
  who.header(other).getByText(text, { exact: true });

async function settings(of: Person): Promise<void> {
  await of.page.getByRole('link', { name: of.t.settings.open }).click();
  await expect(of.page.getByRole('heading', { name: of.t.settings.privacy })).toBeVisible();
}

function share(of: Person, which: keyof typeof en.settings.shares): Locator {
  return of.page.getByRole('switch', { name: of.t.settings.shares[which].label });
}

/** Saved, as the server sees it. */
async function flip(of: Person, which: keyof typeof en.settings.shares, on: boolean): Promise<void> {
  const saved = of.page.waitForResponse((answer) => answer.request().method() === 'PATCH' && answer.ok());
  await share(of, which).setChecked(on);
  await saved;
}

async function back(of: Person, other: Person): Promise<void> {
  await of.page.getByRole('button', { name: of.t.app.back }).click();
  await expect(of.row(other)).toBeVisible();
  if (!(await of.composer(other).isVisible())) await of.open(other);
}

/** Whether these words were shown at any time from now on. */
async function watchFor(page: Page, text: string): Promise<() => Promise<boolean>> {
  await page.evaluate((text) => {
    const seen = { seen: false };
    (window as unknown as { watched: typeof seen }).watched = seen;
    new MutationObserver(() => {
      seen.seen ||= document.body.innerText.includes(text);
    }).observe(document, { subtree: true, childList: true, characterData: true });
  }, text);
  return () => page.evaluate(() => (window as unknown as { watched: { seen: boolean } }).watched.seen);
}

test('one sees that the other types, until the words are there, or nothing more comes', async ({
  person,
}) => {
  const [alice, bob] = await pair(person);
  await alice.composer(bob).pressSequentially('On my w');
  await expect(words(bob, alice, en.thread.typing)).toBeVisible();
  await expect(bob.row(alice)).toContainText(en.thread.typing);
  // The one who types sees nothing of it, and it is said to nobody's ear.
  await expect(alice.page.getByText(en.thread.typing)).toHaveCount(0);
  await expect(bob.header(alice).locator('[aria-live], [role="status"]')).toHaveCount(0);
  await alice.composer(bob).press('Enter');
  await expect(bob.bubble(alice, 'On my w')).toBeVisible();
  await expect(bob.page.getByText(en.thread.typing)).toHaveCount(0);

  await bob.composer(alice).pressSequentially('Perhaps');
  await expect(words(alice, bob, en.thread.typing)).toBeVisible();
  await expect(words(alice, bob, en.thread.online)).toBeVisible();
  await expect(alice.row(bob)).toContainText('On my w');
});

test('one sees that the other is there, and when they last were', async ({ person }) => {
  const [alice, bob] = await pair(person);
  await expect(words(alice, bob, en.thread.online)).toBeVisible();
  await expect(words(bob, alice, en.thread.online)).toBeVisible();
  await alice.page.close();
  await expect(words(bob, alice, LAST_SEEN)).toBeVisible();
  await bob.page.reload();
  await expect(words(bob, alice, LAST_SEEN)).toBeVisible();
  // To whoever was never there, nothing is to be said.
  const carol = await person('Carol Weiss');
  await bob.find(carol);
  await expect(words(bob, carol, en.thread.online)).toBeVisible();
});

test('who hides that they are there does not see it either, in each of their browsers', async ({
  person,
  browserOf,
}) => {
  const [alice, bob] = await pair(person);
  const elsewhere = await alice.logInOn(await browserOf());
  await settings(elsewhere);
  await expect(words(bob, alice, en.thread.online)).toBeVisible();
  await alice.page.keyboard.press('Control+K');
  const finder = alice.page.getByRole('combobox');
  await finder.fill('bo');
  await flip(elsewhere, 'presence', false);
  await expect(words(bob, alice, en.thread.encrypted)).toBeVisible();
  // What stands open here is not touched by it.
  await expect(alice.page.getByText(en.thread.encrypted, { exact: true })).toBeVisible();
  await expect(finder).toBeFocused();
  await finder.press('Escape');
  await expect(words(alice, bob, en.thread.encrypted)).toBeVisible();

  await settings(alice);
  await expect(share(alice, 'presence')).not.toBeChecked();
  await expect(share(alice, 'typing')).toBeChecked();
  // Both are open: what is changed in one is seen in the other.
  await flip(alice, 'presence', true);
  await expect(share(elsewhere, 'presence')).toBeChecked();
  await expect(share(elsewhere, 'presence')).toBeFocused();
  await expect(words(bob, alice, en.thread.online)).toBeVisible();
  await back(alice, bob);
  await expect(words(alice, bob, en.thread.online)).toBeVisible();
});

test('who hides that they type does not see it either', async ({ person }) => {
  const [alice, bob] = await pair(person);
  await settings(alice);
  await flip(alice, 'typing', false);
  await back(alice, bob);
  const shown = [await watchFor(alice.page, en.thread.typing), await watchFor(bob.page, en.thread.typing)];
  for (const [writer, reader] of [
    [alice, bob],
    [bob, alice],
  ] as const) {
    await writer.composer(reader).pressSequentially('In secret');
    await writer.composer(reader).press('Enter');
    await expect(reader.bubble(writer, 'In secret')).toHaveCount(writer === alice ? 1 : 2);
  }
  expect(await Promise.all(shown.map((was) => was()))).toEqual([false, false]);
  // The same words would have been seen.
  await settings(alice);
  await flip(alice, 'typing', true);
  await back(alice, bob);
  await alice.composer(bob).pressSequentially('Openly');
  await expect(words(bob, alice, en.thread.typing)).toBeVisible();
});

test('who hides what they have read does not see it either; their own browsers know', async ({
  person,
  browserOf,
}) => {
  const [alice, bob] = await pair(person);
  await expect(alice.tick(bob, 'read')).toBeVisible();
  await settings(alice);
  await flip(alice, 'receipts', false);
  const elsewhere = await alice.logInOn(await browserOf());
  await alice.page.bringToFront();
  await bob.write(alice, 'Did you see?');
  await expect(elsewhere.row(bob)).toContainText(en.conversations.unread(1));
  await back(alice, bob);
  await expect(alice.bubble(bob, 'Did you see?')).toBeVisible();
  await expect(elsewhere.row(bob)).not.toContainText(en.conversations.unread(1));
  await alice.write(bob, 'I did.');
  await expect(bob.bubble(alice, 'I did.')).toBeVisible();
  await expect(bob.tick(alice, 'delivered')).toBeVisible();
  await expect(alice.tick(bob, 'delivered')).toBeVisible();
  await bob.page.reload();
  await expect(bob.bubble(alice, 'I did.')).toBeVisible();
  await expect(bob.tick(alice, 'delivered')).toBeVisible();

  await settings(alice);
  await flip(alice, 'receipts', true);
  await back(alice, bob);
  await bob.write(alice, 'And now?');
  await expect(bob.tick(alice, 'read')).toBeVisible();
});

test('where no socket can be opened it is the same', async ({ person }) => {
  const [alice, bob] = await pair(person);
  await alice.page.routeWebSocket('**/api/live', (socket) => void socket.close());
  const over = alice.page.waitForRequest(/\/api\/live\/(stream|poll)/);
  await alice.page.reload();
  await over;
  await expect(words(alice, bob, en.thread.online)).toBeVisible();
  await expect(words(bob, alice, en.thread.online)).toBeVisible();
  await alice.composer(bob).pressSequentially('By post');
  await expect(words(bob, alice, en.thread.typing)).toBeVisible();
  await bob.composer(alice).pressSequentially('By stream');
  await expect(words(alice, bob, en.thread.typing)).toBeVisible();
});

test('a switch that could not be saved says so, and goes back', async ({ person }) => {
  const alice = await person('Alice Martin');
  await settings(alice);
  await alice.page.route('**/api/privacy', (route) => route.abort());
  await share(alice, 'presence').click();
  await expect(alice.page.getByRole('alert')).toHaveText(en.errors.offline);
  await expect(share(alice, 'presence')).toBeChecked();
  await alice.page.unroute('**/api/privacy');
  // With the keyboard alone.
  const saved = alice.page.waitForResponse((answer) => answer.request().method() === 'PATCH' && answer.ok());
  await share(alice, 'presence').press('Space');
  await saved;
  await expect(alice.page.getByRole('alert')).toHaveCount(0);
  await alice.page.reload();
  await expect(share(alice, 'presence')).not.toBeChecked();
});

test('in French, and axe finds nothing', async ({ person }) => {
  const bob = await person('Bob Nkemelu');
  const options = { locale: 'fr-FR', reducedMotion: 'reduce' } as const;
  const alice = await person('Alice Martin', options);
  await alice.find(bob);
  await alice.write(bob, 'Bonjour');
  await bob.open(alice);
  await expect(words(alice, bob, fr.thread.online)).toBeVisible();
  await bob.composer(alice).pressSequentially('Salut');
  await expect(words(alice, bob, fr.thread.typing)).toBeVisible();
  await axeFindsNothing(alice.page, 'a thread in which somebody types');
  await bob.page.close();
  await expect(words(alice, bob, /^dernière visite (aujourd’hui|hier) à \d\d:\d\d$/)).toBeVisible();
  await axeFindsNothing(alice.page, 'a thread that says when somebody was last seen');
  await settings(alice);
  await flip(alice, 'receipts', false);
  await expect(share(alice, 'receipts')).toHaveAccessibleDescription(fr.settings.shares.receipts.hint);
  await axeFindsNothing(alice.page, 'settings with a switch that is off');
  await alice.page.setViewportSize({ width: 320, height: 640 });
  const beyond = await alice.page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  expect(beyond, 'settings scroll sideways').toBeLessThanOrEqual(0);
});

test('a browser that has missed a switch tells nothing more once its line is back', async ({
  person,
  browserOf,
}) => {
  const [alice, bob] = await pair(person);
  const elsewhere = await alice.logInOn(await browserOf());
  let missed = 0;
  let typing = 0;
  let attending = true;
  const sockets = await between(elsewhere.page, {
    fromServer: (text) => {
      if (frame(text).type !== 'privacy') return [text];
      missed += 1;
      return [];
    },
    toServer: (text) => {
      const said = frame(text) as Frame & { attending?: boolean };
      if (said.type === 'typing') typing += 1;
      if (said.type === 'attending') attending = said.attending === true;
      return true;
    },
  });
  await elsewhere.open(bob);
  await settings(alice);
  await flip(alice, 'presence', false);
  await flip(alice, 'typing', false);
  await expect.poll(() => missed).toBe(2);
  await elsewhere.composer(bob).pressSequentially('Unaware');
  await expect.poll(() => typing).toBe(1);
  await elsewhere.composer(bob).press('Enter');
  await expect(bob.bubble(alice, 'Unaware')).toBeVisible();

  await sockets.at(-1)?.close();
  await expect.poll(() => attending).toBe(false);
  await elsewhere.composer(bob).pressSequentially('In secret');
  await elsewhere.composer(bob).press('Enter');
  await expect(bob.bubble(alice, 'In secret')).toBeVisible();
  expect(typing).toBe(1);
});
