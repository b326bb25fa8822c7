import { DAY, wrongClock } from './support/clock.ts';
import { Person, en, expect, test } from './support/test.ts';

const TODAY = 'Today';
const HOUR = /^\d\d:\d\d$/;

/** When something was sent or written, as the page shows it to machines. */
async function times(person: Person, other: Person): Promise<number[]> {
  const stamps = await person
    .log(other)
    .locator('time')
    .evaluateAll((all) => all.map((time) => Date.parse(time.getAttribute('datetime') ?? '')));
  return stamps;
}

test('with clocks that are days wrong, all is sent, in order, and dated as it was', async ({ browserOf }) => {
  const join = async (name: string, days: number) => {
    const page = await browserOf();
    await wrongClock(page, days * DAY);
    const person = new Person(name, page);
    await person.signUp();
    return person;
  };
  const alice = await join('Alice Martin', 9);
  const bob = await join('Bob Nkemelu', -12);
  // The clocks are wrong indeed.
  expect(await alice.page.evaluate(() => Date.now())).toBeGreaterThan(Date.now() + 8 * DAY);
  expect(await bob.page.evaluate(() => new Date().getTime())).toBeLessThan(Date.now() - 11 * DAY);

  await alice.find(bob);
  await alice.write(bob, 'one');
  await bob.open(alice);
  await bob.write(alice, 'two');
  await expect(alice.bubble(bob, 'two')).toBeVisible();
  await alice.write(bob, 'three');
  await alice.page.context().setOffline(true);
  await alice.write(bob, 'four');
  await expect(alice.tick(bob, 'waiting')).toBeVisible();
  await shows(alice, bob);
  await alice.page.context().setOffline(false);
  await expect(bob.bubble(alice, 'four')).toBeVisible();
  await shows(bob, alice);

  // Each of the two began an epoch by their own clock at most, and both go on in the later one.
  const thread = new URL(alice.page.url()).pathname.split('/').at(-1) ?? '';
  const epochs = async () => {
    const answer = await alice.page.request.get(`/api/conversations/${thread}/epochs`);
    return ((await answer.json()) as { epochs: unknown[] }).epochs.length;
  };
  const begun = await epochs();
  expect(begun).toBeLessThanOrEqual(2);
  for (const [from, to, text] of [
    [bob, alice, 'five'],
    [alice, bob, 'six'],
  ] as const) {
    await from.write(to, text);
    await expect(to.bubble(from, text)).toBeVisible();
  }
  expect(await epochs()).toBe(begun);

  // Before any line has said what time it is.
  await alice.page.routeWebSocket('**/api/live', () => undefined);
  await alice.page.route('**/api/live/*', (route) => route.abort());
  await alice.page.reload();
  await expect(alice.bubble(bob, 'six')).toBeVisible();
  await shows(alice, bob);

  // From a third clock.
  const page = await browserOf();
  await wrongClock(page, -400 * DAY);
  const elsewhere = await alice.logInOn(page);
  await elsewhere.open(bob);
  await expect(elsewhere.bubble(bob, 'six')).toBeVisible();
  await shows(elsewhere, bob);
});

/** Every message once, in order, of today and of this minute, by the right clock. */
async function shows(person: Person, other: Person): Promise<void> {
  const said = person.log(other).getByText(/^(one|two|three|four|five|six)$/);
  const texts = await said.allInnerTexts();
  expect(texts).toEqual(['one', 'two', 'three', 'four', 'five', 'six'].slice(0, texts.length));
  await expect(person.log(other).getByText(TODAY, { exact: true })).toHaveCount(1);
  await expect(person.log(other).locator('.day')).toHaveCount(1);
  await expect(person.row(other).locator('time')).toHaveText(HOUR);
  const stamps = await times(person, other);
  expect(stamps).toHaveLength(texts.length);
  for (const stamp of stamps) expect(Math.abs(stamp - Date.now())).toBeLessThan(2 * 60_000);
  expect(stamps).toEqual([...stamps].sort());
  await expect(person.page.getByText(en.thread.refused)).toHaveCount(0);
  await expect(person.page.getByText(en.thread.instead.unreadable)).toHaveCount(0);
}
