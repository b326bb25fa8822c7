import { readFileSync } from 'node:fs';
import type { Browser, Page } from '@playwright/test';
import { en as words } from '../web/src/features/administration/words/en.ts';
import { fr as mots } from '../web/src/features/administration/words/fr.ts';
import { en as asked } from '../web/src/features/survey/words/en.ts';
import { fr as demande } from '../web/src/features/survey/words/fr.ts';
import { axeFindsNothing } from './support/axe.ts';
import { Person, Server, en, expect, fr, test, watch } from './support/test.ts';

/** The first one administers. */
async function join(browser: Browser, server: Server, name: string, locale = 'en-GB'): Promise<Person> {
  const context = await browser.newContext({ baseURL: server.url, locale, reducedMotion: 'reduce' });
  const page = await context.newPage();
  watch(page);
  const person = new Person(name, page, locale.startsWith('fr') ? fr : en);
  await person.signUp();
  return person;
}

const card = (page: Page, title: string) =>
  page.getByRole('article').filter({ has: page.getByRole('heading', { name: title, exact: true }) });

async function look(page: Page, first: string): Promise<void> {
  await page.goto('/administration');
  await expect(card(page, first)).toBeVisible();
}

test('an administrator sees that people write, how fast it arrives, and takes the figures along', async ({
  browser,
}) => {
  test.slow();
  const server = await Server.start();
  const admin = await join(browser, server, 'Admin');
  const { page } = admin;
  const { use, speed, satisfaction } = words.indicators;
  await look(page, use.card);
  expect(new URL(page.url()).pathname).toBe('/administration/indicators');
  await expect(card(page, use.card)).toContainText(use.under('0', '1', '80%'));
  await expect(card(page, use.card)).toContainText(words.indicators.missed(80));
  await expect(card(page, use.card)).toContainText(use.advice);
  await expect(card(page, speed.card)).toContainText(words.indicators.nothing);
  await expect(card(page, satisfaction.card)).toContainText(satisfaction.tooFew(5));
  await axeFindsNothing(page, 'indicators of an empty server');

  const alice = await join(browser, server, 'Alice Martin');
  const bob = await join(browser, server, 'Bob Nkemelu');
  await alice.find(bob);
  await alice.write(bob, 'hello');
  await bob.open(alice);
  await expect(bob.bubble(alice, 'hello')).toBeVisible();
  await bob.write(alice, 'hello to you');
  await expect(alice.bubble(bob, 'hello to you')).toBeVisible();

  // What the page of a sender tells comes after what the server has answered.
  await expect(async () => {
    await look(page, use.card);
    await expect(card(page, speed.card)).toContainText(words.indicators.reached, { timeout: 1_000 });
  }).toPass();
  await expect(card(page, use.card)).toContainText(use.under('2', '3', '80%'));
  await expect(card(page, use.card)).toContainText('66%');
  await expect(card(page, speed.card)).toContainText(/\d\.\d+\ss/);
  const chart = card(page, speed.card).getByRole('img');
  await expect(chart).toHaveAccessibleName(/The target is 2\ss\./);
  await expect(page.getByRole('region', { name: use.weeks })).toContainText('66%');
  await page.getByText(speed.hours, { exact: true }).click();
  await expect(page.getByRole('img', { name: new RegExp(speed.hours) })).toBeVisible();
  await page.locator('summary', { hasText: speed.table }).click();
  await expect(page.getByRole('region', { name: speed.table }).getByRole('row')).not.toHaveCount(1);
  await axeFindsNothing(page, 'indicators');
  await page.setViewportSize({ width: 320, height: 700 });
  expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(320);
  await axeFindsNothing(page, 'indicators on a small screen');

  const downloading = page.waitForEvent('download');
  await page.getByRole('link', { name: words.indicators.export(use.title) }).click();
  const download = await downloading;
  expect(download.suggestedFilename()).toMatch(/^use-20\d\d-\d\d-\d\d\.csv$/);
  const table = readFileSync(await download.path(), 'utf8');
  expect(table).toMatch(/^\ufeff"from","to","accounts"/);
  expect(table).toContain(',3,2,2,2,0\r\n');

  // On one sheet of paper, without what can only be pressed.
  await page.emulateMedia({ media: 'print' });
  await expect(page.getByText(words.indicators.title)).toBeVisible();
  await expect(page.getByRole('button', { name: words.indicators.print })).toBeHidden();
  await page.emulateMedia({ media: null });
  const pdf = (await page.pdf({ preferCSSPageSize: true })).toString('latin1');
  expect(pdf.match(/\/Type\s*\/Page\b/g)).toHaveLength(1);

  // In French, by somebody else's browser; and not for those who do not administer.
  const context = await browser.newContext({ baseURL: server.url, locale: 'fr-FR' });
  const elsewhere = await context.newPage();
  const french = await Object.assign(admin.at(elsewhere), { t: fr }).logInOn(elsewhere);
  await look(french.page, mots.indicators.use.card);
  await expect(card(french.page, mots.indicators.use.card)).toContainText(
    mots.indicators.use.under('2', '3', '80\u202f%'),
  );
  await expect(card(french.page, mots.indicators.speed.card)).toContainText(/\d,\d+\ss/);
  await axeFindsNothing(french.page, 'indicators in French');
  await alice.page.goto('/administration/indicators');
  await expect(alice.page).toHaveURL(server.url + '/');
  expect((await alice.page.request.get('/api/administration/indicators')).status()).toBe(403);
  for (const { page } of [admin, alice, bob, french]) await page.context().close();
  await server.remove();
});

