/** Takes the pictures of the guides, in both languages, by doing what the guides say. */
import { fileURLToPath } from 'node:url';
import { type Locator } from '@playwright/test';
import { Person, Server, en, expect, fr, test } from '../support/test.ts';

const IMAGES = fileURLToPath(new URL('../../docs/images/', import.meta.url));

const SAID = {
  en: {
    hello: 'Have you read the minutes? The **second point** is for us.',
    answer: 'Yes, this morning :)',
    plan: 'Shall we meet on Thursday?\n- at 10:00, in the library\n- or at 14:00, by phone',
    yes: 'Thursday at ten, gladly.',
    other: 'The proofs are in your pigeon-hole.',
    search: 'thursday',
  },
  fr: {
    hello: 'As-tu lu le compte rendu ? Le **deuxième point** est pour nous.',
    answer: 'Oui, ce matin :)',
    plan: 'On se voit jeudi ?\n- à 10 h, à la bibliothèque\n- ou à 14 h, par téléphone',
    yes: 'Jeudi à dix heures, avec plaisir.',
    other: 'Les épreuves sont dans ton casier.',
    search: 'jeudi',
  },
};

for (const [code, t, locale] of [
  ['en', en, 'en-GB'],
  ['fr', fr, 'fr-FR'],
] as const) {
  test(`the guide in ${code}`, async ({ browser }) => {
    const server = await Server.start();
    const join = async (name: string) => {
      const context = await browser.newContext({
        baseURL: server.url,
        locale,
        viewport: { width: 1100, height: 720 },
      });
      const person = new Person(name, await context.newPage(), t);
      await person.signUp();
      return person;
    };
    const said = SAID[code];
    const claire = await join('Claire Dubois');
    const marc = await join('Marc Lefèvre');
    const nadia = await join('Nadia Benali');
    const { page } = claire;
    const picture = async (name: string, of: Locator | null = null) => {
      // Nothing is on its way, and no pointer changes what is seen.
      await page.evaluate(() => document.fonts.ready);
      await (of ?? page).screenshot({ path: `${IMAGES}${code}-${name}.png`, animations: 'disabled' });
    };

    await nadia.find(claire);
    await nadia.write(claire, said.other);
    await marc.find(claire);
    await marc.write(claire, said.hello);
    await claire.open(marc);
    await claire.write(marc, said.answer);
    await page.getByRole('button', { name: t.notices.no }).click();
    await expect(marc.bubble(claire, said.answer)).toBeVisible();
    await marc.write(claire, said.plan);
    await claire.write(marc, said.yes);
    await expect(claire.tick(marc, 'read')).toBeVisible();
    const mine = claire.log(marc).getByRole('article').filter({ hasText: said.yes });
    await marc.log(claire).getByRole('article').filter({ hasText: said.yes }).focus();
    await marc.page.keyboard.press('Enter');
    await marc.page.getByRole('menuitemradio').first().click();
    await expect(mine.getByRole('button', { name: '👍' })).toBeVisible();
    await picture('thread');

    await mine.hover();
    await mine.getByRole('button', { name: t.message.actions }).click();
    await expect(page.getByRole('menu')).toBeVisible();
    await picture('message');
    await page.keyboard.press('Escape');

    await claire.row(nadia).hover();
    await page.getByRole('button', { name: t.list.actions('Nadia Benali') }).click();
    await expect(page.getByRole('menu')).toBeVisible();
    await picture('list');
    await page.keyboard.press('Escape');

    await page.keyboard.press('Control+K');
    await page.getByRole('combobox').fill(said.search);
    await expect(page.getByRole('option').first()).toBeVisible();
    await picture('search');
    await page.keyboard.press('Escape');

    await page.getByRole('button', { name: t.thread.profileOf('Marc Lefèvre') }).click();
    await expect(page.getByRole('dialog')).toContainText(t.timer.label);
    await expect(
      page
        .getByRole('dialog')
        .getByText(/^\d{5}$/)
        .first(),
    ).toBeVisible();
    await picture('person', page.getByRole('dialog'));
    await page.keyboard.press('Escape');

    await page.goto('/settings');
    await page.getByRole('heading', { name: t.notices.title }).scrollIntoViewIfNeeded();
    await picture('settings');
    await server.remove();
  });
}
