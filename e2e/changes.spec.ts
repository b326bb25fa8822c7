import AxeBuilder from '@axe-core/playwright';
import { type Frame, between, frame } from './support/between.ts';
import { type Person, en, expect, fr, test } from './support/test.ts';

test('a message is edited where it stands, on both sides, and keeps its trace', async ({ person }) => {
  const alice = await person('Alice Martin', { locale: 'fr-FR' });
  const bob = await person('Bob Nkemelu');
  await alice.find(bob);
  await alice.write(bob, 'A demain');
  await alice.write(bob, 'autre chose');
  await bob.open(alice);
  await expect(bob.bubble(alice, 'autre chose')).toBeVisible();

  await alice.act(bob, 'A demain', 'edit');
  await expect(alice.page.getByText(fr.composer.editingSent)).toBeVisible();
  await expect(alice.composer(bob)).toBeFocused();
  await expect(alice.composer(bob)).toHaveValue('A demain');
  await alice.write(bob, 'À demain');
  await expect(alice.composer(bob)).toHaveValue('');
  for (const [reader, other] of [
    [alice, bob],
    [bob, alice],
  ] as const) {
    const row = reader.log(other).getByRole('article').first();
    await expect(row).toContainText('À demain');
    await expect(row.getByRole('button', { name: reader.t.message.edited })).toBeVisible();
  }
  await bob.log(alice).getByRole('button', { name: en.message.edited }).click();
  await expect(bob.page.getByRole('dialog').getByText('A demain')).toBeVisible();
  await bob.page.keyboard.press('Escape');

  // The latest of one's own, by the arrow; Escape gives it up.
  await alice.composer(bob).press('ArrowUp');
  await expect(alice.composer(bob)).toHaveValue('autre chose');
  await alice.composer(bob).press('Escape');
  await expect(alice.composer(bob)).toHaveValue('');
  await bob.page.reload();
  await expect(bob.bubble(alice, 'À demain')).toBeVisible();
});

test('a deleted message is gone for both, also for who was away', async ({ person }) => {
  const alice = await person('Alice Martin');
  const bob = await person('Bob Nkemelu', { locale: 'fr-FR' });
  await alice.find(bob);
  await alice.write(bob, 'a mistake');
  await expect(bob.row(alice)).toContainText('a mistake');
  await bob.page.context().setOffline(true);

  await alice.act(bob, 'a mistake', 'delete');
  await alice.page.getByRole('dialog').getByRole('button', { name: en.message.deleteForBoth }).click();
  await expect(alice.bubble(bob, en.thread.instead.deleted)).toBeVisible();
  await expect(alice.bubble(bob, 'a mistake')).toHaveCount(0);
  await bob.page.context().setOffline(false);
  await expect(bob.row(alice)).toContainText(fr.thread.instead.deleted);
  await bob.open(alice);
  await expect(bob.bubble(alice, fr.thread.instead.deleted)).toBeVisible();
});

test('a reaction comes at once, changes, and is taken back', async ({ person }) => {
  const alice = await person('Alice Martin');
  const bob = await person('Bob Nkemelu');
  await alice.find(bob);
  await alice.write(bob, 'Done!');
  await bob.open(alice);
  const react = async (emoji: string) =>
    (await bob.menuOf(alice, 'Done!'))
      .getByRole('menuitemradio', { name: en.message.reactWith(emoji) })
      .click();
  const seen = (emoji: string) =>
    alice.log(bob).getByRole('button', { name: en.message.reaction(emoji, bob.displayName) });
  await react('👍');
  await expect(seen('👍')).toBeVisible();
  await react('❤️');
  await expect(seen('❤️')).toBeVisible();
  await expect(seen('👍')).toHaveCount(0);
  await seen('❤️').click();
  await expect(alice.log(bob).getByRole('button', { pressed: true })).toHaveText('❤️2');
  await bob.log(alice).getByRole('button', { pressed: true }).click();
  await expect(alice.log(bob).getByRole('button', { pressed: true })).toHaveText('❤️');
});

test('an answer quotes what it answers, and leads there', async ({ person }) => {
  const alice = await person('Alice Martin');
  const bob = await person('Bob Nkemelu');
  await alice.find(bob);
  await alice.write(bob, 'Shall we meet at noon?');
  for (let line = 0; line < 30; line++) await alice.write(bob, `line ${line}`);
  await expect(alice.tick(bob, 'delivered')).toBeVisible();
  await bob.open(alice);
  await bob.log(alice).press('Home');
  await bob.act(alice, 'Shall we meet', 'reply');
  await expect(bob.composer(alice)).toBeFocused();
  await bob.write(alice, 'Yes, gladly');
  const answer = alice.log(bob).getByRole('article').filter({ hasText: 'Yes, gladly' });
  await expect(answer).toContainText('Shall we meet at noon?');
  const original = alice.log(bob).getByRole('article').filter({ hasText: 'Shall we meet' }).first();
  await answer.getByRole('button', { name: en.message.inReplyTo }).click();
  await expect(original).toBeInViewport();
  await expect(answer).not.toBeInViewport();
});

