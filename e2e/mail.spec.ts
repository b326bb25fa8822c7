import type { Browser } from '@playwright/test';
import { en as enAdministration } from '../web/src/features/administration/words/en.ts';
import { en as enWords } from '../web/src/features/mail/words/en.ts';
import { fr as frWords } from '../web/src/features/mail/words/fr.ts';
import { axeFindsNothing } from './support/axe.ts';
import { Place, fillReset, resetWords } from './support/beginning-anew.ts';
import { Mailbox, linkIn } from './support/mailbox.ts';
import { type Person, expect, fr, test } from './support/test.ts';

const wordsOf = ({ t }: Person) => (t === fr ? frWords : enWords);
const button = ({ page }: Person, name: string) => page.getByRole('button', { name, exact: true });

/** A server that sends mail, and who administers it. */
async function withMail(browser: Browser) {
  const mailbox = await Mailbox.open();
  const place = await Place.of(browser, mailbox.options);
  const admin = await place.person('Admin');
  const leave = async () => {
    await place.leave();
    mailbox.close();
  };
  return { mailbox, place, admin, leave };
}

/** Nothing is wider than the screen, and nothing keeps anybody out. */
async function isFine({ page }: Person, screen: string): Promise<void> {
  await axeFindsNothing(page, screen);
  const beyond = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  expect(beyond, screen).toBeLessThanOrEqual(0);
}

/** In the settings, up to the mail that is on its way. */
async function giveAddress(of: Person, address: string): Promise<void> {
  const w = wordsOf(of);
  await of.page.goto('/settings');
  await button(of, w.line.add).click();
  const dialog = of.page.getByRole('dialog');
  await dialog.getByLabel(w.set.address, { exact: true }).fill('not an address');
  await dialog.getByLabel(of.t.password.present, { exact: true }).fill(of.password);
  await button(of, w.set.submit).click();
  await expect(dialog.getByText(of.t.errors.bad_address)).toBeVisible();
  await isFine(of, 'an address is asked for');
  await dialog.getByLabel(w.set.address, { exact: true }).fill(address);
  await button(of, w.set.submit).click();
  await expect(of.page.getByText(w.line.waits(address))).toBeVisible();
}

async function confirm(of: Person, link: string): Promise<void> {
  const w = wordsOf(of);
  await of.page.goto(link);
  await expect(button(of, w.confirm.submit)).toBeVisible();
  await isFine(of, 'an address is confirmed');
  await button(of, w.confirm.submit).click();
  await expect(of.page.getByText(w.confirm.done(of.handle))).toBeVisible();
}

for (const locale of ['en-GB', 'fr-FR']) {
  test(`an address is given, confirmed, and told of messages that wait (${locale})`, async ({ browser }) => {
    const { mailbox, place, leave } = await withMail(browser);
    const alice = await place.person('Alice Martin');
    const bob = await place.person('Élodie Roux', locale);
    const w = wordsOf(bob);
    await bob.page.setViewportSize({ width: 375, height: 720 });
    await alice.find(bob);
    await giveAddress(bob, 'elodie@example.org');
    const asked = await mailbox.next();
    expect(asked.to).toBe('elodie@example.org');
    await confirm(bob, linkIn(asked, 'confirm'));
    await bob.page.goto('about:blank');
    await bob.page.goto(linkIn(asked, 'confirm'));
    await button(bob, w.confirm.submit).click();
    await expect(bob.page.getByText(bob.t.errors.mail_link_over)).toBeVisible();

    await bob.page.goto('/settings');
    await expect(bob.page.getByText(w.line.is('elodie@example.org'))).toBeVisible();
    const saved = bob.page.waitForResponse('**/api/address/digest');
    await bob.page.getByText(w.digest.choices.after_hour, { exact: true }).click();
    expect((await saved).status()).toBe(200);
    await isFine(bob, 'the address in the settings');

    // Away, and a day later.
    await bob.page.goto('about:blank');
    await alice.write(bob, 'a secret');
    await alice.stored(bob, 'a secret');
    await place.server.stop();
    await place.server.start({ ahead: '25h' });
    const told = await mailbox.next();
    expect(told.text).not.toMatch(/secret|Alice/);
    expect(told.headers).toContain('List-Unsubscribe-Post: List-Unsubscribe=One-Click');
    expect(told.text).toContain(`${place.server.url}/\n`);
    await bob.page.goto('/');
    await bob.open(alice);
    await expect(bob.bubble(alice, 'a secret')).toBeVisible();

    await bob.page.goto(linkIn(told, 'unsubscribe'));
    await expect(button(bob, w.unsubscribe.submit)).toBeVisible();
    await isFine(bob, 'no more of these mails');
    await button(bob, w.unsubscribe.submit).click();
    await expect(bob.page.getByText(w.unsubscribe.done)).toBeVisible();
    await bob.page.goto('/settings');
    await expect(bob.page.getByRole('radio', { name: w.digest.choices.off, exact: true })).toBeChecked();

    await button(bob, w.line.remove).click();
    await isFine(bob, 'an address is removed');
    await bob.page.getByRole('dialog').getByLabel(bob.t.password.present, { exact: true }).fill(bob.password);
    await bob.page.getByRole('dialog').getByRole('button', { name: w.line.remove, exact: true }).click();
    await expect(bob.page.getByText(w.line.removed)).toBeVisible();
    expect((await mailbox.next()).to).toBe('elodie@example.org');
    expect(mailbox.unread).toBe(0);
    await leave();
  });
}

