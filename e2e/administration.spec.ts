import { readFileSync } from 'node:fs';
import type { Page } from '@playwright/test';
import { en as enWords } from '../web/src/features/administration/words/en.ts';
import { fr as frWords } from '../web/src/features/administration/words/fr.ts';
import { axeFindsNothing } from './support/axe.ts';
import { Person, Server, en, expect, fr, test, watch } from './support/test.ts';

/** A server of one's own, whose first person administers it. */
const own = test.extend<{ here: { server: Server; at: (locale?: string) => Promise<Page> } }>({
  here: async ({ browser }, use) => {
    const server = await Server.start();
    const at = async (locale = 'en-GB') => {
      const page = await (
        await browser.newContext({ baseURL: server.url, locale, reducedMotion: 'reduce' })
      ).newPage();
      watch(page);
      return page;
    };
    await use({ server, at });
    await Promise.all(browser.contexts().map((context) => context.close()));
    await server.remove();
  },
});

for (const [locale, t, w] of [
  ['en-GB', en, enWords],
  ['fr-FR', fr, frWords],
] as const) {
  own(
    `an administrator keeps somebody out and lets them back in, and the journal says so (${locale})`,
    async ({ here }) => {
      const admin = new Person('Ada Admin', await here.at(locale), t);
      await admin.signUp();
      const alice = new Person('Alice Martin', await here.at());
      await alice.signUp();
      const { page } = admin;

      await page.getByRole('link', { name: t.settings.open }).click();
      await page.getByRole('link', { name: t.settings.administration }).click();
      await expect(page.getByRole('heading', { name: w.page.title })).toBeFocused();
      const sections = page.getByRole('navigation', { name: w.page.sections });
      await sections.getByRole('link', { name: w.page.people, exact: true }).click();
      await expect(page.getByText(w.people.registered(2))).toBeVisible();
      await page.getByLabel(w.people.find).fill('marti');
      const rows = page.getByRole('main').getByRole('listitem');
      await expect(rows).toHaveCount(1);
      await expect(rows).toContainText(`@${alice.handle}`);
      await axeFindsNothing(page, 'people');

      const act = async (name: string) => {
        const title = w.people.actOn(name, alice.displayName);
        await rows.getByRole('button', { name: w.people.actsOn(alice.displayName) }).click();
        await page.getByRole('menuitem', { name, exact: true }).click();
        const dialog = page.getByRole('dialog', { name: title });
        await axeFindsNothing(page, title);
        await dialog.getByRole('button', { name, exact: true }).click();
        await expect(dialog).toBeHidden();
      };
      await act(w.people.acts.suspend);
      await expect(rows.getByText(w.people.suspended, { exact: true })).toBeVisible();
      await expect(alice.page.getByText(en.errors.signed_out)).toBeVisible();
      await alice.logIn();
      await expect(alice.page.getByText(en.errors.suspended)).toBeVisible();
      await act(w.people.acts.resume);
      await alice.logIn();
      await expect(alice.page.getByRole('heading', { name: en.conversations.emptyTitle })).toBeVisible();
      await act(w.people.acts.promote);
      await expect(rows.getByText(w.people.administrator, { exact: true })).toBeVisible();

      await sections.getByRole('link', { name: w.page.journal, exact: true }).click();
      const entries = page.getByRole('main').getByRole('listitem');
      await expect(entries).toHaveCount(3);
      for (const [index, what] of [w.journal.acts.made_administrator, w.journal.acts.resumed].entries())
        await expect(entries.nth(index)).toContainText(`${admin.displayName} ${what} ${alice.displayName}`);
      await axeFindsNothing(page, 'journal');
      await page.setViewportSize({ width: 320, height: 640 });
      for (const section of [
        'people',
        'entry',
        'presentation',
        'retention',
        'reports',
        'monitoring',
        'journal',
      ] as const) {
        await sections.getByRole('link', { name: w.page[section], exact: true }).click();
        await expect(page.getByRole('heading', { name: w.page[section], exact: true })).toBeAttached();
        expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(320);
      }
    },
  );

  own(`what is pressed is decided, or does not stay pressed (${locale})`, async ({ here }) => {
    const admin = new Person('Ada Admin', await here.at(locale), t);
    await admin.signUp();
    const { page } = admin;
    await page.goto('/administration/entry');
    const policy = (which: keyof typeof w.entry.policies) =>
      page.getByRole('radio', { name: w.entry.policies[which], exact: true });
    const press = (which: keyof typeof w.entry.policies) =>
      page.getByText(w.entry.policies[which], { exact: true }).click();
    await expect(policy('open')).toBeChecked();
    const decision = '/api/administration/organisation';
    await page.route(`**${decision}`, (route) =>
      route.request().method() === 'PUT' ? route.abort() : route.continue(),
    );
    await press('closed');
    await expect(page.getByText(t.errors.offline)).toBeVisible();
    await expect(policy('open')).toBeChecked();
    await page.unroute(`**${decision}`);

    // Pressed while the one before is still on its way.
    let go = () => {};
    const held = new Promise<void>((resolve) => (go = resolve));
    await page.route(`**${decision}`, async (route) => {
      await held;
      await route.continue();
    });
    await press('invited');
    await press('closed');
    go();
    await expect(page.getByText(t.app.saved)).toBeVisible();
    await expect(policy('closed')).toBeChecked();
    await page.reload();
    await expect(policy('closed')).toBeChecked();
  });

  own(`who may sign up is decided, and an invitation lets one in (${locale})`, async ({ here }) => {
    const admin = new Person('Ada Admin', await here.at(locale), t);
    await admin.signUp();
    const { page } = admin;
    await page.goto('/administration/entry');
    await page.getByText(w.entry.policies.invited, { exact: true }).click();
    await expect(page.getByText(t.app.saved)).toBeVisible();

    const visitor = await here.at(locale);
    await visitor.goto('/');
    await expect(visitor.getByRole('button', { name: t.logIn.submit, exact: true })).toBeVisible();
    await expect(visitor.getByRole('link', { name: t.logIn.noAccount })).toBeHidden();
    await visitor.goto('/sign-up');
    await expect(visitor.getByText(t.errors.invitation_needed)).toBeVisible();
    await axeFindsNothing(visitor, 'an invitation is needed');

    await page.getByLabel(w.entry.forWhom, { exact: true }).fill('Bob, alto\nCarol');
    await expect(page.getByText(w.entry.forWhomHint(2, 500))).toBeVisible();
    await page.getByRole('button', { name: w.entry.make }).click();
    const links = page.getByRole('group', { name: w.entry.links });
    await expect(links.locator('code')).toHaveCount(2);
    await axeFindsNothing(page, 'invitations');
    const [download] = await Promise.all([
      page.waitForEvent('download'),
      links.getByRole('button', { name: w.entry.table }).click(),
    ]);
    const table = readFileSync(await download.path(), 'utf8')
      .trim()
      .split('\r\n');
    const link = await links.locator('code').first().innerText();
    expect(table[0]).toBe(`"Bob","${link}"`);
    expect(new URL(link).hash).toHaveLength(44);

    const bob = new Person('Bob Nkemelu', visitor, t);
    await visitor.goto(link);
    await bob.fillSignUp();
    bob.recoveryCode = await bob.readRecoveryCode();
    await bob.confirmRecoveryCode();
    await expect(visitor.getByRole('heading', { name: t.conversations.emptyTitle })).toBeVisible();

    const late = new Person('Late Comer', await here.at(locale), t);
    await late.page.goto(link);
    await late.fillSignUp();
    await expect(late.page.getByText(t.errors.invitation_over)).toBeVisible();

    await page.reload();
    const rows = page.getByRole('main').getByRole('listitem');
    await expect(rows).toHaveCount(2);
    await expect(rows.filter({ hasText: 'Bob' })).toContainText(w.entry.used(1, 1));
    await rows.filter({ hasText: 'Carol' }).getByRole('button', { name: w.entry.revoke }).click();
    await expect(rows.filter({ hasText: 'Carol' })).toContainText(w.entry.revoked);
    // The link is nowhere but with whoever copied it.
    expect(await page.content()).not.toContain(new URL(link).hash.slice(1));
  });
}

