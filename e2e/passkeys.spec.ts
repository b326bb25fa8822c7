import type { CDPSession, Page } from '@playwright/test';
import { en as enWords } from '../web/src/features/passkeys/words/en.ts';
import { fr as frWords } from '../web/src/features/passkeys/words/fr.ts';
import { en as enFactor } from '../web/src/features/second-factor/words/en.ts';
import { fr as frFactor } from '../web/src/features/second-factor/words/fr.ts';
import { axeFindsNothing } from './support/axe.ts';
import { type Person, en, expect, fr, test } from './support/test.ts';

const wordsOf = ({ t }: Person) => (t === fr ? frWords : enWords);
const factorWordsOf = ({ t }: Person) => (t === fr ? frFactor : enFactor);
const button = ({ page }: Person, name: string) => page.getByRole('button', { name, exact: true });

/** A device of Chromium's own making, with a finger that is always the right one. */
class Device {
  private constructor(
    private readonly session: CDPSession,
    private readonly id: string,
  ) {}

  static async at(page: Page, { prf = true } = {}): Promise<Device> {
    const session = await page.context().newCDPSession(page);
    await session.send('WebAuthn.enable');
    const { authenticatorId } = await session.send('WebAuthn.addVirtualAuthenticator', {
      options: {
        protocol: 'ctap2',
        ctap2Version: 'ctap2_1',
        transport: 'internal',
        hasResidentKey: true,
        hasUserVerification: true,
        isUserVerified: true,
        automaticPresenceSimulation: true,
        hasPrf: prf,
      },
    });
    return new Device(session, authenticatorId);
  }

  async credentials() {
    return (await this.session.send('WebAuthn.getCredentials', { authenticatorId: this.id })).credentials;
  }

  /** The key alone on another device: what Chromium gives of it has no secret. */
  async copyTo(page: Page): Promise<Device> {
    const other = await Device.at(page);
    for (const credential of await this.credentials())
      await other.session.send('WebAuthn.addCredential', { authenticatorId: other.id, credential });
    return other;
  }

  /** From now on it is somebody else's finger. After a few of those the device asks no more. */
  async knowsNobody(): Promise<void> {
    await this.session.send('WebAuthn.setUserVerified', { authenticatorId: this.id, isUserVerified: false });
  }
}

/** Nothing is wider than the screen, and nothing keeps anybody out. */
async function isFine(page: Page, screen: string): Promise<void> {
  await axeFindsNothing(page, screen);
  const beyond = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  expect(beyond, screen).toBeLessThanOrEqual(0);
}

async function settings(of: Person): Promise<void> {
  await of.page.goto('/settings');
  await expect(of.page.getByRole('heading', { name: wordsOf(of).title, exact: true })).toBeVisible();
}

const list = (of: Person) => of.page.getByRole('list', { name: wordsOf(of).title }).getByRole('listitem');

async function prove(of: Person, password: string, does: string): Promise<void> {
  const dialog = of.page.getByRole('dialog');
  await dialog.getByLabel(of.t.password.present, { exact: true }).fill(password);
  await dialog.getByRole('button', { name: does, exact: true }).click();
}

/** Up to what the device makes. */
async function add(of: Person, name: string): Promise<void> {
  const w = wordsOf(of);
  await settings(of);
  await button(of, w.add).click();
  await prove(of, of.password, of.t.signUp.submit);
  await of.page.getByRole('dialog').getByLabel(w.name.label, { exact: true }).fill(name);
  await isFine(of.page, 'before the passkey is made');
  await button(of, w.new.make).click();
}

/** A passkey that opens nothing: it is wanted all the same. Returns the backup codes. */
async function addSecond(of: Person, name: string): Promise<string[]> {
  const w = wordsOf(of);
  const wFactor = factorWordsOf(of);
  await add(of, name);
  await expect(of.page.getByRole('dialog')).toContainText(w.confirm.meaning);
  await isFine(of.page, 'it opens nothing');
  await button(of, w.confirm.yes).click();
  const codes = of.page.getByRole('dialog').getByRole('list', { name: wFactor.codes.title });
  await expect(codes.getByRole('listitem')).toHaveCount(10);
  const shown = await codes.getByRole('listitem').allInnerTexts();
  await button(of, wFactor.codes.kept).click();
  await expect(of.page.getByText(w.done.second)).toBeVisible();
  return shown;
}

async function isIn({ page, t }: Person): Promise<void> {
  await expect(page.getByRole('button', { name: t.search.open }).first()).toBeVisible();
}

async function logOut(of: Person): Promise<void> {
  await settings(of);
  await button(of, of.t.settings.logOut).click();
  await expect(of.page.getByRole('heading', { name: of.t.logIn.title })).toBeVisible();
}

