import { createHmac } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { Page } from '@playwright/test';
import { en as enWords } from '../web/src/features/second-factor/words/en.ts';
import { fr as frWords } from '../web/src/features/second-factor/words/fr.ts';
import { axeFindsNothing } from './support/axe.ts';
import { type Person, en, expect, fr, test } from './support/test.ts';

const LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';
const STEP = 30_000;

/** What an app on the phone shows of this secret (RFC 6238), so many steps from now. */
function codeOf(secret: string, steps = 0): string {
  const bits = [...secret].map((letter) => LETTERS.indexOf(letter).toString(2).padStart(5, '0')).join('');
  const key = Buffer.from((bits.match(/.{8}/g) ?? []).map((byte) => parseInt(byte, 2)));
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(Math.floor(Date.now() / STEP) + steps));
  const mac = createHmac('sha1', key).update(counter).digest();
  const at = (mac[19] ?? 0) & 15;
  return String((mac.readUInt32BE(at) & 0x7fff_ffff) % 1_000_000).padStart(6, '0');
}

/** Six digits that are good at no moment of this test. */
function wrongCode(secret: string): string {
  const good = Array.from({ length: 20 }, (_, step) => codeOf(secret, step - 5));
  return ['000000', '111111', '222222'].find((code) => !good.includes(code)) ?? '333333';
}

const wordsOf = ({ t }: Person) => (t === fr ? frWords : enWords);
const button = ({ page }: Person, name: string) => page.getByRole('button', { name, exact: true });

async function settings(of: Person): Promise<void> {
  await of.page.goto('/settings');
  await expect(of.page.getByRole('heading', { name: wordsOf(of).line.title, exact: true })).toBeVisible();
}

async function prove(of: Person, password: string, does: string): Promise<void> {
  const dialog = of.page.getByRole('dialog');
  await dialog.getByLabel(of.t.password.present, { exact: true }).fill(password);
  await dialog.getByRole('button', { name: does, exact: true }).click();
}

/** Nothing is wider than the screen, and nothing keeps anybody out. */
async function isFine(page: Page, screen: string): Promise<void> {
  await axeFindsNothing(page, screen);
  const beyond = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  expect(beyond, screen).toBeLessThanOrEqual(0);
}

/** Sets it up in the settings; the next code is still unused. */
async function setUp(of: Person): Promise<{ secret: string; codes: string[] }> {
  const w = wordsOf(of);
  await settings(of);
  await button(of, w.line.setUp).click();
  const dialog = of.page.getByRole('dialog');
  await prove(of, of.password, of.t.signUp.submit);
  await expect(dialog.getByRole('img', { name: w.app.qr })).toBeVisible();
  const secret = (await dialog.locator('code').innerText()).replaceAll(' ', '');
  expect(secret).toMatch(/^[A-Z2-7]{32}$/);
  const link = await dialog.getByRole('link', { name: w.app.open }).getAttribute('href');
  expect(new URL(link ?? '').searchParams.get('secret')).toBe(secret);
  await isFine(of.page, 'the QR code');
  const code = dialog.getByLabel(w.app.code, { exact: true });
  await code.fill(wrongCode(secret));
  await code.press('Enter');
  await expect(dialog.getByText(of.t.errors.wrong_second_factor)).toBeVisible();
  await code.fill(codeOf(secret));
  await code.press('Enter');
  const list = dialog.getByRole('list', { name: w.codes.title }).getByRole('listitem');
  await expect(list).toHaveCount(10);
  await isFine(of.page, 'the backup codes');
  const codes = await list.allInnerTexts();
  // Shown once: no slip of the finger takes them away.
  await of.page.keyboard.press('Escape');
  await expect(list).toHaveCount(10);
  const downloaded = of.page.waitForEvent('download');
  await dialog.getByRole('button', { name: of.t.recovery.download }).click();
  const kept = await readFile(await (await downloaded).path(), 'utf8');
  for (const code of codes) expect(kept).toContain(code);
  await button(of, w.codes.kept).click();
  await expect(of.page.getByText(w.line.turnedOn)).toBeVisible();
  await expect(of.page.getByText(w.line.isOn(10, 'app'))).toBeVisible();
  return { secret, codes };
}

/** Handle and password at another browser, where the account asks for more. */
async function logInUpToTheCode(who: Person, page: Page): Promise<Person> {
  const there = who.at(page);
  await page.goto('/');
  await there.logIn();
  await expect(page.getByRole('heading', { name: who.t.secondFactor.title })).toBeVisible();
  return there;
}

async function nameCode(of: Person, code: string, label = of.t.secondFactor.code): Promise<void> {
  const field = of.page.getByLabel(label, { exact: true });
  await field.fill(code);
  await field.press('Enter');
}

async function isIn({ page, t }: Person): Promise<void> {
  await expect(page.getByRole('button', { name: t.search.open }).first()).toBeVisible();
}

