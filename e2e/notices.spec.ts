import { noteNotices } from './support/notices.ts';
import { Person, Server, en, expect, test, watch } from './support/test.ts';

/** Its two tones, in Hz. */
const SOUND = [587, 880];

/** It has come, and whatever is told of it is under way. */
async function comes(to: Person, from: Person, text: string): Promise<void> {
  await from.write(to, text);
  const said = to.t.thread.said(from.displayName, text);
  await expect(to.page.getByRole('status').getByText(said, { exact: true })).toHaveCount(1);
}

async function settings(of: Person): Promise<void> {
  await of.page.getByRole('link', { name: of.t.settings.open }).click();
  await expect(of.page.getByRole('heading', { name: of.t.notices.title })).toBeVisible();
}

async function back(of: Person, other: Person): Promise<void> {
  await of.page.getByRole('button', { name: of.t.app.back }).click();
  await expect(of.row(other)).toBeVisible();
}

test('a notification tells of what comes while one looks elsewhere, as one has chosen', async ({
  person,
}) => {
  const alice = await person('Alice Martin', { permissions: ['notifications'] });
  const bob = await person('Bob Nkemelu');
  const { shown, lookElsewhere } = await noteNotices(alice.page);
  const option = (name: string) => alice.page.getByRole('switch', { name });
  await alice.page.reload();
  await expect(alice.page.getByRole('heading', { name: en.conversations.emptyTitle })).toBeVisible();

  // Asked once one has written to somebody, not before.
  const question = alice.page.getByRole('group', { name: en.notices.title });
  await alice.find(bob);
  await expect(question).toBeHidden();
  await alice.write(bob, 'hello');
  await question.getByRole('button', { name: en.notices.yes }).click();
  await expect(question).toBeHidden();

  await bob.open(alice);
  await comes(alice, bob, 'while she looks');
  await lookElsewhere(true);
  await comes(alice, bob, 'while she is away');
  await expect.poll(shown).toEqual([['Bob Nkemelu', 'while she is away']]);
  await expect(alice.page).toHaveTitle(/^\(1\)/);
  await expect(alice.page.locator('link[rel=icon]')).toHaveAttribute('href', '/favicon-1.svg');
  const number = await alice.page.request.get('/favicon-1.svg');
  expect(number.headers()['content-type']).toContain('image/svg+xml');
  await lookElsewhere(false);
  await expect(bob.tick(alice, 'read')).toBeVisible();
  await expect(alice.page).toHaveTitle(/^Bob/);

  // Without words, and not at all.
  await alice.page.goto('/');
  await settings(alice);
  await option(en.notices.words).uncheck();
  await back(alice, bob);
  await lookElsewhere(true);
  await comes(alice, bob, 'a secret');
  await expect.poll(shown).toEqual([['Entre Nous', en.notices.newMessage]]);
  await settings(alice);
  await option(en.notices.words).check();
  await option(en.notices.quiet).check();
  const hours = alice.page.locator('input[type=time]');
  await hours.nth(0).fill('00:00');
  await hours.nth(1).fill('23:59');
  await back(alice, bob);
  await comes(alice, bob, 'at night');
  await expect(alice.page).toHaveTitle(/^\(2\)/);
  await settings(alice);
  await option(en.notices.quiet).uncheck();
  await back(alice, bob);
  await comes(alice, bob, 'in the morning');
  await expect(alice.page).toHaveTitle(/^\(3\)/);
  await expect.poll(shown).toEqual([
    ['Entre Nous', en.notices.newMessage],
    ['Bob Nkemelu', 'in the morning'],
  ]);
});

test('a soft sound comes with what one does not look at, where one wants it', async ({ person }) => {
  const alice = await person('Alice Martin');
  const bob = await person('Bob Nkemelu');
  const { shown, tones, lookElsewhere } = await noteNotices(alice.page);
  await bob.find(alice);
  await bob.write(alice, 'hello');
  await alice.page.reload();
  await alice.open(bob);
  await comes(alice, bob, 'while she looks');
  await lookElsewhere(true);
  await comes(alice, bob, 'while she is away');
  await expect.poll(tones).toEqual(SOUND);

  await settings(alice);
  await alice.page.getByRole('switch', { name: en.notices.sound }).uncheck();
  await back(alice, bob);
  await comes(alice, bob, 'in silence');
  await settings(alice);
  await alice.page.getByRole('switch', { name: en.notices.sound }).check();
  await alice.page.getByRole('switch', { name: en.notices.quiet }).check();
  const hours = alice.page.locator('input[type=time]');
  await hours.nth(0).fill('00:00');
  await hours.nth(1).fill('23:59');
  await back(alice, bob);
  await comes(alice, bob, 'at night');
  await settings(alice);
  await alice.page.getByRole('switch', { name: en.notices.quiet }).uncheck();
  await back(alice, bob);
  await comes(alice, bob, 'in the morning');
  await expect.poll(tones).toEqual([...SOUND, ...SOUND]);
  // Notifications are another matter, and nobody has asked for them.
  expect(await shown()).toEqual([]);
});

