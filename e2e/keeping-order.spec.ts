import { fr } from '../web/src/i18n/fr.ts';
import { en } from '../web/src/i18n/en.ts';
import { expect, test } from './support/test.ts';
import type { Person } from './support/person.ts';

/** One of the actions of a message, from its menu. */
async function act(person: Person, other: Person, text: string, action: keyof typeof en.message) {
  await person.bubble(other, text).hover();
  const row = person.log(other).getByRole('article').filter({ hasText: text });
  await row.getByRole('button', { name: person.t.message.actions }).click();
  await person.page.getByRole('menuitem', { name: person.t.message[action] as string, exact: true }).click();
}

/** One of the actions of a conversation, from its row. */
async function list(person: Person, other: Person, ...actions: string[]) {
  await person.row(other).hover();
  await person.page.getByRole('button', { name: person.t.list.actions(other.displayName) }).click();
  for (const action of actions)
    await person.page.getByRole('menuitem', { name: action, exact: true }).click();
}

const names = (person: Person) =>
  person.page.getByRole('navigation').getByRole('link').locator('.name > [dir]').allInnerTexts();

test('conversations are pinned, archived, muted, hidden and marked, alike in all browsers of a person', async ({
  person,
  browserOf,
}) => {
  const alice = await person('Alice Martin');
  const bob = await person('Bob Nkemelu');
  const carol = await person('Carol Smith', { locale: 'fr-FR' });
  await bob.find(alice);
  await bob.write(alice, 'from Bob');
  await expect(alice.row(bob)).toContainText('from Bob');
  await carol.find(alice);
  await carol.write(alice, 'de Carol');
  await expect(alice.row(carol)).toContainText('de Carol');
  const there = await alice.logInOn(await browserOf());
  await expect.poll(() => names(alice)).toEqual(['Carol Smith', 'Bob Nkemelu']);
  const { list: words } = alice.t;

  // On top, and there it stays.
  await list(alice, bob, words.pin);
  await expect.poll(() => names(there)).toEqual(['Bob Nkemelu', 'Carol Smith']);
  await carol.write(alice, 'encore');
  await expect(there.row(carol)).toContainText('encore');
  expect(await names(there)).toEqual(['Bob Nkemelu', 'Carol Smith']);
  await expect(there.row(bob)).toContainText(words.pinned);

  // Away until there is something new.
  await list(alice, carol, words.archive);
  await expect(there.row(carol)).toBeHidden();
  await expect(there.page.getByRole('button', { name: words.archived(1) })).toBeVisible();
  await there.page.getByRole('button', { name: words.archived(1) }).click();
  await expect(there.row(carol)).toBeVisible();
  await carol.write(alice, 'et encore');
  await expect(alice.row(carol)).toContainText('et encore');
  await expect(alice.page.getByRole('button', { name: words.archived(1) })).toBeHidden();

  // Muted it stays away, and counts for nothing in the title.
  await expect(alice.page).toHaveTitle(/^\(4\)/);
  await list(alice, carol, words.mute, words.mutes.hours);
  await expect(alice.page).toHaveTitle(/^\(1\)/);
  await expect(there.row(carol)).toContainText(words.muted);
  await list(alice, carol, words.archive);
  await expect(alice.page.getByRole('button', { name: words.archived(1) })).toBeVisible();
  await carol.write(alice, 'toujours');
  await alice.page.getByRole('button', { name: words.archived(1) }).click();
  await expect(alice.row(carol)).toContainText('toujours');
  await expect(alice.page.getByRole('button', { name: words.archived(1) })).toBeVisible();

  // Marked, and unmarked by looking at it.
  await alice.open(bob);
  await expect(alice.row(bob)).not.toContainText('unread');
  await list(alice, bob, words.markUnread);
  await expect(there.row(bob)).toContainText(words.markedUnread);
  await expect(there.page).toHaveTitle(/^\(1\)/);
  await there.open(bob);
  await expect(alice.row(bob)).not.toContainText(words.markedUnread);

  // Hidden until there is something new.
  await list(alice, bob, words.hide);
  await expect(there.row(bob)).toBeHidden();
  await there.page.reload();
  await expect(there.page.getByRole('button', { name: words.archived(1) })).toBeVisible();
  await expect(there.row(bob)).toBeHidden();
  await bob.write(alice, 'again');
  await expect(alice.row(bob)).toContainText('again');

  // By keyboard, in French.
  await carol.row(alice).focus();
  await carol.page.keyboard.press('Shift+F10');
  await expect(carol.page.getByRole('menuitem', { name: fr.list.markUnread })).toBeFocused();
  await carol.page.keyboard.press('ArrowDown');
  await carol.page.keyboard.press('Enter');
  await expect(carol.row(alice)).toContainText(fr.list.pinned);
  await expect(carol.row(alice)).toBeFocused();
});