test('once the second factor is on, a log-in takes a code from the app', async ({ person, browserOf }) => {
  const alice = await person('Alice Martin');
  const bob = await person('Bob Nkemelu');
  await bob.find(alice);
  await bob.write(alice, 'from before');
  await settings(alice);
  await button(alice, enWords.line.setUp).click();
  await axeFindsNothing(alice.page, 'the password before');
  await prove(alice, 'not the password', en.signUp.submit);
  await expect(alice.page.getByText(en.security.wrongPassword)).toBeVisible();
  await alice.page.keyboard.press('Escape');
  const { secret } = await setUp(alice);

  const there = await logInUpToTheCode(alice, await browserOf());
  await isFine(there.page, 'the code of a log-in');
  await nameCode(there, ' ');
  await expect(there.page.getByText(en.secondFactor.missing)).toBeVisible();
  await nameCode(there, wrongCode(secret));
  await expect(there.page.getByText(en.errors.wrong_second_factor)).toBeVisible();
  await nameCode(there, codeOf(secret, 1));
  await isIn(there);
  await there.open(bob);
  await expect(there.bubble(bob, 'from before')).toBeVisible();
  // A reload asks for nothing.
  await there.page.reload();
  await expect(there.bubble(bob, 'from before')).toBeVisible();
});

test('without the phone each backup code lets one in, once', async ({ person, browserOf }) => {
  const alice = await person('Alice Martin');
  const { codes } = await setUp(alice);
  const [first = '', second = ''] = codes;
  const third = await logInUpToTheCode(alice, await browserOf());
  await button(third, en.secondFactor.useBackup).click();
  await nameCode(third, first.toLowerCase(), en.secondFactor.backup);
  await isIn(third);
  const fourth = await logInUpToTheCode(alice, await browserOf());
  await button(fourth, en.secondFactor.useBackup).click();
  await nameCode(fourth, first, en.secondFactor.backup);
  await expect(fourth.page.getByText(en.errors.wrong_second_factor)).toBeVisible();
  await nameCode(fourth, second, en.secondFactor.backup);
  await isIn(fourth);
  await settings(alice);
  await expect(alice.page.getByText(enWords.line.isOn(8, 'app'))).toBeVisible();

  // New ones take the place of all that were left.
  await button(alice, enWords.line.newCodes).click();
  await prove(alice, alice.password, en.signUp.submit);
  await expect(alice.page.getByRole('dialog').getByRole('listitem')).toHaveCount(10);
  await button(alice, enWords.codes.kept).click();
  await expect(alice.page.getByText(enWords.line.replaced)).toBeVisible();
  await expect(alice.page.getByText(enWords.line.isOn(10, 'app'))).toBeVisible();
});

test('it is turned off with the password, and the other browsers are told', async ({ person, browserOf }) => {
  const alice = await person('Alice Martin');
  const elsewhere = await alice.logInOn(await browserOf());
  const told = elsewhere.page.getByRole('group', { name: en.security.title });
  await expect(told).toHaveCount(0);
  await setUp(alice);
  await expect(told).toContainText('turned on');
  await axeFindsNothing(elsewhere.page, 'told of the second factor');
  await told.getByRole('button', { name: en.security.wasMe }).click();
  await expect(told).toHaveCount(0);

  await button(alice, enWords.line.turnOff).click();
  await prove(alice, 'not the password', enWords.line.turnOff);
  await expect(alice.page.getByText(en.security.wrongPassword)).toBeVisible();
  await prove(alice, alice.password, enWords.line.turnOff);
  await expect(alice.page.getByText(enWords.line.turnedOff)).toBeVisible();
  await expect(alice.page.getByText(enWords.line.isOff)).toBeVisible();
  await expect(told).toContainText('turned off');
  // Whoever did it is told of nothing.
  await button(alice, en.app.back).click();
  await expect(alice.page.getByRole('group', { name: en.security.sessions })).toBeVisible();
  await alice.page.getByRole('button', { name: en.security.wasMe }).click();
  await expect(alice.page.getByRole('group', { name: en.security.title })).toHaveCount(0);
  await alice.logInOn(await browserOf());
});

test('without phone and backup codes, the recovery code opens the account and turns the second factor off', async ({
  person,
  browserOf,
}) => {
  const alice = await person('Alice Martin');
  await setUp(alice);
  const there = await logInUpToTheCode(alice, await browserOf());
  await button(there, en.app.back).click();
  await there.page.getByRole('link', { name: en.logIn.forgotten }).click();
  await there.page.getByLabel(en.signUp.handle, { exact: true }).fill(alice.handle);
  await there.page.getByLabel(en.recovery.code, { exact: true }).fill(alice.recoveryCode);
  await there.page.getByLabel(en.password.new, { exact: true }).fill('another horse, another battery');
  await button(there, en.signUp.submit).click();
  there.recoveryCode = await there.readRecoveryCode();
  await button(there, en.recovery.kept).click();
  await expect(there.page.getByText(en.recover.secondFactorOff)).toBeVisible();
  await button(there, en.recovery.again).click();
  await there.confirmRecoveryCode();
  await expect(there.page.getByRole('group', { name: en.security.title })).toContainText('turned off');
  const again = alice.at(await browserOf());
  await again.page.goto('/');
  await again.logIn('another horse, another battery');
  await isIn(again);
});

test('all of it in French, on a narrow screen in the dark', async ({ person, browserOf }) => {
  const small = {
    locale: 'fr-FR',
    viewport: { width: 375, height: 720 },
    colorScheme: 'dark',
  } as const;
  const elodie = await person('Élodie Roux', small);
  const { secret } = await setUp(elodie);
  const there = await logInUpToTheCode(elodie, await browserOf(small));
  await isFine(there.page, 'the code of a log-in, narrow');
  await nameCode(there, wrongCode(secret));
  await expect(there.page.getByText(fr.errors.wrong_second_factor)).toBeVisible();
  await nameCode(there, codeOf(secret, 1));
  await isIn(there);
});
