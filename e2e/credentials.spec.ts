import type { Page } from '@playwright/test';
import { axeFindsNothing } from './support/axe.ts';
import { Person, Server, en, expect, fr, test } from './support/test.ts';

const NEW = 'another horse, another battery';

async function settings(of: Person): Promise<void> {
  await of.page.goto('/settings');
  await expect(of.page.getByRole('heading', { name: of.t.security.title })).toBeVisible();
}

const button = ({ page }: Person, name: string) => page.getByRole('button', { name, exact: true });

/** Takes the code that is shown, and shows that it is kept. */
async function keepCode(of: Person, confirm: string): Promise<void> {
  of.recoveryCode = await of.readRecoveryCode();
  await of.confirmRecoveryCode(confirm);
}

async function fillRecovery(of: Person, code: string, password: string): Promise<void> {
  await of.page.getByLabel(of.t.signUp.handle, { exact: true }).fill(of.handle);
  await of.page.getByLabel(of.t.recovery.code, { exact: true }).fill(code);
  await of.page.getByLabel(of.t.password.new, { exact: true }).fill(password);
  await button(of, of.t.signUp.submit).click();
}

async function isSignedOut({ page, t }: Person): Promise<void> {
  await expect(page.getByRole('heading', { name: t.logIn.title })).toBeVisible();
}

/** A browser of theirs where nobody is signed in. */
async function loggedOut(who: Person, page: Page): Promise<Person> {
  const there = who.at(page);
  await page.goto('/');
  await isSignedOut(there);
  return there;
}

for (const [locale, t] of [
  ['en-GB', en],
  ['fr-FR', fr],
] as const) {
  test(`with the recovery code one comes back, and finds everything (${locale})`, async ({
    person,
    browserOf,
  }) => {
    const alice = await person('Alice Martin', { locale });
    const bob = await person('Bob Nkemelu');
    await bob.find(alice);
    await bob.write(alice, 'from before');
    await expect(alice.row(bob)).toContainText('from before');
    const old = alice.recoveryCode;

    const there = await loggedOut(alice, await browserOf({ locale }));
    await there.page.getByRole('link', { name: t.logIn.forgotten }).click();
    await expect(there.page.getByRole('heading', { name: t.recover.title })).toBeVisible();
    await axeFindsNothing(there.page, 'recovery');
    await fillRecovery(there, `${old.slice(0, -1)}${old.endsWith('0') ? '1' : '0'}`, NEW);
    await expect(there.page.getByText(t.errors.bad_recovery_code)).toBeVisible();
    await fillRecovery(there, bob.recoveryCode, NEW);
    await expect(there.page.getByText(t.errors.wrong_recovery_code)).toBeVisible();
    // As one may have written it down.
    await fillRecovery(there, old.toLowerCase().replaceAll('-', ' '), NEW);
    await keepCode(there, t.recovery.confirm);
    expect(there.recoveryCode).not.toBe(old);
    await there.open(bob);
    await expect(there.bubble(bob, 'from before')).toBeVisible();
    await there.write(bob, 'I am back');
    await bob.open(alice);
    await expect(bob.bubble(alice, 'I am back')).toBeVisible();

    await isSignedOut(alice);
    await alice.logIn();
    await expect(alice.page.getByText(t.errors.wrong_credentials)).toBeVisible();
    await alice.logIn(NEW);
    await alice.open(bob);
    await expect(alice.bubble(bob, 'I am back')).toBeVisible();
    // The old code was good once.
    const again = await loggedOut(alice, await browserOf({ locale }));
    await again.page.goto('/recover');
    await fillRecovery(again, old, NEW);
    await expect(again.page.getByText(t.errors.wrong_recovery_code)).toBeVisible();
  });
}

