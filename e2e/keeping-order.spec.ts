import { type Person, en, expect, fr, test } from './support/test.ts';

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
  await alice.actOnRow(bob, words.pin);
  await expect.poll(() => names(there)).toEqual(['Bob Nkemelu', 'Carol Smith']);
  await carol.write(alice, 'encore');
  await expect(there.row(carol)).toContainText('encore');
  expect(await names(there)).toEqual(['Bob Nkemelu', 'Carol Smith']);
  await expect(there.row(bob)).toContainText(words.pinned);

  // Away until there is something new.
  await alice.actOnRow(carol, words.archive);
  await expect(there.row(carol)).toBeHidden();
  await expect(there.page.getByRole('button', { name: words.archived(1) })).toBeVisible();
  await there.page.getByRole('button', { name: words.archived(1) }).click();
  await expect(there.row(carol)).toBeVisible();
  await carol.write(alice, 'et encore');
  await expect(alice.row(carol)).toContainText('et encore');
  await expect(alice.page.getByRole('button', { name: words.archived(1) })).toBeHidden();

  // Muted it stays away, and counts for nothing in the title.
  await expect(alice.page).toHaveTitle(/^\(4\)/);
  await alice.actOnRow(carol, words.mute, words.mutes.hours);
  await expect(alice.page).toHaveTitle(/^\(1\)/);
  await expect(there.row(carol)).toContainText(words.muted);
  await alice.actOnRow(carol, words.archive);
  await expect(alice.page.getByRole('button', { name: words.archived(1) })).toBeVisible();
  await carol.write(alice, 'toujours');
  await alice.page.getByRole('button', { name: words.archived(1) }).click();
  await expect(alice.row(carol)).toContainText('toujours');
  await expect(alice.page.getByRole('button', { name: words.archived(1) })).toBeVisible();

  // Marked, and unmarked by looking at it.
  await alice.open(bob);
  await expect(alice.row(bob)).not.toContainText('unread');
  await alice.actOnRow(bob, words.markUnread);
  await expect(there.row(bob)).toContainText(words.markedUnread);
  await expect(there.page).toHaveTitle(/^\(1\)/);
  await there.open(bob);
  await expect(alice.row(bob)).not.toContainText(words.markedUnread);

  // Hidden until there is something new.
  await alice.actOnRow(bob, words.hide);
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
  await alice.actOnRow(bob, en.list.pin);
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

  await alice.act(bob, 'second', 'copy');
  await expect(alice.page.getByText(en.message.copied)).toBeVisible();
  expect(await clipboard()).toBe('second');

  // To somebody one has not written with yet.
  await alice.act(bob, 'second', 'forward');
  await alice.page.getByRole('combobox').fill(carol.handle);
  await alice.page.getByRole('option', { name: new RegExp(carol.handle) }).click();
  await expect(alice.page.getByText(en.message.forwarded('Carol Smith'))).toBeVisible();
  await carol.open(alice);
  await expect(carol.bubble(alice, 'second')).toBeVisible();
  await expect(carol.log(alice).getByText(en.message.forwardedMark)).toBeVisible();

  // Saved in one browser, found in the other, and it leads there.
  await alice.act(bob, 'first', 'save');
  await expect(alice.page.getByText(en.message.saved)).toBeVisible();
  const there = await alice.logInOn(await browserOf());
  await there.page.getByRole('button', { name: en.saved.title }).click();
  const saved = there.page.getByRole('dialog', { name: en.saved.title });
  await expect(saved.getByRole('link')).toContainText(['first']);
  await saved.getByRole('button', { name: en.message.unsave }).click();
  await expect(saved).toContainText(en.saved.none);
  await alice.act(bob, 'first', 'save');
  await expect(alice.page.getByText(en.message.saved)).toBeVisible();

  // Several at once; only what is one's own can be deleted.
  await alice.act(bob, 'first', 'select');
  const bar = alice.page.getByRole('toolbar', { name: en.message.select });
  await expect(bar).toContainText(en.message.selected(1));
  await alice.log(bob).getByRole('article').filter({ hasText: 'third' }).getByRole('checkbox').check();
  await bar.getByRole('button', { name: en.message.copy }).click();
  expect(await clipboard()).toBe('first\nthird');
  await expect(bar).toBeHidden();
  await alice.act(bob, 'mine', 'select');
  await expect(bar.getByRole('button', { name: en.message.delete })).toBeEnabled();
  await alice.log(bob).getByRole('article').filter({ hasText: 'third' }).getByRole('checkbox').check();
  await expect(bar.getByRole('button', { name: en.message.delete })).toBeDisabled();
  await alice.page.keyboard.press('Escape');
  await expect(bar).toBeHidden();
  await expect(alice.composer(bob)).toBeFocused();
});