/** The same device with a browser that has never been here. */
async function forgetEverything({ page }: Person): Promise<void> {
  const session = await page.context().newCDPSession(page);
  const { origin } = new URL(page.url());
  await page.goto('about:blank');
  await session.send('Storage.clearDataForOrigin', { origin, storageTypes: 'all' });
  await page.context().clearCookies();
  await session.send('Network.clearBrowserCache');
  await page.goto(origin);
}

/** Handle and password, where the account asks for more. */
async function logInUpToThePasskey(who: Person, page: Page): Promise<Person> {
  const there = who.at(page);
  await page.goto('/');
  await there.logIn();
  await expect(page.getByRole('heading', { name: who.t.secondFactor.title })).toBeVisible();
  return there;
}

test('a passkey logs one in without the password, also in a browser that has never been here, and old messages open', async ({
  person,
  browserOf,
}) => {
  const alice = await person('Alice Martin');
  const bob = await person('Bob Nkemelu');
  const device = await Device.at(alice.page);
  await bob.find(alice);
  await bob.write(alice, 'from before');

  await settings(alice);
  await button(alice, enWords.add).click();
  await isFine(alice.page, 'the password before');
  await prove(alice, 'not the password', en.signUp.submit);
  await expect(alice.page.getByText(en.security.wrongPassword)).toBeVisible();
  await add(alice, 'My laptop');
  await expect(alice.page.getByText(enWords.done.opens)).toBeVisible();
  await expect(list(alice)).toHaveCount(1);
  await expect(list(alice)).toContainText('My laptop');
  await expect(list(alice)).toContainText(enWords.opens);
  await expect(list(alice)).toContainText(enWords.unused);
  // The password goes on to be enough.
  await expect(alice.page.getByText(enFactor.line.isOff)).toBeVisible();
  await isFine(alice.page, 'the settings with a passkey');

  await logOut(alice);
  await isFine(alice.page, 'the log-in');
  await button(alice, en.logIn.withPasskey).click();
  await isIn(alice);
  await alice.open(bob);
  await expect(alice.bubble(bob, 'from before')).toBeVisible();
  // A reload asks for nothing.
  await alice.page.reload();
  await expect(alice.bubble(bob, 'from before')).toBeVisible();

  await logOut(alice);
  await forgetEverything(alice);
  await button(alice, en.logIn.withPasskey).click();
  await isIn(alice);
  await alice.open(bob);
  await expect(alice.bubble(bob, 'from before')).toBeVisible();
  await alice.write(bob, 'and from here');
  await expect(bob.bubble(alice, 'and from here')).toBeVisible();
  await settings(alice);
  await expect(list(alice)).not.toContainText(enWords.unused);

  // A copy of the key that lacks the secret opens nothing, and begins nothing.
  const there = alice.at(await browserOf());
  await device.copyTo(there.page);
  await there.page.goto('/');
  await button(there, en.logIn.withPasskey).click();
  await expect(there.page.getByText(en.errors.passkey_opens_nothing)).toBeVisible();
  await there.page.reload();
  await expect(button(there, en.logIn.withPasskey)).toBeVisible();
});

test('without the right finger nobody comes in, nor with a passkey that is removed', async ({
  person,
  browserOf,
}) => {
  const alice = await person('Alice Martin');
  const device = await Device.at(alice.page);
  await add(alice, 'My laptop');
  await expect(alice.page.getByText(enWords.done.opens)).toBeVisible();
  const elsewhere = await alice.logInOn(await browserOf());
  await settings(elsewhere);
  await expect(list(elsewhere)).toHaveCount(1);

  // One device has no two of them.
  await add(alice, 'Once more');
  await expect(alice.page.getByText(en.errors.passkey_exists)).toBeVisible();
  await alice.page.keyboard.press('Escape');

  await logOut(alice);
  await button(elsewhere, enWords.renameOf('My laptop')).click();
  const name = elsewhere.page.getByRole('dialog').getByLabel(enWords.name.label, { exact: true });
  await name.fill('The old one');
  await isFine(elsewhere.page, 'another name');
  await name.press('Enter');
  await expect(list(elsewhere)).toContainText('The old one');
  await button(elsewhere, enWords.removeOf('The old one')).click();
  await isFine(elsewhere.page, 'before it is removed');
  await prove(elsewhere, 'not the password', enWords.remove);
  await expect(elsewhere.page.getByText(en.security.wrongPassword)).toBeVisible();
  await prove(elsewhere, elsewhere.password, enWords.remove);
  await expect(elsewhere.page.getByText(enWords.done.removed)).toBeVisible();
  await expect(list(elsewhere)).toHaveCount(0);
  await button(alice, en.logIn.withPasskey).click();
  await expect(alice.page.getByText(en.errors.wrong_passkey)).toBeVisible();
  await device.knowsNobody();
  await button(alice, en.logIn.withPasskey).click();
  await expect(alice.page.getByText(en.errors.passkey_not_given)).toBeVisible();
  await isFine(alice.page, 'no passkey was given');
  await alice.logIn();
  await isIn(alice);
});