test('after two weeks one is asked, answers once, and nobody sees it before there are five', async ({
  browser,
}) => {
  test.slow();
  const server = await Server.start();
  const admin = await join(browser, server, 'Admin');
  const alice = await join(browser, server, 'Aliénor Martin', 'fr-FR');
  const bob = await join(browser, server, 'Bob Nkemelu');
  const survey = (page: Page, words = asked) => page.getByRole('form', { name: words.label });
  await alice.find(bob);
  await expect(survey(alice.page, demande)).toHaveCount(0);
  await server.stop();
  await server.start({ ahead: '337h' });

  // In the middle of a sentence: it takes neither the place nor the focus.
  await alice.page.reload();
  await alice.composer(bob).focus();
  const form = survey(alice.page, demande);
  await expect(form).toBeVisible();
  await expect(form).toContainText(demande.question('Entre Nous'));
  await expect(alice.composer(bob)).toBeFocused();
  await axeFindsNothing(alice.page, 'the survey');
  await form.getByRole('radio', { name: demande.scores[0], exact: true }).focus();
  for (let step = 0; step < 4; step++) await alice.page.keyboard.press('ArrowRight');
  await expect(form.getByRole('radio', { name: demande.scores[4], exact: true })).toBeChecked();
  await form.getByLabel(demande.comment).fill('=1+1, très bien');
  await axeFindsNothing(alice.page, 'the survey, about to be answered');
  await form.getByRole('button', { name: demande.send }).click();
  await expect(alice.page.getByText(demande.thanks)).toBeFocused();
  await expect(form).toHaveCount(0);

  await bob.page.reload();
  await survey(bob.page).getByRole('button', { name: asked.later }).click();
  await expect(bob.page.getByText(asked.postponed)).toBeFocused();
  for (const { page } of [alice, bob]) {
    const answered = page.waitForResponse('**/api/survey');
    await page.reload();
    expect(await (await answered).json()).toEqual({});
    await expect(survey(page, demande)).toHaveCount(0);
    await expect(survey(page)).toHaveCount(0);
  }

  const { page } = admin;
  const { satisfaction, survey: settings } = words.indicators;
  await look(page, satisfaction.card);
  await expect(card(page, satisfaction.card)).toContainText(satisfaction.tooFew(5));
  await expect(page.getByText('très bien')).toHaveCount(0);

  // Everyone, those too who came just now; with other words.
  const others = [];
  for (const name of ['Carol', 'Dave', 'Erin']) others.push(await join(browser, server, name));
  await page.getByLabel(settings.question.en).fill('Is it calm enough?');
  await page.getByRole('button', { name: settings.save }).click();
  await expect(page.getByText(settings.saved)).toBeVisible();
  await page.getByRole('button', { name: settings.everyone }).click();
  const dialog = page.getByRole('dialog', { name: settings.everyone });
  await axeFindsNothing(page, 'everyone is to be asked');
  await dialog.getByRole('button', { name: settings.everyoneYes }).click();
  await expect(page.getByText(settings.everyoneAsked)).toBeVisible();
  const [carol] = others;
  await carol?.page.reload();
  if (carol) await expect(survey(carol.page)).toContainText('Is it calm enough?');
  for (const person of [admin, ...others]) {
    expect(await (await person.page.request.get('/api/survey')).json()).toHaveProperty('question');
    const answer = await person.page.request.post('/api/survey/answer', { data: { score: 4 } });
    expect(answer.status()).toBe(204);
  }
  await look(page, satisfaction.card);
  await expect(card(page, satisfaction.card)).toContainText('100%');
  await expect(card(page, satisfaction.card)).toContainText(words.indicators.reached);
  await expect(page.getByRole('listitem').filter({ hasText: '=1+1, très bien' })).toBeVisible();
  await expect(page.getByRole('region', { name: satisfaction.histogram })).toContainText('4');
  await axeFindsNothing(page, 'satisfaction');
  const comments = await page.request.get('/api/administration/indicators/export/comments');
  expect(await comments.text()).toContain('"\'=1+1, très bien"');
  for (const { page } of [admin, alice, bob, ...others]) await page.context().close();
  await server.remove();
});
