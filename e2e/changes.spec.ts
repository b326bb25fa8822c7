import AxeBuilder from '@axe-core/playwright';
import type { Locator } from '@playwright/test';
import { type Frame, between, frame } from './support/between.ts';
import { type Person, en, expect, fr, test } from './support/test.ts';

/** The menu of a message, by the mouse. */
async function menuOf(reader: Person, other: Person, text: string): Promise<Locator> {
  const row = reader.log(other).getByRole('article').filter({ hasText: text });
  await row.hover();
  await row.getByRole('button', { name: reader.t.message.actions }).click();
  return reader.page.getByRole('menu', { name: reader.t.message.actions });
}

const item = (menu: Locator, name: string) => menu.getByRole('menuitem', { name, exact: true });

test('a message is edited where it stands, on both sides, and keeps its trace', async ({ person }) => {
  const alice = await person('Alice Martin', { locale: 'fr-FR' });
  const bob = await person('Bob Nkemelu');
  await alice.find(bob);
  await alice.write(bob, 'A demain');
  await alice.write(bob, 'autre chose');
  await bob.open(alice);
  await expect(bob.bubble(alice, 'autre chose')).toBeVisible();

  await item(await menuOf(alice, bob, 'A demain'), fr.message.edit).click();
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

  await item(await menuOf(alice, bob, 'a mistake'), en.message.delete).click();
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
    (await menuOf(bob, alice, 'Done!'))
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
  await item(await menuOf(bob, alice, 'Shall we meet'), en.message.reply).click();
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
  await item(await menuOf(alice, bob, 'second'), en.message.edit).click();
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
