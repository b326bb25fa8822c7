import { between, frame, refusing } from './support/between.ts';
import { Profile } from './support/profile.ts';
import { Person, en, expect, test } from './support/test.ts';

test('what is written without a network is kept and sent once', async ({ person }) => {
  const alice = await person('Alice Martin');
  const bob = await person('Bob Nkemelu');
  await alice.find(bob);
  await alice.write(bob, 'online');
  await expect(alice.tick(bob, 'delivered')).toBeVisible();

  await alice.page.context().setOffline(true);
  const tried = alice.page.waitForEvent('requestfailed', (request) => request.url().endsWith('/messages'));
  await alice.write(bob, 'offline');
  await tried;
  await expect(alice.tick(bob, 'waiting')).toBeVisible();
  await alice.page.context().setOffline(false);

  await bob.open(alice);
  await expect(bob.bubble(alice, 'offline')).toBeVisible({ timeout: 45_000 });
  await bob.page.reload();
  await expect(bob.bubble(alice, 'offline')).toHaveCount(1);
});

test('a browser that crashed sends what waited when it is opened again: once, and in order', async ({
  person,
  server,
}) => {
  const bob = await person('Bob Nkemelu');
  const profile = new Profile(server.url);
  const signedUp = new Person('Alice Martin', await profile.open());
  await signedUp.signUp();
  // A browser writes its cookies to the disk in its own time, and when it is closed.
  await profile.close();
  const alice = signedUp.at(await profile.open());
  await alice.page.goto('/');
  await expect(alice.page.getByRole('heading', { name: en.conversations.emptyTitle })).toBeVisible();
  await alice.find(bob);
  let answers = true;
  await between(alice.page, {
    fromServer: (text) => (answers || frame(text).type === 'ready' ? [text] : []),
  });
  await alice.write(bob, 'before');
  await bob.open(alice);

  // Stored at the server, which the browser does not come to know.
  answers = false;
  await alice.write(bob, 'stored');
  await expect(bob.bubble(alice, 'stored')).toBeVisible();
  await expect(alice.tick(bob, 'waiting')).toBeVisible();
  await alice.page.context().setOffline(true);
  for (const text of ['kept', 'kept as well']) await alice.write(bob, text);
  await expect(alice.log(bob).getByText(en.thread.ticks.waiting, { exact: true })).toHaveCount(3);
  await profile.crash();

  const back = alice.at(await profile.open());
  await back.page.goto('/');
  const all = ['before', 'stored', 'kept', 'kept as well'];
  await expect(bob.log(alice).getByText(/^(before|stored|kept|kept as well)$/)).toHaveText(all);
  await back.open(bob);
  await expect(back.log(bob).getByText(/^(before|stored|kept|kept as well)$/)).toHaveText(all);
  await expect(back.log(bob).getByText(en.thread.ticks.waiting, { exact: true })).toHaveCount(0);
  await profile.remove();
});

test('what one window cannot send, another one does', async ({ person }) => {
  const alice = await person('Alice Martin');
  const bob = await person('Bob Nkemelu');
  await alice.find(bob);
  await alice.write(bob, 'one');
  await expect(alice.tick(bob, 'delivered')).toBeVisible();
  const otherTab = await alice.page.context().newPage();
  await otherTab.goto('/');
  await expect(alice.at(otherTab).row(bob)).toBeVisible();

  // This window alone is cut off, for good.
  await alice.page.routeWebSocket('**/api/live', (socket) => socket.close());
  await alice.page.reload();
  await expect(alice.bubble(bob, 'one')).toBeVisible();
  await alice.page.route('**/api/**', (route) => route.abort());
  await alice.write(bob, 'two');
  await expect(bob.row(alice)).toContainText('two');
  await expect(alice.log(bob).getByText(en.thread.ticks.waiting, { exact: true })).toHaveCount(0);
});

test('a window that was frozen while it sent holds up no other', async ({ person }) => {
  const alice = await person('Alice Martin');
  const bob = await person('Bob Nkemelu');
  await alice.find(bob);
  // Its message finds no answer, by any way, and its clock stands still.
  let swallowed = 0;
  await between(alice.page, {
    toServer: (text) => frame(text).type !== 'send' || ((swallowed += 1), false),
  });
  await alice.page.route('**/messages', () => undefined);
  await alice.write(bob, 'from the first window');
  await expect.poll(() => swallowed).toBe(1);
  const session = await alice.page.context().newCDPSession(alice.page);
  await session.send('Page.setWebLifecycleState', { state: 'frozen' });

  const other = alice.at(await alice.page.context().newPage());
  await other.page.goto(alice.page.url());
  await other.write(bob, 'from the second window');
  await bob.open(alice);
  const both = ['from the first window', 'from the second window'];
  await expect(bob.log(alice).getByText(/^from the/)).toHaveText(both);

  await session.send('Page.setWebLifecycleState', { state: 'active' });
  await expect(alice.log(bob).getByText(en.thread.ticks.waiting, { exact: true })).toHaveCount(0);
  await expect(bob.log(alice).getByText(/^from the/)).toHaveText(both);
});