own('what the organisation says of itself shows to whoever comes', async ({ here }) => {
  const admin = new Person('Ada Admin', await here.at());
  await admin.signUp();
  const { page } = admin;
  await page.goto('/administration/presentation');
  await page.getByLabel(enWords.presentation.name, { exact: true }).fill('Chorale');
  await page.getByLabel(enWords.presentation.accent, { exact: true }).fill('#8a2be2');
  await page.getByText('Français', { exact: true }).click();
  await page.getByLabel(enWords.presentation.welcome, { exact: true }).fill('Bienvenue !\n<b>Chantez</b>');
  await axeFindsNothing(page, 'presentation');
  await page.getByRole('button', { name: en.app.save }).click();
  await expect(page.getByText(en.app.saved)).toBeVisible();

  const visitor = await here.at('de-DE');
  await visitor.goto('/');
  await expect(visitor.getByRole('heading', { name: fr.logIn.title })).toBeVisible();
  await expect(visitor.getByText('Bienvenue !\n<b>Chantez</b>')).toBeVisible();
  await expect(visitor).toHaveTitle(/Chorale/);
  const accent = () =>
    visitor.evaluate(() => getComputedStyle(document.documentElement).getPropertyValue('--brand').trim());
  expect(await accent()).toBe('#8a2be2');
  await axeFindsNothing(visitor, 'welcome');

  await page.getByLabel(enWords.presentation.accent, { exact: true }).fill('violet');
  await page.getByRole('button', { name: en.app.save }).click();
  await expect(page.getByRole('alert')).toContainText(en.errors.bad_organisation);
});