test('two windows of one browser make one sound and show one notification', async ({ person }) => {
  const alice = await person('Alice Martin', { permissions: ['notifications'] });
  const bob = await person('Bob Nkemelu');
  await bob.find(alice);
  await bob.write(alice, 'hello');
  await expect(alice.row(bob)).toBeVisible();
  const other = alice.at(await alice.page.context().newPage());
  const both = await Promise.all([alice, other].map(({ page }) => noteNotices(page)));
  for (const { page } of [alice, other]) {
    await page.addInitScript(() => localStorage.setItem('notices', 'on'));
    await page.goto('/');
  }
  for (const each of [alice, other]) await expect(each.row(bob)).toBeVisible();
  for (const { lookElsewhere } of both) await lookElsewhere(true);
  await bob.write(alice, 'once');
  for (const each of [alice, other]) await expect(each.row(bob)).toContainText('once');
  // Whichever of the two it is.
  const all = async () => [
    (await Promise.all(both.map(({ shown }) => shown()))).flat().sort(([, a], [, b]) => (a < b ? -1 : 1)),
    (await Promise.all(both.map(({ tones }) => tones()))).flat(),
  ];
  await expect.poll(all).toEqual([[['Bob Nkemelu', 'once']], SOUND]);
  await bob.write(alice, 'and again');
  for (const each of [alice, other]) await expect(each.row(bob)).toContainText('and again');
  await expect.poll(all).toEqual([
    [
      ['Bob Nkemelu', 'and again'],
      ['Bob Nkemelu', 'once'],
    ],
    [...SOUND, ...SOUND],
  ]);
});

test('nothing is shown and nothing sounds of who is muted or blocked', async ({ person }) => {
  const alice = await person('Alice Martin', { permissions: ['notifications'] });
  const bob = await person('Bob Nkemelu');
  const carol = await person('Carol Smith');
  const dan = await person('Dan Okafor');
  const { shown, tones, lookElsewhere } = await noteNotices(alice.page);
  await alice.page.addInitScript(() => localStorage.setItem('notices', 'on'));
  await alice.page.reload();
  await expect(alice.page.getByRole('heading', { name: en.conversations.emptyTitle })).toBeVisible();
  await lookElsewhere(true);
  for (const other of [bob, carol, dan]) {
    await other.find(alice);
    await comes(alice, other, 'hello');
  }
  const first = ['Bob Nkemelu', 'Carol Smith', 'Dan Okafor'].map((name) => [name, 'hello']);
  await expect.poll(shown).toEqual(first);

  await lookElsewhere(false);
  await alice.actOnRow(bob, en.list.mute, en.list.mutes.always);
  await expect(alice.row(bob)).toContainText(en.list.muted);
  await alice.open(carol);
  await alice.page.getByRole('button', { name: en.thread.profileOf(carol.displayName) }).click();
  await alice.page.getByRole('button', { name: en.block.block }).click();
  await alice.page.getByRole('group').getByRole('button', { name: en.block.block }).click();
  await expect(alice.page.getByRole('dialog').getByRole('button', { name: en.block.unblock })).toBeVisible();
  await alice.page.keyboard.press('Escape');
  await lookElsewhere(true);
  await comes(alice, bob, 'from who is muted');
  await carol.write(alice, 'from who is blocked');
  await expect(carol.tick(alice, 'delivered')).toBeVisible();
  await comes(alice, dan, 'from who is neither');
  await expect.poll(shown).toEqual([...first, ['Dan Okafor', 'from who is neither']]);
  expect(await tones()).toEqual([...SOUND, ...SOUND, ...SOUND, ...SOUND]);
});

test('a mute ends by itself, after the time one has chosen', async ({ browser }) => {
  test.slow();
  const server = await Server.start();
  const join = async (name: string) => {
    const page = await (await browser.newContext({ baseURL: server.url, locale: 'en-GB' })).newPage();
    watch(page);
    const person = new Person(name, page);
    await person.signUp();
    return person;
  };
  const alice = await join('Alice Martin');
  // Her page's own timers can be let go ahead.
  await alice.page.clock.install();
  const { shown, lookElsewhere } = await noteNotices(alice.page);
  await alice.page.addInitScript(() => localStorage.setItem('notices', 'on'));
  await alice.page.reload();
  const { mutes } = en.list;
  const choices = [
    { name: 'Anna Hour', how: mutes.hour, over: '61m' },
    { name: 'Bruno Night', how: mutes.hours, over: '9h' },
    { name: 'Carla Week', how: mutes.week, over: '8d' },
    { name: 'Dino Always', how: mutes.always, over: null },
  ];
  const muted: { other: Person; over: string | null }[] = [];
  for (const { name, how, over } of choices) {
    const other = await join(name);
    await other.find(alice);
    await comes(alice, other, 'hello');
    await alice.actOnRow(other, en.list.mute, how);
    await expect(alice.row(other)).toContainText(en.list.muted);
    muted.push({ other, over });
  }
  await lookElsewhere(true);

  const told: [string, string][] = [];
  for (const { other, over } of muted) {
    // All of them are, up to this moment.
    await comes(alice, other, 'in time');
    if (over === null) continue;
    await server.stop();
    const answered = alice.page.waitForResponse((answer) => answer.url().includes('/api/conversations'));
    await server.start({ ahead: over });
    // With the first answer a page knows what time it is, and within a minute it looks at the clock.
    await answered;
    await alice.page.clock.fastForward(60_000);
    await expect(alice.row(other)).not.toContainText(en.list.muted);
    await comes(alice, other, 'when it was over');
    told.push([other.displayName, 'when it was over']);
    await expect.poll(shown).toEqual(told);
  }
  for (const { other, over } of muted) {
    const row = expect(alice.row(other));
    await (over === null ? row : row.not).toContainText(en.list.muted);
  }
  for (const { page } of [alice, ...muted.map(({ other }) => other)]) await page.context().close();
  await server.remove();
});