test('a message that is refused for good stays, says why, and can be sent again or discarded', async ({
  person,
}) => {
  const { alice, bob, refuse } = await whoRefuses(person);
  await alice.write(bob, 'again');
  await alice.write(bob, 'away');
  const discard = alice.page.getByRole('button', { name: en.thread.discard });
  await expect(discard).toHaveCount(2);
  await expect(alice.page.getByText(en.thread.refused).first()).toBeVisible();
  await alice.page.reload();
  await expect(discard).toHaveCount(2);

  refuse(false);
  await discard.nth(1).click();
  await expect(alice.bubble(bob, 'away')).toHaveCount(0);
  await alice.page.getByRole('button', { name: en.thread.retry }).click();
  await expect(discard).toHaveCount(0);
  await bob.open(alice);
  await expect(bob.log(alice).getByText(/^(accepted|again|away)$/)).toHaveText(['accepted', 'again']);
});

test('a refused message is edited where it stands, and what was being written waits meanwhile', async ({
  person,
}) => {
  const { alice, bob, refuse } = await whoRefuses(person);
  const { page } = alice;
  const bubbles = alice.log(bob).getByText(/^(accepted|frist|first|first of all|last)$/);
  const editing = page.getByText(en.composer.editing);
  const composer = alice.composer(bob);
  await alice.write(bob, 'frist');
  await alice.write(bob, 'last');
  await expect(page.getByRole('button', { name: en.thread.edit })).toHaveCount(2);
  const otherTab = alice.at(await page.context().newPage());
  await otherTab.page.goto('/');
  await page.bringToFront();

  // By keyboard, the latest; and back again.
  await composer.fill('');
  await composer.press('ArrowUp');
  await expect(composer).toHaveValue('last');
  await expect(editing).toBeVisible();
  await composer.press('Escape');
  await expect(editing).toHaveCount(0);
  await expect(composer).toHaveValue('');

  await composer.fill('half a thought');
  await page.getByRole('button', { name: en.thread.edit }).first().click();
  await expect(composer).toBeFocused();
  await expect(composer).toHaveValue('frist');
  await composer.fill('first');
  await expect(otherTab.row(bob)).toContainText('first');
  // Half-way through, the window is gone. Nothing is lost, and nothing was sent.
  await page.reload();
  await expect(composer).toHaveValue('first');
  await expect(editing).toBeVisible();
  await expect(bubbles).toHaveText(['accepted', 'frist', 'last']);

  // In its place, also while it waits.
  await page.context().setOffline(true);
  await composer.press('Enter');
  await expect(bubbles).toHaveText(['accepted', 'first', 'last']);
  await expect(composer).toHaveValue('half a thought');
  await expect(editing).toHaveCount(0);
  await expect(page.getByRole('button', { name: en.thread.edit })).toHaveCount(1);
  refuse(false);
  await page.context().setOffline(false);
  await bob.open(alice);
  await expect(bob.bubble(alice, 'first')).toBeVisible();

  await page.getByRole('button', { name: en.thread.discard }).click();
  await expect(bubbles).toHaveText(['accepted', 'first']);
  await expect(bob.log(alice).getByText(/^(accepted|frist|first|last)$/)).toHaveText(['accepted', 'first']);
});

test('what cannot be kept is not sent, and stays in the composer', async ({ person, server }) => {
  const bob = await person('Bob Nkemelu');
  const profile = new Profile(server.url);
  const signedUp = new Person('Alice Martin', await profile.open());
  await signedUp.signUp();
  await signedUp.find(bob);
  await signedUp.write(bob, 'fits');
  await expect(signedUp.tick(bob, 'delivered')).toBeVisible();
  const thread = signedUp.page.url();
  await profile.close();

  const alice = signedUp.at(await profile.open());
  const session = await alice.page.context().newCDPSession(alice.page);
  const origin = `${server.url}/`;
  await session.send('Storage.overrideQuotaForOrigin', { origin, quotaSize: 1 });
  await alice.page.goto(thread);
  await alice.write(bob, 'too much for this device');
  await expect(alice.page.getByRole('alert')).toHaveText(en.errors.not_kept);
  await expect(alice.composer(bob)).toHaveValue('too much for this device');
  await expect(alice.bubble(bob, 'too much for this device')).toHaveCount(0);

  await session.send('Storage.overrideQuotaForOrigin', { origin });
  await alice.composer(bob).press('Enter');
  await expect(alice.page.getByRole('alert')).toHaveCount(0);
  await bob.open(alice);
  await expect(bob.log(alice).getByText(/^(fits|too much for this device)$/)).toHaveCount(2);
  await expect(alice.composer(bob)).toHaveValue('');
  await profile.remove();
});

/** Alice, whose messages the server refuses for good, as long as it is told to. */
async function whoRefuses(person: (name: string) => Promise<Person>) {
  const alice = await person('Alice Martin');
  const bob = await person('Bob Nkemelu');
  let refuses = false;
  await between(alice.page, { toServer: refusing(() => refuses) });
  await alice.find(bob);
  await alice.write(bob, 'accepted');
  await expect(alice.tick(bob, 'delivered')).toBeVisible();
  refuses = true;
  return { alice, bob, refuse: (yes: boolean) => void (refuses = yes) };
}
