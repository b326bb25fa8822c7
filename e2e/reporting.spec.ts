import { axeFindsNothing } from './support/axe.ts';
import { Person, Server, en, expect, fr, test } from './support/test.ts';

interface Reported {
  reports: { reason: string; note: string; account: { handle: string }; messages: { text: string }[] }[];
}

for (const [locale, t] of [
  ['en-GB', en],
  ['fr-FR', fr],
] as const) {
  test(`a person is reported, with the messages that were chosen and no others (${locale})`, async ({
    browser,
  }) => {
    const server = await Server.start();
    const at = async (locale: string) =>
      (await browser.newContext({ baseURL: server.url, locale, reducedMotion: 'reduce' })).newPage();
    // The first one administers.
    const admin = new Person('Admin', await at('en-GB'));
    await admin.signUp();
    const alice = new Person('Alice Martin', await at(locale), t);
    const bob = new Person('Bob Nkemelu', await at('en-GB'));
    await alice.signUp();
    await bob.signUp();
    const { page } = alice;
    await bob.find(alice);
    for (const text of ['Buy this', 'Between us']) await bob.write(alice, text);
    await alice.open(bob);
    await expect(alice.bubble(bob, 'Between us')).toBeVisible();
    await alice.write(bob, 'No, thank you');

    await page.getByRole('button', { name: t.thread.profileOf(bob.displayName) }).click();
    await page.getByRole('button', { name: t.report.open }).click();
    const dialog = page.getByRole('dialog', { name: t.report.title(bob.displayName) });
    await expect(dialog.getByText(t.report.disclosure(bob.displayName))).toBeVisible();
    const messages = dialog.getByRole('group', { name: t.report.messages }).getByRole('checkbox');
    await expect(messages).toHaveCount(2);
    for (const each of await messages.all()) await expect(each).not.toBeChecked();
    await expect(dialog.getByText(t.report.chosen(0))).toBeVisible();
    await axeFindsNothing(page, 'reporting');
    await dialog.getByRole('checkbox', { name: /^Buy this/ }).check();
    await expect(dialog.getByText(t.report.chosen(1))).toBeVisible();
    await dialog.getByText(t.report.reasons.abuse).click();
    await dialog.getByLabel(t.report.note).fill('Each day.');
    await expect(dialog.getByRole('checkbox', { name: t.report.alsoBlock(bob.displayName) })).toBeChecked();
    await dialog.getByRole('button', { name: t.report.send }).click();
    await expect(dialog.getByText(t.report.done)).toBeVisible();
    await dialog.getByText(t.app.close, { exact: true }).click();

    const told = await admin.page.request.get('/api/reports');
    const { reports } = (await told.json()) as Reported;
    expect(reports).toHaveLength(1);
    expect(reports[0]).toMatchObject({ reason: 'abuse', note: 'Each day.', account: { handle: bob.handle } });
    expect(reports[0]?.messages.map(({ text }) => text)).toEqual(['Buy this']);
    expect((await bob.page.request.get('/api/reports')).status()).toBe(403);

    // Blocked as well, which the settings show and undo.
    await page.keyboard.press('Escape');
    await expect(page.getByText(t.block.here(bob.displayName))).toBeVisible();
    await page.getByRole('link', { name: t.settings.open }).click();
    const unblock = page.getByRole('button', { name: t.settings.unblock(bob.displayName) });
    await expect(unblock).toBeVisible();
    await axeFindsNothing(page, 'settings with somebody blocked');
    await unblock.click();
    await expect(page.getByText(t.settings.nobodyBlocked)).toBeVisible();
    await expect(page.getByRole('heading', { name: t.settings.blocked })).toBeFocused();
    await bob.write(alice, 'Sorry');
    await page.getByRole('button', { name: t.app.back }).click();
    await alice.open(bob);
    await expect(alice.bubble(bob, 'Sorry')).toBeVisible();
    for (const context of browser.contexts()) await context.close();
    await server.remove();
  });
}