test('a link to a message leads to where it stands, and so does a saved one', async ({
  person,
  browserOf,
}) => {
  const alice = await person('Alice Martin', { permissions: ['clipboard-read', 'clipboard-write'] });
  const bob = await person('Bob Nkemelu');
  await bob.find(alice);
  await bob.write(alice, 'The address is 4, rue des Lilas');
  for (let line = 1; line <= 40; line++) await bob.write(alice, `line ${line}`);
  await expect(alice.row(bob)).toContainText('line 40');
  await alice.open(bob);
  await alice.act(bob, 'rue des Lilas', 'link');
  await expect(alice.page.getByText(en.message.copied)).toBeVisible();
  const link = await alice.page.evaluate(() => navigator.clipboard.readText());
  expect(new URL(link).origin).toBe(new URL(alice.page.url()).origin);
  await alice.act(bob, 'rue des Lilas', 'save');
  await expect(alice.page.getByText(en.message.saved)).toBeVisible();
  // A thread that was read opens at its end.
  await alice.page.getByRole('button', { name: en.thread.toEnd }).click();
  await expect(alice.bubble(bob, 'line 40')).toBeInViewport();
  await expect(bob.tick(alice, 'read')).toBeVisible();

  const tab = alice.at(await alice.page.context().newPage());
  await tab.page.goto(link);
  const there = await alice.logInOn(await browserOf());
  await there.open(bob);
  await expect(there.bubble(bob, 'line 40')).toBeInViewport();
  await there.page.getByRole('button', { name: en.saved.title }).click();
  const saved = there.page.getByRole('dialog', { name: en.saved.title });
  await saved.getByRole('link', { name: 'rue des Lilas' }).click();
  await expect(saved).toBeHidden();
  expect(there.page.url()).toBe(link);
  for (const each of [tab, there]) {
    const original = each.log(bob).getByRole('article').filter({ hasText: 'rue des Lilas' });
    await expect(original).toBeInViewport();
    await expect(original).toBeFocused();
    await expect(each.bubble(bob, 'line 40')).not.toBeInViewport();
  }
});

test('in the panel of a person one mutes, pins and archives as in the list', async ({
  person,
  browserOf,
}) => {
  const alice = await person('Alice Martin');
  const bob = await person('Bob Nkemelu');
  const carol = await person('Carol Smith');
  for (const other of [bob, carol]) {
    await other.find(alice);
    await other.write(alice, 'hello');
    await expect(alice.row(other)).toContainText('hello');
  }
  const there = await alice.logInOn(await browserOf());
  await expect.poll(() => names(there)).toEqual(['Carol Smith', 'Bob Nkemelu']);
  await alice.open(bob);
  await alice.page.getByRole('button', { name: en.thread.profileOf(bob.displayName) }).click();
  const panel = alice.page.getByRole('dialog');
  const option = (name: string) => panel.getByRole('switch', { name });

  await option(en.list.pin).check();
  await expect.poll(() => names(there)).toEqual(['Bob Nkemelu', 'Carol Smith']);
  await panel.getByLabel(en.list.muteLabel).selectOption(en.list.mutes.hour);
  await expect(panel.getByText(/^Muted until .*\d\d:\d\d/)).toBeVisible();
  await expect(there.row(bob)).toContainText(en.list.muted);
  await option(en.list.archive).check();
  await expect(there.row(bob)).toBeHidden();
  await expect(there.page.getByRole('button', { name: en.list.archived(1) })).toBeVisible();
  await panel.getByLabel(en.list.muteLabel).selectOption(en.list.mutes.always);
  await expect(panel.getByText(/^Muted until/)).toBeHidden();
  await expect(panel.getByLabel(en.list.muteLabel).locator('option:checked')).toHaveText(
    en.list.mutes.always,
  );

  // And what is taken back elsewhere is taken back here.
  await there.page.getByRole('button', { name: en.list.archived(1) }).click();
  await there.actOnRow(bob, en.list.unarchive);
  await expect(option(en.list.archive)).not.toBeChecked();
  await there.actOnRow(bob, en.list.unmute);
  await expect(panel.getByLabel(en.list.muteLabel).locator('option:checked')).toHaveText(en.list.muteOff);
  await option(en.list.pin).uncheck();
  await expect.poll(() => names(there)).toEqual(['Carol Smith', 'Bob Nkemelu']);
});
