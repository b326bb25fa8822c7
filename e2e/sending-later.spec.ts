import { axeFindsNothing } from './support/axe.ts';
import { type Person, en, expect, test } from './support/test.ts';

const dialog = (of: Person) => of.page.getByRole('dialog');
const line = (of: Person, n: number) => of.page.getByRole('button', { name: of.t.later.waiting(n) });
const button = (of: Person, name: string) => dialog(of).getByRole('button', { name, exact: true });

/** By the wall clock of the browsers of these tests, to the second; their people choose minutes. */
function inField(at: number): string {
  return new Date(at).toLocaleString('sv-SE', { timeZone: 'Europe/Paris' }).replace(' ', 'T');
}

async function begin(of: Person, to: Person, text: string): Promise<void> {
  await of.composer(to).fill(text);
  await of.page.getByRole('button', { name: of.t.later.open }).click();
  await expect(dialog(of)).toBeVisible();
}

async function schedule(of: Person, to: Person, text: string, at: number): Promise<void> {
  await begin(of, to, text);
  await dialog(of).getByLabel(of.t.later.when).fill(inField(at));
  await button(of, of.t.later.schedule).click();
  await expect(dialog(of)).toHaveCount(0);
}

/** By a quick choice. */
async function scheduleForTomorrow(of: Person, to: Person, text: string): Promise<void> {
  await begin(of, to, text);
  await button(of, of.t.later.in.tomorrow).click();
  await button(of, of.t.later.schedule).click();
  await expect(dialog(of)).toHaveCount(0);
}

test('a message waits for its time, and is then sent to both', async ({ person, browserOf }) => {
  const alice = await person('Alice Martin');
  const bob = await person('Bob Nkemelu');
  await alice.find(bob);
  await expect(alice.page.getByRole('button', { name: en.later.open })).toHaveCount(0);
  await alice.write(bob, 'at once');
  await bob.open(alice);
  const elsewhere = await alice.logInOn(await browserOf());
  await elsewhere.open(bob);

  const at = Math.ceil(Date.now() / 1_000) * 1_000 + 6_000;
  await schedule(alice, bob, 'at its time', at);
  await expect(alice.composer(bob)).toHaveValue('');
  await expect(alice.composer(bob)).toBeFocused();
  for (const browser of [alice, elsewhere]) await expect(line(browser, 1)).toBeVisible();
  expect(Date.now(), 'it is seen before it is sent').toBeLessThan(at);
  for (const who of [alice, bob]) {
    const other = who === alice ? bob : alice;
    await expect(who.bubble(other, 'at its time')).toHaveCount(0);
  }
  await expect(bob.bubble(alice, 'at its time')).toBeVisible();
  expect(Date.now()).toBeGreaterThanOrEqual(at);
  expect(Date.now() - at, 'within some seconds').toBeLessThan(8_000);
  for (const browser of [alice, elsewhere]) {
    await expect(browser.bubble(bob, 'at its time')).toHaveCount(1);
    await expect(line(browser, 1)).toHaveCount(0);
  }
});

test('what waits can be changed, sent at once and withdrawn', async ({ person }) => {
  const alice = await person('Alice Martin');
  const bob = await person('Bob Nkemelu');
  await alice.find(bob);
  await alice.write(bob, 'Hello');
  await bob.open(alice);
  for (const text of ['one', 'two', 'three']) await scheduleForTomorrow(alice, bob, text);
  await alice.page.reload();
  await line(alice, 3).click();
  const of = (text: string) =>
    dialog(alice)
      .getByRole('listitem')
      .filter({ has: alice.page.getByText(text, { exact: true }) });
  await of('one').getByRole('button', { name: en.later.withdraw }).click();
  await expect(of('one')).toHaveCount(0);
  await of('two').getByRole('button', { name: en.later.sendNow }).click();
  await expect(bob.bubble(alice, 'two')).toBeVisible();
  await of('three').getByRole('button', { name: en.later.change }).click();
  await dialog(alice).getByLabel(en.later.text, { exact: true }).fill('three, and better');
  await button(alice, en.later.in.hour).click();
  await button(alice, en.app.save).click();
  await expect(of('three, and better')).toBeVisible();
  await alice.page.keyboard.press('Escape');
  await alice.page.reload();
  await line(alice, 1).click();
  await of('three, and better').getByRole('button', { name: en.later.change }).click();
  const at = Math.ceil(Date.now() / 1_000) * 1_000 + 3_000;
  await dialog(alice).getByLabel(en.later.when).fill(inField(at));
  await button(alice, en.app.save).click();
  await expect(bob.bubble(alice, 'three, and better')).toBeVisible();
  await expect(dialog(alice).getByText(en.later.none)).toBeVisible();
  await expect(bob.log(alice).getByText(/^(one|three)$/)).toHaveCount(0);
});