test('a new password ends the other sessions, and what is written goes on under new keys', async ({
  person,
  browserOf,
}) => {
  const alice = await person('Alice Martin');
  const bob = await person('Bob Nkemelu');
  await alice.find(bob);
  await alice.write(bob, 'under the first key');
  await bob.open(alice);
  const elsewhere = await alice.logInOn(await browserOf());
  await settings(alice);
  await button(alice, en.security.changePassword).click();
  const dialog = alice.page.getByRole('dialog');
  await axeFindsNothing(alice.page, 'change of the password');
  const fill = async (present: string, next: string) => {
    await dialog.getByLabel(en.password.present, { exact: true }).fill(present);
    await dialog.getByLabel(en.password.new, { exact: true }).fill(next);
    await dialog.getByRole('button', { name: en.security.changePassword }).click();
  };
  await fill(alice.password, 'short');
  await expect(dialog.getByText(en.fields.passwordShort)).toBeVisible();
  await fill('not the password', NEW);
  await expect(dialog.getByText(en.security.wrongPassword)).toBeVisible();
  await fill(alice.password, NEW);
  await expect(alice.page.getByText(en.security.passwordChanged)).toBeVisible();
  await isSignedOut(elsewhere);

  const began = alice.page.waitForResponse(
    (answer) => answer.url().endsWith('/epochs') && answer.request().method() === 'POST' && answer.ok(),
  );
  await button(alice, en.app.back).click();
  await alice.open(bob);
  await alice.write(bob, 'under the second');
  await began;
  await expect(bob.bubble(alice, 'under the second')).toBeVisible();
  await bob.write(alice, 'and back');
  await expect(alice.bubble(bob, 'and back')).toBeVisible();
  await elsewhere.logIn(NEW);
  await elsewhere.open(bob);
  await expect(elsewhere.bubble(bob, 'under the second')).toBeVisible();
  // The page that changed it can be loaded again.
  await alice.page.reload();
  await expect(alice.bubble(bob, 'and back')).toBeVisible();
});

test('another recovery code takes the place of the old one only when it was typed back', async ({
  person,
}) => {
  const alice = await person('Alice Martin');
  const old = alice.recoveryCode;
  await settings(alice);
  const dialog = alice.page.getByRole('dialog');
  const check = async (code: string) => {
    await button(alice, en.security.checkCode).click();
    await dialog.getByLabel(en.recovery.code, { exact: true }).fill(code);
    await dialog.getByRole('button', { name: en.security.check, exact: true }).click();
  };
  const begin = async (password: string) => {
    await button(alice, en.security.newCode).click();
    await dialog.getByLabel(en.password.present, { exact: true }).fill(password);
    await dialog.getByRole('button', { name: en.signUp.submit }).click();
  };
  await begin('not the password');
  await expect(dialog.getByText(en.security.wrongPassword)).toBeVisible();
  await alice.page.keyboard.press('Escape');
  // Shown, and left.
  await begin(alice.password);
  await expect(dialog.getByRole('listitem')).toHaveCount(7);
  await axeFindsNothing(alice.page, 'a new code');
  await alice.page.keyboard.press('Escape');
  await check(old);
  await expect(alice.page.getByText(en.security.codeGood)).toBeVisible();

  await begin(alice.password);
  await keepCode(alice, en.security.renew);
  await expect(alice.page.getByText(en.security.codeReplaced)).toBeVisible();
  await check(old);
  await expect(dialog.getByText(en.security.wrongCode)).toBeVisible();
  await alice.page.keyboard.press('Escape');
  await check(alice.recoveryCode);
  await expect(alice.page.getByText(en.security.codeGood)).toBeVisible();
});

test('one is told of a log-in elsewhere, sees all sessions, and ends them', async ({ person, browserOf }) => {
  const alice = await person('Alice Martin');
  const other = await browserOf({
    userAgent: 'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0',
  });
  const elsewhere = await alice.logInOn(other);
  const told = alice.page.getByRole('group', { name: en.security.sessions });
  await expect(told).toContainText('Firefox on Linux, from 127.0.0.1');
  // A browser that logs in itself is told of nothing.
  await expect(elsewhere.page.getByRole('group', { name: en.security.sessions })).toHaveCount(0);
  await told.getByRole('link', { name: en.security.look }).click();
  const item = alice.page.getByRole('listitem').filter({ hasText: 'Firefox on Linux' });
  await expect(item).toBeVisible();
  await axeFindsNothing(alice.page, 'settings with sessions');
  await item.getByRole('button').click();
  await expect(item).toHaveCount(0);
  await isSignedOut(elsewhere);
  await expect(elsewhere.page.getByText(en.errors.signed_out)).toBeVisible();
  // It was seen, here and after a reload.
  await button(alice, en.app.back).click();
  await expect(told).toHaveCount(0);

  const third = await alice.logInOn(await browserOf());
  await expect(told).toBeVisible();
  await told.getByRole('button', { name: en.security.wasMe }).click();
  await expect(told).toHaveCount(0);
  await alice.page.reload();
  await expect(alice.page.getByRole('button', { name: en.search.open }).first()).toBeVisible();
  await settings(alice);
  await button(alice, en.security.endOthers).click();
  await isSignedOut(third);
  await expect(button(alice, en.security.endOthers)).toHaveCount(0);
  await expect(alice.page.getByText(en.security.here, { exact: true })).toBeVisible();
});