own('how the server does is there to see, and its log to search and to follow', async ({ here }) => {
  const admin = new Person('Ada Admin', await here.at());
  await admin.signUp();
  const { page } = admin;
  await page.goto('/administration/monitoring');
  const w = enWords.monitoring;
  for (const sign of [w.health.database, w.health.stores, w.titles.disk])
    await expect(page.getByRole('term').filter({ hasText: sign })).toBeVisible();
  await expect(page.getByText(w.health.yes, { exact: true })).toBeVisible();
  await expect(page.getByRole('figure')).toHaveCount(12);
  await page.getByText(w.ranges.month, { exact: true }).click();
  await expect(page.getByRole('img', { name: new RegExp(w.titles.messages) })).toBeVisible();
  await axeFindsNothing(page, 'monitoring');
  await page.locator('summary').filter({ hasText: w.figures }).click();
  await expect(page.getByRole('table', { name: w.figures }).getByRole('row')).toHaveCount(121);

  const log = page.getByRole('log', { name: enWords.log.title });
  await page.getByLabel(enWords.log.words).fill('account created');
  await expect(log.getByRole('paragraph')).toHaveCount(1);
  // What happens while one looks comes by itself.
  const alice = new Person('Alice Martin', await here.at());
  await alice.signUp();
  await expect(log.getByRole('paragraph')).toHaveCount(2);
  expect(await log.innerText()).not.toContain(alice.handle);
  await page.getByText(enWords.log.levels.error, { exact: true }).click();
  await expect(log.getByText(enWords.page.nothing)).toBeVisible();
});

own('these pages are for administrators alone', async ({ here }) => {
  const admin = new Person('Ada Admin', await here.at());
  await admin.signUp();
  const alice = new Person('Alice Martin', await here.at());
  await alice.signUp();
  await alice.page.goto('/administration/people');
  await expect(alice.page.getByRole('heading', { name: en.conversations.emptyTitle })).toBeVisible();
  await expect(alice.page).toHaveURL(`${here.server.url}/`);
  await alice.page.goto('/settings');
  await expect(alice.page.getByRole('heading', { name: en.settings.profile })).toBeVisible();
  await expect(alice.page.getByRole('link', { name: en.settings.administration })).toHaveCount(0);
});