test('an address of the organisation lets one sign up', async ({ browser }) => {
  const { mailbox, place, admin, leave } = await withMail(browser);
  const w = enAdministration.entry;
  await admin.page.goto('/administration/entry');
  await admin.page.getByText(w.policies.domain, { exact: true }).click();
  await admin.page.getByLabel(w.domains, { exact: true }).fill('example.org\nexample.com');
  await button(admin, w.saveDomains).click();
  await expect(admin.page.getByText(admin.t.app.saved)).toBeVisible();
  await isFine(admin, 'who may sign up');

  const page = await place.browserOf('fr-FR');
  await page.setViewportSize({ width: 375, height: 720 });
  const elodie = Object.assign(admin.at(page), { displayName: 'Élodie Roux', handle: 'elodie.roux', t: fr });
  await page.goto('/sign-up');
  const address = page.getByLabel(frWords.set.address, { exact: true });
  await address.fill('elodie@example.net');
  await button(elodie, frWords.signUp.submit).click();
  await expect(page.getByText(fr.errors.other_domain)).toBeVisible();
  await isFine(elodie, 'a link to sign up is asked for');
  await address.fill('elodie@example.com');
  await button(elodie, frWords.signUp.submit).click();
  await expect(page.getByText(frWords.signUp.sent('elodie@example.com'))).toBeVisible();
  const link = linkIn(await mailbox.next(), 'sign-up');
  await page.goto('about:blank');
  await page.goto(link);
  await elodie.fillSignUp();
  elodie.recoveryCode = await elodie.readRecoveryCode();
  await elodie.confirmRecoveryCode();
  await expect(page.getByRole('heading', { name: fr.conversations.emptyTitle })).toBeVisible();
  await page.goto('/settings');
  await expect(page.getByText(frWords.line.is('elodie@example.com'))).toBeVisible();
  await leave();
});

test('everything lost: the link comes by mail, open sessions are told, and it works a day later', async ({
  browser,
}) => {
  const { mailbox, place, admin, leave } = await withMail(browser);
  await admin.page.goto('/administration/entry');
  await admin.page.getByLabel(enAdministration.entry.resetByMail).check();
  await expect(admin.page.getByText(admin.t.app.saved)).toBeVisible();
  const bob = await place.person('Bob Nkemelu');
  await giveAddress(bob, 'bob@example.org');
  await confirm(bob, linkIn(await mailbox.next(), 'confirm'));
  await bob.page.goto('/');
  await expect(bob.page.getByRole('heading', { name: bob.t.conversations.emptyTitle })).toBeVisible();

  const there = bob.at(await place.browserOf());
  const ask = async () => {
    await there.page.goto('/recover');
    await there.page.getByRole('link', { name: there.t.recover.lost }).click();
    await expect(button(there, enWords.lost.submit)).toBeVisible();
    await isFine(there, 'everything is lost');
    await there.page.getByLabel(there.t.signUp.handle, { exact: true }).fill(bob.handle);
    await there.page.getByLabel(enWords.lost.address, { exact: true }).fill('bob@example.org');
    await button(there, enWords.lost.submit).click();
    await expect(there.page.getByText(enWords.lost.sent)).toBeVisible();
    return linkIn(await mailbox.next(), 'reset');
  };
  const first = await ask();
  const told = bob.page.getByRole('group', { name: enWords.asked.label, exact: true });
  await expect(told).toBeVisible();
  await isFine(bob, 'told that the account may begin anew');
  await button(bob, enWords.asked.notMe).click();
  await expect(bob.page.getByText(enWords.asked.calledOff)).toBeVisible();
  await expect(told).toHaveCount(0);
  await there.page.goto(first);
  await expect(there.page.getByText(there.t.errors.reset_expired)).toBeVisible();

  const second = await ask();
  await expect(told).toBeVisible();
  await button(bob, enWords.asked.wasMe).click();
  await there.page.goto(second);
  await expect(there.page.getByText(there.t.errors.reset_too_early)).toBeVisible();
  await place.server.stop();
  await place.server.start({ ahead: '25h' });
  await there.page.goto('about:blank');
  await there.page.goto(second);
  await expect(there.page.getByText(resetWords(there.t).lost)).toBeVisible();
  await fillReset(there);
  there.recoveryCode = await there.readRecoveryCode();
  await there.confirmRecoveryCode(resetWords(there.t).confirm);
  await expect(there.page.getByRole('heading', { name: there.t.conversations.emptyTitle })).toBeVisible();
  expect((await mailbox.next()).text).toContain('was begun anew');
  await leave();
});
