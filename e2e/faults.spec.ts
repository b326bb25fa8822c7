import { type Page, type WebSocketRoute } from '@playwright/test';
import { Person, en, expect, test } from './support/test.ts';

type Frame = { type: string; id?: string; conversation?: string };

/** Stands between the page and the server's socket, and may bend what passes. */
async function between(
  page: Page,
  bend: {
    fromServer?: (text: string) => string[];
    toServer?: (text: string, page: WebSocketRoute) => boolean;
  },
) {
  const sockets: WebSocketRoute[] = [];
  await page.routeWebSocket('**/api/live', (socket) => {
    const server = socket.connectToServer();
    sockets.push(socket);
    socket.onMessage((text) => {
      if (bend.toServer?.(String(text), socket) ?? true) server.send(text);
    });
    server.onMessage((text) => {
      for (const each of bend.fromServer?.(String(text)) ?? [String(text)]) socket.send(each);
    });
  });
  await page.reload();
  await expect(page.getByRole('button', { name: en.search.open }).first()).toBeVisible();
  return sockets;
}

const typeOf = (text: string) => (JSON.parse(text) as Frame).type;

test('frames that come twice, or never, leave each message once and in order', async ({ person }) => {
  const alice = await person('Alice Martin');
  const bob = await person('Bob Nkemelu');
  let mode: 'twice' | 'lost' | 'whole' = 'twice';
  let lost = 0;
  const sockets = await between(bob.page, {
    fromServer(text) {
      if (mode === 'lost' && typeOf(text) === 'message') {
        lost += 1;
        return [];
      }
      return mode === 'twice' ? [text, text] : [text];
    },
  });
  await alice.find(bob);
  for (const text of ['one', 'two', 'three']) await alice.write(bob, text);
  await bob.open(alice);
  await expect(bob.bubble(alice, 'three')).toBeVisible();

  mode = 'lost';
  for (const text of ['four', 'five']) await alice.write(bob, text);
  await expect.poll(() => lost).toBe(2);
  await expect(bob.bubble(alice, 'four')).toHaveCount(0);
  mode = 'whole';
  await alice.write(bob, 'six');
  await expect(bob.bubble(alice, 'six')).toBeVisible();

  mode = 'lost';
  await alice.write(bob, 'seven');
  await expect.poll(() => lost).toBe(3);
  mode = 'whole';
  await sockets.at(-1)?.close({ code: 1013, reason: 'too slow' });
  await expect(bob.bubble(alice, 'seven')).toBeVisible();
  await expect(bob.log(alice).getByText(/^(one|two|three|four|five|six|seven)$/)).toHaveText([
    'one',
    'two',
    'three',
    'four',
    'five',
    'six',
    'seven',
  ]);
});

test('a receipt that was lost on a dying line is sent again', async ({ person }) => {
  const alice = await person('Alice Martin');
  const bob = await person('Bob Nkemelu');
  let dying = true;
  let lost = 0;
  const sockets = await between(bob.page, {
    toServer(text) {
      if (!dying || typeOf(text) !== 'receipt') return true;
      lost += (JSON.parse(text) as { read?: number }).read ? 1 : 0;
      return false;
    },
  });
  await alice.find(bob);
  await alice.write(bob, 'seen');
  await bob.open(alice);
  await expect(bob.bubble(alice, 'seen')).toBeVisible();
  await expect.poll(() => lost).toBe(1);
  await expect(alice.tick(bob, 'sent')).toBeVisible();

  dying = false;
  await sockets.at(-1)?.close({ code: 1013, reason: 'too slow' });
  await expect(alice.tick(bob, 'read')).toBeVisible();
});

test('a thread can be left while it scrolls', async ({ person }) => {
  const alice = await person('Alice Martin');
  const bob = await person('Bob Nkemelu');
  const carol = await person('Carol Osei');
  const errors: Error[] = [];
  alice.page.removeAllListeners('pageerror');
  alice.page.on('pageerror', (error) => errors.push(error));
  await alice.find(carol);
  await alice.write(carol, 'hello');
  await alice.find(bob);
  for (let line = 0; line < 5; line++) await alice.write(bob, `a tall one${'\n.'.repeat(20)}`);
  await expect(alice.tick(bob, 'delivered')).toBeVisible();

  for (const [here, there] of [
    [bob, carol],
    [carol, bob],
    [bob, carol],
  ] as const) {
    await alice.row(there).evaluate(async (row) => {
      const list = document.querySelector('[role="log"]');
      const frame = () => new Promise((resolve) => requestAnimationFrame(resolve));
      for (let step = 0; step < 3; step++) {
        if (list) list.scrollTop -= 100;
        await frame();
      }
      if (list) list.scrollTop -= 100;
      (row as HTMLElement).click();
      await frame();
      await frame();
    });
    await expect(alice.composer(there)).toBeVisible();
    await expect(alice.composer(here)).toHaveCount(0);
  }
  expect(errors).toEqual([]);
});

