import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { axeFindsNothing } from './support/axe.ts';
import { Person, Server, en, expect, fr, test } from './support/test.ts';

const run = promisify(execFile);
const example = (name: string) => fileURLToPath(new URL(`../target/debug/examples/${name}`, import.meta.url));
const DAY = 86_400_000;
const A_DAY = 40;

/** As the browsers of these tests have it. */
const inField = (at: number) => new Date(at).toLocaleDateString('sv-SE', { timeZone: 'Europe/Paris' });

for (const [locale, t] of [
  ['en-GB', en],
  ['fr-FR', fr],
] as const) {
  test(`from the label of a day one goes to another (${locale})`, async ({ browser }) => {
    const server = await Server.start({ options: ['--frames-per-second', '100000'] });
    const first = await browser.newContext({ baseURL: server.url, locale, reducedMotion: 'reduce' });
    const alice = new Person('Alice Martin', await first.newPage(), t);
    await alice.signUp();
    await run(example('fill'), [server.url, alice.handle, '400', '50000']);
    const now = Date.now();
    await server.stop();
    await run(example('age'), [server.data, String(A_DAY)]);
    await server.start();
    await first.close();
    const context = await browser.newContext({ baseURL: server.url, locale, reducedMotion: 'reduce' });
    const { page } = await alice.logInOn(await context.newPage());
    const reader = alice.at(page);
    const phil = new Person('Phil Writer', page);
    await reader.open(phil);
    const log = reader.log(phil);
    const message = (n: number) => log.getByText(new RegExp(`^Message ${n}\\b`));
    // What is unread opens at its first message.
    await expect(message(1)).toBeInViewport();
    await expect(message(81)).toHaveCount(0);

    const leave = log.getByRole('button', {
      name: new RegExp(t.thread.leaveDay('').replaceAll(/\s/g, '\\s') + '$'),
    });
    await leave.first().press('Enter');
    const dialog = page.getByRole('dialog', { name: t.thread.goToDay });
    await axeFindsNothing(page, 'going to a day');
    const day = dialog.getByLabel(t.thread.day, { exact: true });
    await day.fill('');
    await dialog.getByRole('button', { name: t.thread.goThere }).press('Enter');
    await expect(dialog.getByText(t.thread.noDay)).toBeVisible();
    await day.fill(inField(now + 2 * DAY));
    await dialog.getByRole('button', { name: t.thread.goThere }).press('Enter');
    await expect(dialog.getByText(t.thread.nothingSince)).toBeVisible();
    // Two days of forty came before.
    await day.fill(inField(now - 7 * DAY));
    await dialog.getByRole('button', { name: t.thread.goThere }).press('Enter');
    await expect(dialog).toHaveCount(0);
    await expect(log.locator('[data-bubble]', { has: page.getByText(/^Message 81\b/) })).toBeFocused();
    await expect(message(81)).toBeInViewport();
    await expect(message(1)).toHaveCount(0);

    await leave.first().click();
    await dialog.getByRole('button', { name: t.thread.firstMessage }).click();
    await expect(message(1)).toBeInViewport();
    await context.close();
    await server.remove();
  });
}

test('the way to a day stands above the conversation, too', async ({ person }) => {
  const alice = await person('Alice Martin');
  const bob = await person('Bob Nkemelu');
  await alice.find(bob);
  const way = alice.header(bob).getByRole('button', { name: en.thread.goToDay });
  await expect(alice.header(bob)).toBeVisible();
  await expect(way).toHaveCount(0);
  await alice.write(bob, 'the first words');
  for (let line = 1; line <= 40; line++) await alice.write(bob, `line ${line}`);
  await expect(alice.bubble(bob, 'line 40')).toBeInViewport();
  await way.press('Enter');
  const dialog = alice.page.getByRole('dialog', { name: en.thread.goToDay });
  await expect(dialog.getByLabel(en.thread.day, { exact: true })).toHaveValue(inField(Date.now()));
  await dialog.getByRole('button', { name: en.thread.firstMessage }).click();
  await expect(dialog).toHaveCount(0);
  await expect(alice.bubble(bob, 'the first words')).toBeInViewport();
});