test('what was set offline is kept over a reload and reaches the other browsers later', async ({
  person,
  browserOf,
}) => {
  const alice = await person('Alice Martin');
  const bob = await person('Bob Nkemelu');
  await bob.find(alice);
  await bob.write(alice, 'hello');
  await expect(alice.row(bob)).toContainText('hello');
  const there = await alice.logInOn(await browserOf());
  await expect(there.row(bob)).toBeVisible();
  const context = alice.page.context();
  await context.setOffline(true);
  await list(alice, bob, en.list.pin);
  await expect(alice.row(bob)).toContainText(en.list.pinned);
  await expect(there.row(bob)).not.toContainText(en.list.pinned);
  // Another tab of the same browser sees it without the network.
  await context.setOffline(false);
  await expect(there.row(bob)).toContainText(en.list.pinned);
  await alice.page.reload();
  await expect(alice.row(bob)).toContainText(en.list.pinned);
});

test('messages are forwarded, saved, linked and chosen together', async ({ person, browserOf }) => {
  const alice = await person('Alice Martin');
  const bob = await person('Bob Nkemelu');
  const carol = await person('Carol Smith');
  await alice.page.context().grantPermissions(['clipboard-read', 'clipboard-write']);
  await bob.find(alice);
  for (const text of ['first', 'second', 'third']) await bob.write(alice, text);
  await alice.open(bob);
  await alice.write(bob, 'mine');
  await expect(
    alice.tick(bob, 'sent').or(alice.tick(bob, 'delivered')).or(alice.tick(bob, 'read')),
  ).toBeVisible();
  const clipboard = () => alice.page.evaluate(() => navigator.clipboard.readText());

  await act(alice, bob, 'second', 'copy');
  await expect(alice.page.getByText(en.message.copied)).toBeVisible();
  expect(await clipboard()).toBe('second');

  // To somebody one has not written with yet.
  await act(alice, bob, 'second', 'forward');
  await alice.page.getByRole('combobox').fill(carol.handle);
  await alice.page.getByRole('option', { name: new RegExp(carol.handle) }).click();
  await expect(alice.page.getByText(en.message.forwarded('Carol Smith'))).toBeVisible();
  await carol.open(alice);
  await expect(carol.bubble(alice, 'second')).toBeVisible();
  await expect(carol.log(alice).getByText(en.message.forwardedMark)).toBeVisible();

  // Saved in one browser, found in the other, and it leads there.
  await act(alice, bob, 'first', 'save');
  await expect(alice.page.getByText(en.message.saved)).toBeVisible();
  const there = await alice.logInOn(await browserOf());
  await there.page.getByRole('button', { name: en.saved.title }).click();
  const saved = there.page.getByRole('dialog', { name: en.saved.title });
  await expect(saved.getByRole('link')).toContainText(['first']);
  await saved.getByRole('button', { name: en.message.unsave }).click();
  await expect(saved).toContainText(en.saved.none);
  await act(alice, bob, 'first', 'save');
  await expect(alice.page.getByText(en.message.saved)).toBeVisible();

  // Several at once; only what is one's own can be deleted.
  await act(alice, bob, 'first', 'select');
  const bar = alice.page.getByRole('toolbar', { name: en.message.select });
  await expect(bar).toContainText(en.message.selected(1));
  await alice.log(bob).getByRole('article').filter({ hasText: 'third' }).getByRole('checkbox').check();
  await bar.getByRole('button', { name: en.message.copy }).click();
  expect(await clipboard()).toBe('first\nthird');
  await expect(bar).toBeHidden();
  await act(alice, bob, 'mine', 'select');
  await expect(bar.getByRole('button', { name: en.message.delete })).toBeEnabled();
  await alice.log(bob).getByRole('article').filter({ hasText: 'third' }).getByRole('checkbox').check();
  await expect(bar.getByRole('button', { name: en.message.delete })).toBeDisabled();
  await alice.page.keyboard.press('Escape');
  await expect(bar).toBeHidden();
  await expect(alice.composer(bob)).toBeFocused();
});
