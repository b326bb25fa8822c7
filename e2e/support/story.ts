import { type Page, expect } from '@playwright/test';
import { en } from '../../web/src/i18n/en.ts';
import type { Person } from './person.ts';

/**
 * What runs wherever the server does, on each database and on several nodes: two people find each other, write, change
 * and delete, and one of them finds everything again in another browser.
 */
export async function story(alice: Person, bob: Person, another: Page): Promise<void> {
  await alice.find(bob);
  await alice.write(bob, 'Bonjour Bob 👋, es-tu là ?');
  await expect(bob.row(alice)).toContainText('Bonjour Bob 👋, es-tu là ?');
  await bob.open(alice);
  await bob.write(alice, 'Oui. À demain !');
  await expect(alice.bubble(bob, 'Oui. À demain !')).toBeVisible();
  await expect(alice.tick(bob, 'read')).toBeVisible();

  await alice.write(bob, 'a word to change');
  await alice.stored(bob, 'a word to change');
  await alice.composer(bob).press('ArrowUp');
  await expect(alice.composer(bob)).toHaveValue('a word to change');
  await alice.write(bob, 'a word that was changed');
  await expect(bob.bubble(alice, 'a word that was changed')).toBeVisible();
  await bob.act(alice, 'a word that was changed', 'reply');
  await bob.write(alice, 'an answer to it');
  await expect(alice.bubble(bob, 'an answer to it')).toBeVisible();
  await bob.act(alice, 'Oui. À demain !', 'delete');
  await bob.page.getByRole('dialog').getByRole('button', { name: en.message.deleteForBoth }).click();
  await expect(alice.bubble(bob, 'Oui. À demain !')).toHaveCount(0);

  const elsewhere = await alice.logInOn(another);
  await elsewhere.open(bob);
  for (const text of ['Bonjour Bob 👋, es-tu là ?', 'a word that was changed']) {
    await expect(elsewhere.bubble(bob, text).first()).toBeVisible();
  }
  await expect(elsewhere.bubble(bob, 'Oui. À demain !')).toHaveCount(0);
  await elsewhere.write(bob, 'from elsewhere');
  for (const reader of [bob.bubble(alice, 'from elsewhere'), alice.bubble(bob, 'from elsewhere')]) {
    await expect(reader).toBeVisible();
  }
}
