import { noteNotices } from './support/notices.ts';
import { expect, fr, test } from './support/test.ts';

test('in French one is told of messages, answers, reacts, forwards, saves, chooses, deletes and blocks', async ({
  person,
}) => {
  const french = { locale: 'fr-FR' };
  const alice = await person('Aliénor Martin', {
    ...french,
    permissions: ['notifications', 'clipboard-read', 'clipboard-write'],
  });
  const bob = await person('Benoît Nkemelu', french);
  const carol = await person('Chloé Petit', french);
  const { page } = alice;
  const { shown, lookElsewhere } = await noteNotices(page);
  await page.reload();
  await expect(page.getByRole('heading', { name: fr.conversations.emptyTitle })).toBeVisible();

  // Told, if one wants to be.
  await alice.find(bob);
  await alice.write(bob, 'Déjeuner jeudi ?');
  const question = page.getByRole('group', { name: fr.notices.title });
  await expect(question).toContainText(fr.notices.ask);
  await question.getByRole('button', { name: fr.notices.yes }).click();
  await bob.open(alice);
  await lookElsewhere(true);
  await bob.act(alice, 'Déjeuner jeudi', 'reply');
  await expect(bob.page.getByRole('button', { name: fr.composer.noReply })).toBeVisible();
  await bob.write(alice, 'Avec joie, à midi');
  await expect.poll(shown).toEqual([['Benoît Nkemelu', 'Avec joie, à midi']]);
  await lookElsewhere(false);

  // The answer quotes, and a reaction is seen by both.
  const answer = alice.log(bob).getByRole('article').filter({ hasText: 'Avec joie' });
  await expect(answer.getByRole('button', { name: fr.message.inReplyTo })).toContainText(
    `${fr.message.oneself} Déjeuner jeudi ?`,
  );
  const menu = await alice.menuOf(bob, 'Avec joie');
  await menu.getByRole('menuitemradio', { name: fr.message.reactWith('❤️') }).click();
  await expect(
    bob.log(alice).getByRole('button', { name: fr.message.reaction('❤️', 'Aliénor Martin') }),
  ).toBeVisible();
  await bob
    .log(alice)
    .getByRole('button', { name: fr.message.reaction('❤️', 'Aliénor Martin') })
    .click();
  await expect(
    alice.log(bob).getByRole('button', { name: fr.message.reaction('❤️', 'Vous, Benoît Nkemelu') }),
  ).toHaveText('❤️2');

  // Passed on, saved, and several at once.
  await alice.act(bob, 'Avec joie', 'forward');
  await expect(page.getByRole('dialog', { name: fr.message.forwardTo })).toBeVisible();
  await page.getByRole('combobox').fill(carol.handle);
  await page.getByRole('option', { name: new RegExp(carol.handle) }).click();
  await expect(page.getByText(fr.message.forwarded('Chloé Petit'))).toBeVisible();
  await carol.open(alice);
  await expect(carol.log(alice).getByRole('article')).toContainText(
    new RegExp(`${fr.message.forwardedMark}\\s*Avec joie, à midi`),
  );
  await alice.act(bob, 'Avec joie', 'save');
  await expect(page.getByText(fr.message.saved)).toBeVisible();
  await page.getByRole('button', { name: fr.saved.title }).click();
  const saved = page.getByRole('dialog', { name: fr.saved.title });
  await expect(saved.getByRole('link')).toContainText('Avec joie, à midi');
  await saved.getByRole('button', { name: fr.message.unsave }).click();
  await expect(saved).toContainText(fr.saved.none);
  await page.keyboard.press('Escape');
  await alice.act(bob, 'Avec joie', 'select');
  const bar = page.getByRole('toolbar', { name: fr.message.select });
  await expect(bar).toContainText(fr.message.selected(1));
  await alice.log(bob).getByRole('article').first().getByRole('checkbox').check();
  await expect(bar).toContainText(fr.message.selected(2));
  await bar.getByRole('button', { name: fr.message.copy }).click();
  await expect(page.getByText(fr.message.copied)).toBeVisible();
  expect(await page.evaluate(() => navigator.clipboard.readText())).toBe(
    'Déjeuner jeudi ?\nAvec joie, à midi',
  );

  // Gone for both, also where it is quoted.
  await alice.act(bob, ': Déjeuner jeudi', 'delete');
  const confirm = page.getByRole('dialog', { name: fr.message.deleteTitle(1) });
  await expect(confirm).toContainText(fr.message.deleteHint('Benoît Nkemelu', 1));
  await confirm.getByRole('button', { name: fr.message.deleteForBoth }).click();
  await expect(bob.bubble(alice, fr.thread.instead.deleted)).toHaveCount(2);
  await expect(bob.log(alice).getByText('Déjeuner jeudi')).toHaveCount(0);

  // Blocked, and heard of no more.
  await page.getByRole('button', { name: fr.thread.profileOf(bob.displayName) }).click();
  await page.getByRole('button', { name: fr.block.block }).click();
  const sure = page.getByRole('group', { name: fr.block.title(bob.displayName) });
  await expect(sure).toContainText(fr.block.hint);
  await sure.getByRole('button', { name: fr.block.block }).click();
  await expect(page.getByRole('dialog').getByRole('button', { name: fr.block.unblock })).toBeVisible();
  await page.keyboard.press('Escape');
  await expect(page.getByText(fr.block.here(bob.displayName))).toBeVisible();
  await lookElsewhere(true);
  await bob.write(alice, 'Tu es là ?');
  await expect(bob.tick(alice, 'delivered')).toBeVisible();
  await carol.write(alice, 'Moi, oui');
  await expect.poll(shown).toEqual([
    ['Benoît Nkemelu', 'Avec joie, à midi'],
    ['Chloé Petit', 'Moi, oui'],
  ]);
  await page.getByRole('button', { name: fr.block.unblock }).click();
  await expect(alice.composer(bob)).toBeVisible();
  await expect(alice.bubble(bob, 'Tu es là ?')).toHaveCount(0);
});
