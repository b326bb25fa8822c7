import { writeFileSync } from 'node:fs';
import { en as enWords } from '../web/src/features/administration/words/en.ts';
import { fr as frWords } from '../web/src/features/administration/words/fr.ts';
import { axeFindsNothing } from './support/axe.ts';
import { Place } from './support/beginning-anew.ts';
import { en, expect, fr, test } from './support/test.ts';

/** One red pixel. */
const PIXEL =
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg==';

for (const [locale, t, w] of [
  ['en-GB', en, enWords],
  ['fr-FR', fr, frWords],
] as const) {
  test(`messages are kept as long as the organisation decides, which each conversation says (${locale})`, async ({
    browser,
  }) => {
    const place = await Place.of(browser);
    const admin = await place.person('Admin', locale);
    const alice = await place.person('Alice Martin', locale);
    const bob = await place.person('Bob Nkemelu', locale);
    await alice.find(bob);
    await alice.write(bob, 'Kept for a while');
    await bob.open(alice);
    await expect(bob.bubble(alice, 'Kept for a while')).toBeVisible();
    const { page } = admin;
    await page.goto('/administration/retention');
    const days = page.getByLabel(w.retention.messages, { exact: true });
    await days.fill('4000');
    await page.getByRole('button', { name: t.app.save, exact: true }).click();
    const dialog = page.getByRole('dialog', { name: w.retention.askTitle });
    await axeFindsNothing(page, 'before messages are deleted');
    await dialog.getByRole('button', { name: w.retention.does }).click();
    await expect(page.getByText(t.errors.bad_organisation)).toBeVisible();
    await days.fill('1');
    await page.getByRole('button', { name: t.app.save, exact: true }).click();
    await expect(dialog.getByText(w.retention.ask(1))).toBeVisible();
    await dialog.getByRole('button', { name: w.retention.does }).click();
    await expect(page.getByText(t.app.saved)).toBeVisible();
    await axeFindsNothing(page, 'retention');
    await bob.page.reload();
    await expect(bob.page.getByText(t.thread.kept(1))).toBeVisible();

    await place.server.stop();
    await place.server.start({ ahead: '25h' });
    for (const { page } of [alice, bob])
      await expect(page.getByRole('log').getByText('Kept for a while')).toHaveCount(0);
    await place.leave();
  });

  test(`an administrator is done with a report (${locale})`, async ({ browser }) => {
    const place = await Place.of(browser);
    const admin = await place.person('Admin', locale);
    const alice = await place.person('Alice Martin');
    const bob = await place.person('Bob Nkemelu');
    const reported = await alice.page.evaluate(async (handle) => {
      const found = (await (await fetch(`/api/people?q=${handle}`)).json()) as { people: { id: string }[] };
      const body = JSON.stringify({
        account: found.people[0]?.id,
        reason: 'spam',
        note: 'Each day',
        messages: [],
      });
      const headers = { 'Content-Type': 'application/json' };
      return (await fetch('/api/reports', { method: 'POST', headers, body })).status;
    }, bob.handle);
    expect(reported).toBe(204);
    const { page } = admin;
    await page.goto('/administration/reports');
    const report = page.getByRole('article').filter({ hasText: 'Each day' });
    await report.getByRole('button', { name: w.reports.suspend }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByRole('button', { name: w.people.acts.suspend, exact: true }).click();
    await expect(dialog).toBeHidden();
    await expect(bob.page.getByText(en.errors.signed_out)).toBeVisible();
    await report.getByRole('button', { name: w.reports.close, exact: true }).click();
    await expect(report).toHaveCount(0);
    await page.getByText(w.reports.filters.closed, { exact: true }).click();
    await expect(report).toBeVisible();
    await axeFindsNothing(page, 'reports that are done with');
    await report.getByRole('button', { name: w.reports.reopen }).click();
    await expect(report).toHaveCount(0);

    await page.goto('/administration/journal');
    for (const act of [w.journal.acts.report_opened, w.journal.acts.report_closed, w.journal.acts.suspended])
      await expect(page.getByText(act).first()).toBeVisible();
    const download = page.waitForEvent('download');
    await page.getByRole('link', { name: w.journal.export }).click();
    expect((await download).suggestedFilename()).toMatch(/^journal-.*\.csv$/);
    await place.leave();
  });
}

test('a logo stands in the place of the mark', async ({ browser }, info) => {
  const place = await Place.of(browser);
  const admin = await place.person('Admin');
  const file = info.outputPath('logo.png');
  writeFileSync(file, Buffer.from(PIXEL, 'base64'));
  const { page } = admin;
  await page.goto('/administration/presentation');
  const choosing = page.waitForEvent('filechooser');
  await page.getByRole('button', { name: enWords.presentation.logo }).click();
  await (await choosing).setFiles(file);
  await expect(page.getByText(en.app.saved)).toBeVisible();
  const visitor = await place.browserOf();
  await visitor.goto('/');
  const logo = visitor.locator('img[src^="/api/logo/"]');
  await expect(logo).toHaveJSProperty('complete', true);
  await expect(logo).not.toHaveJSProperty('naturalWidth', 0);
  await page.getByRole('button', { name: enWords.presentation.noLogo }).click();
  await expect(page.getByRole('button', { name: enWords.presentation.noLogo })).toBeHidden();
  await visitor.reload();
  await expect(visitor.getByRole('button', { name: en.logIn.submit, exact: true })).toBeVisible();
  await expect(logo).toHaveCount(0);
  await place.leave();
});