test('without a line, and for a time that is over, the words say so and the text stays', async ({
  person,
}) => {
  const alice = await person('Alice Martin');
  const bob = await person('Bob Nkemelu');
  await alice.find(bob);
  await begin(alice, bob, 'not lost');
  await button(alice, en.later.schedule).click();
  await expect(dialog(alice).getByText(en.later.noTime)).toBeVisible();
  await dialog(alice)
    .getByLabel(en.later.when)
    .fill(inField(Date.now() - 3_600_000));
  await expect(dialog(alice).getByText(en.later.past)).toBeVisible();
  await dialog(alice)
    .getByLabel(en.later.when)
    .fill(inField(Date.now() + 500 * 86_400_000));
  await button(alice, en.later.schedule).click();
  await expect(dialog(alice).getByRole('alert')).toContainText(en.errors.bad_time);
  await alice.page.context().setOffline(true);
  await button(alice, en.later.in.tomorrow).click();
  await button(alice, en.later.schedule).click();
  await expect(dialog(alice).getByRole('alert')).toContainText(en.errors.offline);
  await expect(dialog(alice).getByRole('alert')).toContainText(en.later.stays);
  await alice.page.keyboard.press('Escape');
  await expect(alice.composer(bob)).toHaveValue('not lost');
  await alice.page.context().setOffline(false);
  await begin(alice, bob, 'not lost');
  await button(alice, en.later.in.tomorrow).click();
  await button(alice, en.later.schedule).click();
  await expect(line(alice, 1)).toBeVisible();
});

test('the dialogs in French, by keyboard, on a small screen, without a fault', async ({ person }) => {
  const chloe = await person('Chloé Petit', {
    locale: 'fr-FR',
    viewport: { width: 320, height: 640 },
    reducedMotion: 'reduce',
  });
  const bob = await person('Bob Nkemelu');
  const { page, t } = chloe;
  await chloe.find(bob);
  await chloe.composer(bob).fill('À demain');
  await page.getByRole('button', { name: t.later.open }).press('Enter');
  await button(chloe, t.later.in.tomorrow).press('Enter');
  await expect(
    dialog(chloe).getByText(/^Envoi prévu le .*à l’heure d’ici \(heure .* d’Europe centrale\)/),
  ).toBeVisible();
  await axeFindsNothing(page, 'sending later');
  await button(chloe, t.later.schedule).press('Enter');
  await line(chloe, 1).press('Enter');
  await expect(dialog(chloe).getByText('À demain')).toBeVisible();
  await axeFindsNothing(page, 'what waits');
  await button(chloe, t.later.change).press('Enter');
  await axeFindsNothing(page, 'changing what waits');
  const wider = await page.evaluate(() => document.documentElement.scrollWidth > innerWidth);
  expect(wider).toBe(false);
  await page.keyboard.press('Escape');
  await expect(line(chloe, 1)).toBeFocused();
});

test('what was being written in the place of a message that goes meanwhile stays', async ({
  person,
  browserOf,
}) => {
  const alice = await person('Alice Martin');
  const bob = await person('Bob Nkemelu');
  await alice.find(bob);
  await alice.write(bob, 'hello');
  await scheduleForTomorrow(alice, bob, 'as it was');
  const elsewhere = await alice.logInOn(await browserOf());
  await elsewhere.open(bob);
  await line(alice, 1).click();
  await button(alice, en.later.change).click();
  await dialog(alice).getByLabel(en.later.text).fill('as it should be');

  await line(elsewhere, 1).click();
  await button(elsewhere, en.later.withdraw).click();
  await expect(dialog(alice).getByText(en.later.gone)).toBeVisible();
  await expect(dialog(alice).getByLabel(en.later.text)).toHaveCount(0);
  await alice.page.keyboard.press('Escape');
  await expect(alice.composer(bob)).toHaveValue('as it should be');
});