test('a passkey that gives no secret is asked for after the password, and a backup code does as well', async ({
  person,
  browserOf,
}) => {
  const alice = await person('Alice Martin');
  const elsewhere = await alice.logInOn(await browserOf());
  await Device.at(alice.page, { prf: false });
  const [code = ''] = await addSecond(alice, 'A key');
  await expect(list(alice)).toContainText(enWords.second);
  await expect(alice.page.getByText(enFactor.line.isOn(10, 'passkey'))).toBeVisible();
  // The other browser is told.
  const told = elsewhere.page.getByRole('group', { name: en.security.title });
  await expect(told).toContainText('turned on');
  await told.getByRole('button', { name: en.security.wasMe }).click();
  await expect(told).toContainText('A key');
  await axeFindsNothing(elsewhere.page, 'told of a passkey');
  await told.getByRole('button', { name: en.security.wasMe }).click();
  await expect(told).toHaveCount(0);

  await logOut(alice);
  await button(alice, en.logIn.withPasskey).click();
  await expect(alice.page.getByText(en.errors.passkey_opens_nothing)).toBeVisible();
  await alice.logIn();
  await expect(alice.page.getByText(en.secondFactor.passkeyLead)).toBeVisible();
  await isFine(alice.page, 'the passkey after the password');
  await button(alice, en.secondFactor.usePasskey).click();
  await isIn(alice);

  // A device that has none, and then a backup code.
  const there = await logInUpToThePasskey(alice, await browserOf());
  await Device.at(there.page, { prf: false });
  await button(there, en.secondFactor.usePasskey).click();
  await expect(there.page.getByText(en.errors.passkey_not_given)).toBeVisible();
  await button(there, en.secondFactor.useBackup).click();
  const field = there.page.getByLabel(en.secondFactor.backup, { exact: true });
  await field.fill(code);
  await field.press('Enter');
  await isIn(there);

  // Without it, the password is enough again.
  await settings(alice);
  await button(alice, enWords.removeOf('A key')).click();
  await expect(alice.page.getByText(enWords.removeLastLead)).toBeVisible();
  await prove(alice, alice.password, enWords.remove);
  await expect(alice.page.getByText(enFactor.line.isOff)).toBeVisible();
  await alice.logInOn(await browserOf());
});

test('whoever does not want a second factor keeps none, and a recovery removes what is there', async ({
  person,
  browserOf,
}) => {
  const alice = await person('Alice Martin');
  await Device.at(alice.page, { prf: false });
  await add(alice, 'A key');
  await button(alice, enWords.confirm.no).click();
  await expect(list(alice)).toHaveCount(0);
  await alice.logInOn(await browserOf());
  await addSecond(alice, 'A key after all');

  const there = alice.at(await browserOf());
  await there.page.goto('/recover');
  await there.page.getByLabel(en.signUp.handle, { exact: true }).fill(alice.handle);
  await there.page.getByLabel(en.recovery.code, { exact: true }).fill(alice.recoveryCode);
  await there.page.getByLabel(en.password.new, { exact: true }).fill('another horse, another battery');
  await button(there, en.signUp.submit).click();
  there.recoveryCode = await there.readRecoveryCode();
  await button(there, en.recovery.kept).click();
  await expect(there.page.getByText(en.recover.passkeysRemoved)).toBeVisible();
  await button(there, en.recovery.again).click();
  await there.confirmRecoveryCode();
  await isIn(there);
  await settings(there);
  await expect(list(there)).toHaveCount(0);
});

test('under an address of numbers nobody is offered a passkey', async ({ person, browserOf, server }) => {
  const alice = await person('Alice Martin');
  await Device.at(alice.page);
  await add(alice, 'My laptop');
  await expect(alice.page.getByText(enWords.done.opens)).toBeVisible();
  const there = alice.at(await browserOf({ baseURL: server.url.replace('localhost', '127.0.0.1') }));
  await there.page.goto('/');
  await there.logIn();
  await isIn(there);
  await settings(there);
  await expect(there.page.getByText(enWords.notHere)).toBeVisible();
  await expect(list(there)).toContainText(enWords.elsewhere('localhost'));
  await expect(button(there, enWords.add)).toHaveCount(0);
  await logOut(there);
  await expect(button(there, en.logIn.withPasskey)).toHaveCount(0);
});

test('all of it in French, on a narrow screen in the dark', async ({ person }) => {
  const small = { locale: 'fr-FR', viewport: { width: 375, height: 720 }, colorScheme: 'dark' } as const;
  const elodie = await person('Élodie Roux', small);
  await Device.at(elodie.page);
  await add(elodie, 'Mon téléphone');
  await expect(elodie.page.getByText(frWords.done.opens)).toBeVisible();
  await expect(list(elodie)).toContainText(frWords.opens);
  await isFine(elodie.page, 'the settings, narrow');
  await logOut(elodie);
  await isFine(elodie.page, 'the log-in, narrow');
  await button(elodie, fr.logIn.withPasskey).click();
  await isIn(elodie);
});