test('a message that is refused for good stays, says why, and can be sent again or discarded', async ({
  person,
}) => {
  const alice = await person('Alice Martin');
  const bob = await person('Bob Nkemelu');
  let refuse = false;
  await between(alice.page, {
    toServer(text, page) {
      const { type, id, conversation } = JSON.parse(text) as Frame;
      if (!refuse || type !== 'send') return true;
      page.send(JSON.stringify({ type: 'refused', id, conversation, code: 'bad_envelope', message: '' }));
      return false;
    },
  });
  await alice.find(bob);
  await alice.write(bob, 'accepted');
  await expect(alice.tick(bob, 'delivered')).toBeVisible();

  refuse = true;
  await alice.write(bob, 'again');
  await alice.write(bob, 'away');
  const discard = alice.page.getByRole('button', { name: en.thread.discard });
  await expect(discard).toHaveCount(2);
  await expect(alice.page.getByText(en.thread.refused).first()).toBeVisible();
  await alice.page.reload();
  await expect(discard).toHaveCount(2);

  refuse = false;
  await discard.nth(1).click();
  await expect(alice.bubble(bob, 'away')).toHaveCount(0);
  await alice.page.getByRole('button', { name: en.thread.retry }).click();
  await expect(discard).toHaveCount(0);
  await bob.open(alice);
  await expect(bob.log(alice).getByText(/^(accepted|again|away)$/)).toHaveText(['accepted', 'again']);
});

test('what was read in one window is read in the other', async ({ person }) => {
  const alice = await person('Alice Martin');
  const bob = await person('Bob Nkemelu');
  await alice.find(bob);
  for (const text of ['one', 'two', 'three']) await alice.write(bob, text);
  const unread = en.conversations.unread(3);
  await expect(bob.row(alice)).toContainText(unread);

  const window = bob.at(await bob.page.context().newPage());
  await window.page.goto('/');
  await expect(window.row(alice)).toContainText(unread);
  await window.open(alice);
  await expect(window.bubble(alice, 'three')).toBeVisible();
  await expect(bob.row(alice)).not.toContainText(unread);
});

test('a changed identity is said in plain words, and nothing is sent to it', async ({
  person,
  browserOf,
}) => {
  const alice = await person('Alice Martin');
  const bob = await person('Bob Nkemelu');
  await alice.find(bob);
  await alice.write(bob, 'before');
  await expect(alice.tick(bob, 'delivered')).toBeVisible();

  // What a server that lies would serve: another identity, well made, for Bob's account.
  const found = await alice.page.request.get(`/api/people?q=${bob.handle}`);
  const [{ id: account }] = ((await found.json()) as { people: [{ id: string }] }).people;
  const impostor = new Person('Bob Nkemelu', await browserOf());
  Object.assign(impostor, { handle: bob.handle });
  let bundle: unknown = null;
  await impostor.page.route('**/api/handles/*', (route) => route.fulfill({ json: { available: true } }));
  await impostor.page.route('**/api/register/start', async (route) => {
    const asked = route.request().postDataJSON() as { request: string };
    const answer = await route.fetch({ postData: { ...asked, handle: `${bob.handle}x` } });
    await route.fulfill({ json: { ...((await answer.json()) as object), account } });
  });
  await impostor.page.route('**/api/register/finish', async (route) => {
    bundle = (route.request().postDataJSON() as { key_bundle: unknown }).key_bundle;
    await route.abort();
  });
  await impostor.page.goto('/sign-up');
  await impostor.fillSignUp();
  impostor.recoveryCode = await impostor.readRecoveryCode();
  await impostor.confirmRecoveryCode();
  await expect.poll(() => bundle).not.toBeNull();

  await alice.page.route('**/api/people/*/key-bundle', (route) => route.fulfill({ json: bundle }));
  await alice.page.reload();
  await expect(alice.page.getByText(en.thread.identityChanged(bob.displayName))).toBeVisible();
  await alice.write(bob, 'after');
  await expect(alice.page.getByText(en.thread.refusals.identity_changed ?? '')).toBeVisible();
  await bob.open(alice);
  await expect(bob.bubble(alice, 'before')).toBeVisible();
  await expect(bob.bubble(alice, 'after')).toHaveCount(0);
});