test('after a month one is asked whether the recovery code is still there', async ({ browser }) => {
  const server = await Server.start();
  const context = await browser.newContext({ baseURL: server.url, locale: 'en-GB' });
  const alice = new Person('Alice Martin', await context.newPage());
  await alice.signUp();
  const asked = alice.page.getByRole('group', { name: en.security.code });
  await expect(asked).toHaveCount(0);
  await server.stop();
  await server.start({ ahead: '745h' });
  await alice.page.goto('/');
  await alice.logIn();
  await asked.getByRole('button', { name: en.security.checkCode }).click();
  const dialog = alice.page.getByRole('dialog');
  await dialog.getByLabel(en.recovery.code, { exact: true }).fill(alice.recoveryCode);
  await dialog.getByRole('button', { name: en.security.check, exact: true }).click();
  await expect(dialog).toHaveCount(0);
  await expect(asked).toHaveCount(0);
  await context.close();
  await server.remove();
});

/** The server does what it is asked, and nobody hears of it: once. */
async function loseAnswer(page: Page, path: string): Promise<void> {
  await page.route(
    `**/api/${path}`,
    async (route) => {
      await route.fetch();
      await route.abort();
    },
    { times: 1 },
  );
}

test('an answer that is lost on the way leaves nobody with a code that does not count', async ({
  person,
  browserOf,
}) => {
  const alice = await person('Alice Martin');
  await settings(alice);
  const dialog = alice.page.getByRole('dialog');
  await button(alice, en.security.newCode).click();
  await dialog.getByLabel(en.password.present, { exact: true }).fill(alice.password);
  await dialog.getByRole('button', { name: en.signUp.submit }).click();
  await expect(dialog.getByRole('listitem')).toHaveCount(7);
  await loseAnswer(alice.page, 'credentials/finish');
  await keepCode(alice, en.security.renew);
  await expect(dialog.getByText(en.security.unsure)).toBeVisible();
  await button(alice, en.security.renew).click();
  await expect(alice.page.getByText(en.security.codeReplaced)).toBeVisible();

  const there = await loggedOut(alice, await browserOf());
  await there.page.goto('/recover');
  await fillRecovery(there, alice.recoveryCode, NEW);
  await expect(there.page.getByRole('list', { name: en.recovery.code }).getByRole('listitem')).toHaveCount(7);
  await loseAnswer(there.page, 'recovery/finish');
  await keepCode(there, en.recovery.confirm);
  await expect(there.page.getByText(en.errors.offline)).toBeVisible();
  await button(there, en.recovery.confirm).click();
  await expect(there.page.getByRole('heading', { name: en.conversations.emptyTitle })).toBeVisible();
  await settings(there);
  await button(there, en.security.checkCode).click();
  const check = there.page.getByRole('dialog');
  await check.getByLabel(en.recovery.code, { exact: true }).fill(there.recoveryCode);
  await check.getByRole('button', { name: en.security.check, exact: true }).click();
  await expect(there.page.getByText(en.security.codeGood)).toBeVisible();
});

test('a recovery that comes to its end after somebody else was let in takes nobody’s place', async ({
  person,
  browserOf,
}) => {
  const alice = await person('Alice Martin');
  const bob = await person('Bob Nkemelu');
  const page = await browserOf();
  const there = alice.at(page);
  await page.goto('/recover');
  let release = () => {};
  const held = new Promise<void>((resolve) => (release = resolve));
  await page.route('**/api/recovery/start', async (route) => {
    await held;
    await route.continue();
  });
  await fillRecovery(there, alice.recoveryCode, NEW);
  const other = bob.at(await page.context().newPage());
  await other.page.goto('/');
  await other.logIn();
  await expect(other.page.getByRole('heading', { name: en.conversations.emptyTitle })).toBeVisible();
  // This page follows, and stays with Bob.
  const follower = bob.at(page);
  await expect(page.getByRole('heading', { name: en.conversations.emptyTitle })).toBeVisible();
  const answered = page.waitForResponse('**/api/recovery/start');
  release();
  await answered;
  await follower.find(alice);
  await follower.write(alice, 'from Bob');
  await expect(alice.row(bob)).toContainText('from Bob');
  await page.reload();
  await expect(follower.bubble(alice, 'from Bob')).toBeVisible();
});