test('all of it is done by keyboard, and what was done offline is done once there is a line', async ({
  person,
}) => {
  const alice = await person('Alice Martin', { reducedMotion: 'reduce' });
  const bob = await person('Bob Nkemelu');
  await alice.find(bob);
  await alice.write(bob, 'first');
  await alice.write(bob, 'second');
  await expect(alice.tick(bob, 'delivered')).toBeVisible();
  await bob.open(alice);
  await expect(bob.bubble(alice, 'second')).toBeVisible();
  await alice.page.context().setOffline(true);

  const { keyboard } = alice.page;
  await alice.log(bob).focus();
  await keyboard.press('ArrowUp');
  await keyboard.press('ArrowUp');
  await expect(alice.log(bob).getByRole('article').first()).toBeFocused();
  await keyboard.press('Enter');
  const menu = alice.page.getByRole('menu', { name: en.message.actions });
  await expect(menu.getByRole('menuitemradio').first()).toBeFocused();
  const { violations } = await new AxeBuilder({ page: alice.page }).analyze();
  expect(violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join()}`)).toEqual([]);
  await keyboard.press('ArrowRight');
  await keyboard.press('Enter');
  await expect(alice.log(bob).getByRole('button', { pressed: true })).toHaveText('❤️');
  await expect(alice.log(bob).getByRole('article').first()).toBeFocused();
  await keyboard.press('ArrowDown');
  await keyboard.press('Enter');
  await expect(menu).toBeVisible();
  await keyboard.press('Escape');
  await expect(alice.log(bob).getByRole('article').nth(1)).toBeFocused();
  await alice.act(bob, 'second', 'edit');
  await alice.write(bob, 'second, better');
  await expect(alice.bubble(bob, 'second, better')).toBeVisible();

  await alice.page.reload().catch(() => undefined);
  await alice.page.context().setOffline(false);
  await alice.page.reload();
  await expect(alice.bubble(bob, 'second, better')).toBeVisible();
  await expect(bob.bubble(alice, 'second, better')).toBeVisible();
  await expect(
    bob.log(alice).getByRole('button', { name: en.message.reaction('❤️', alice.displayName) }),
  ).toBeVisible();
});

test('who is blocked writes into the void and cannot tell', async ({ person }) => {
  const alice = await person('Alice Martin');
  const bob = await person('Bob Nkemelu');
  await bob.find(alice);
  await bob.write(alice, 'before');
  await alice.open(bob);
  await expect(bob.tick(alice, 'read')).toBeVisible();
  await alice.page.getByRole('button', { name: en.thread.profileOf(bob.displayName) }).click();
  await alice.page.getByRole('button', { name: en.block.block }).click();
  await alice.page.getByRole('group').getByRole('button', { name: en.block.block }).click();
  await expect(alice.page.getByRole('dialog').getByRole('button', { name: en.block.unblock })).toBeVisible();
  await alice.page.keyboard.press('Escape');
  await expect(alice.page.getByText(en.block.here(bob.displayName))).toBeVisible();
  await expect(alice.row(bob)).toHaveCount(0);

  await bob.write(alice, 'blocked');
  await expect(bob.tick(alice, 'delivered')).toBeVisible();
  await expect(alice.bubble(bob, 'blocked')).toHaveCount(0);
  await alice.page.getByRole('button', { name: en.block.unblock }).click();
  await expect(alice.composer(bob)).toBeVisible();
  await bob.write(alice, 'after');
  await expect(alice.bubble(bob, 'after')).toBeVisible();
  await expect(alice.bubble(bob, 'blocked')).toHaveCount(0);
});

/** Each message with all that belongs to it, as it is read. */
const messages = (person: Person, other: Person) => person.log(other).getByRole('article').allInnerTexts();

test('what is edited, said by a reaction or deleted in one browser is so in all browsers of a person', async ({
  person,
  browserOf,
}) => {
  const alice = await person('Alice Martin');
  const bob = await person('Bob Nkemelu');
  await alice.find(bob);
  for (const text of ['frist', 'second', 'third']) await alice.write(bob, text);
  await bob.open(alice);
  await bob.write(alice, 'answer');
  await expect(alice.bubble(bob, 'answer')).toBeVisible();
  const there = await alice.logInOn(await browserOf());
  await there.open(bob);
  await expect(there.bubble(bob, 'answer')).toBeVisible();
  const before = await messages(there, bob);
  expect(before).toHaveLength(4);

  // From here to there.
  await alice.act(bob, 'frist', 'edit');
  await expect(alice.composer(bob)).toHaveValue('frist');
  await alice.write(bob, 'first');
  await expect(there.bubble(bob, 'first')).toBeVisible();
  await there.log(bob).getByRole('button', { name: en.message.edited }).click();
  await expect(there.page.getByRole('dialog').getByText('frist', { exact: true })).toBeVisible();
  await there.page.keyboard.press('Escape');
  const menu = await alice.menuOf(bob, 'answer');
  await menu.getByRole('menuitemradio', { name: en.message.reactWith('👍') }).click();
  const mine = (of: Person) => of.log(bob).getByRole('button', { pressed: true });
  await expect(mine(there)).toHaveText('👍');

  // And from there to here.
  await there.act(bob, 'second', 'delete');
  await there.page.getByRole('dialog').getByRole('button', { name: en.message.deleteForBoth }).click();
  await expect(alice.bubble(bob, en.thread.instead.deleted)).toBeVisible();
  await expect(alice.bubble(bob, 'second')).toHaveCount(0);
  const reactions = await there.menuOf(bob, 'answer');
  await expect(reactions.getByRole('menuitemradio', { name: en.message.reactWith('👍') })).toBeChecked();
  await reactions.getByRole('menuitemradio', { name: en.message.reactWith('❤️') }).click();
  await expect(mine(alice)).toHaveText('❤️');
  await there.act(bob, 'third', 'edit');
  await expect(there.composer(bob)).toHaveValue('third');
  await there.write(bob, 'third, and last');
  await expect(alice.bubble(bob, 'third, and last')).toBeVisible();
  await bob
    .log(alice)
    .getByRole('button', { name: en.message.reaction('❤️', 'Alice Martin') })
    .click();
  for (const each of [alice, there]) await expect(mine(each)).toHaveText('❤️2');

  // A third one has it from the server alone.
  const fresh = await alice.logInOn(await browserOf());
  await fresh.open(bob);
  await expect(mine(fresh)).toHaveText('❤️2');
  const after = await messages(fresh, bob);
  expect(after.join()).toMatch(/first.*deleted.*third, and last.*answer.*❤️/s);
  for (const each of [alice, there]) await expect.poll(() => messages(each, bob)).toEqual(after);
  await mine(fresh).click();
  for (const each of [alice, there, fresh]) {
    await expect(mine(each)).toHaveCount(0);
    const bobs = each.log(bob).getByRole('button', { name: en.message.reaction('❤️', 'Bob Nkemelu') });
    await expect(bobs).toHaveText('❤️');
  }
});

test('any emoji is a reaction, chosen by keyboard; given up, the message has the focus again', async ({
  person,
}) => {
  const alice = await person('Alice Martin');
  const bob = await person('Bob Nkemelu');
  await alice.find(bob);
  for (const text of ['We won!', 'And how']) await alice.write(bob, text);
  await bob.open(alice);
  await expect(bob.bubble(alice, 'And how')).toBeVisible();
  const { keyboard } = bob.page;
  const message = bob.log(alice).getByRole('article').first();
  const picker = bob.page.getByRole('dialog', { name: en.emoji.title });
  const openPicker = async () => {
    await keyboard.press('Enter');
    const more = bob.page.getByRole('menuitem', { name: en.emoji.more });
    await expect(bob.page.getByRole('menuitemradio').first()).toBeFocused();
    const quick = await bob.page.getByRole('menuitemradio').count();
    for (let step = 0; step < quick; step++) await keyboard.press('ArrowRight');
    await expect(more).toBeFocused();
    await keyboard.press('Enter');
    await expect(picker.getByRole('searchbox')).toBeFocused();
  };
  await bob.log(alice).focus();
  await keyboard.press('ArrowUp');
  await keyboard.press('ArrowUp');
  await expect(message).toBeFocused();

  // Given up.
  await openPicker();
  await keyboard.press('Escape');
  await expect(picker).toBeHidden();
  await expect(message).toBeFocused();
  // And chosen.
  await openPicker();
  await keyboard.type('tada');
  await expect(picker.getByRole('gridcell').first()).toHaveText('🎉');
  await keyboard.press('ArrowDown');
  await expect(picker.getByRole('gridcell').first().getByRole('button')).toBeFocused();
  await keyboard.press('Enter');
  await expect(picker).toBeHidden();
  await expect(message.getByRole('button', { pressed: true })).toHaveText('🎉');
  await expect(
    alice.log(bob).getByRole('button', { name: en.message.reaction('🎉', bob.displayName) }),
  ).toBeVisible();
  // It is at hand the next time.
  await bob.log(alice).focus();
  await keyboard.press('ArrowUp');
  await keyboard.press('Enter');
  await expect(bob.page.getByRole('menuitemradio').first()).toHaveText('🎉');
});

test('a block while both write cuts the thread at one place, and for good', async ({ person, browserOf }) => {
  // High enough to draw all of it.
  const viewport = { width: 1000, height: 2400 };
  const alice = await person('Alice Martin', { viewport });
  const bob = await person('Bob Nkemelu', { viewport });
  await alice.find(bob);
  await alice.write(bob, 'begin');
  await bob.open(alice);
  const there = await alice.logInOn(await browserOf({ viewport }));
  await there.open(bob);
  await there.page.getByRole('button', { name: en.thread.profileOf(bob.displayName) }).click();
  await there.page.getByRole('button', { name: en.block.block }).click();

  const lines = Array.from({ length: 40 }, (_, at) => `Bob ${at + 1}`);
  const written = (async () => {
    for (const line of lines) await bob.write(alice, line);
  })();
  for (const text of ['Alice 1', 'Alice 2', 'Alice 3']) await alice.write(bob, text);
  await alice.composer(bob).pressSequentially('not finis');
  await expect(alice.bubble(bob, 'Bob 2')).toBeVisible();
  await there.page.getByRole('group').getByRole('button', { name: en.block.block }).click();
  const blocked = en.block.here(bob.displayName);
  for (const { page } of [alice, there]) await expect(page.getByText(blocked)).toBeVisible();
  await written;
  // Whoever is blocked cannot tell.
  const waiting = bob.log(alice).getByText(en.thread.ticks.waiting, { exact: true });
  await expect(bob.bubble(alice, 'Bob 40')).toBeVisible();
  await expect(waiting).toHaveCount(0);
  await expect(bob.log(alice).getByText(/^Alice \d$/)).toHaveText(['Alice 1', 'Alice 2', 'Alice 3']);

  const heard = (of: Person) =>
    of
      .log(bob)
      .getByText(/^Bob \d+$/)
      .allInnerTexts();
  const all = await heard(alice);
  expect(all.length).toBeGreaterThanOrEqual(2);
  expect(all.length).toBeLessThan(lines.length);
  expect(all).toEqual(lines.slice(0, all.length));
  await expect.poll(() => heard(there)).toEqual(all);

  await alice.page.getByRole('button', { name: en.block.unblock }).click();
  await expect(alice.composer(bob)).toHaveValue('not finis');
  await alice.composer(bob).pressSequentially('hed');
  await alice.composer(bob).press('Enter');
  await expect(bob.bubble(alice, 'not finished')).toBeVisible();
  await bob.write(alice, 'Bob 41');
  await expect(alice.bubble(bob, 'Bob 41')).toBeVisible();
  await alice.page.reload();
  await expect(alice.bubble(bob, 'Bob 41')).toBeVisible();
  for (const each of [alice, there]) await expect.poll(() => heard(each)).toEqual([...all, 'Bob 41']);
});

test('the words of an edit that the server refuses are taken back into the message field', async ({
  person,
}) => {
  const alice = await person('Alice Martin');
  const bob = await person('Bob Nkemelu');
  await alice.find(bob);
  await alice.write(bob, 'as it was');
  await expect(alice.tick(bob, 'delivered')).toBeVisible();
  await between(alice.page, {
    toServer: (text, page) => {
      const { type, id, conversation, kind } = frame(text) as Frame & { kind?: string };
      if (type !== 'send' || kind !== 'edit') return true;
      page.send(JSON.stringify({ type: 'refused', id, conversation, code: 'too_many_edits', message: '' }));
      return false;
    },
  });
  await expect(alice.bubble(bob, 'as it was')).toBeVisible();
  await alice.composer(bob).press('ArrowUp');
  await expect(alice.composer(bob)).toHaveValue('as it was');
  await alice.write(bob, 'as it should be');
  await expect(alice.log(bob).getByText(en.thread.refusals['too_many_edits'] ?? '')).toBeVisible();
  await expect(alice.bubble(bob, 'as it was')).toBeVisible();
  await alice.page.getByRole('button', { name: en.thread.takeBack }).click();
  await expect(alice.composer(bob)).toHaveValue('as it should be');
  await expect(alice.composer(bob)).toBeFocused();
  await expect(alice.page.getByRole('button', { name: en.thread.discard })).toHaveCount(0);
  await alice.composer(bob).press('Enter');
  await expect(bob.row(alice)).toContainText('as it should be');
});
