import { Person, en, expect, test } from './support/test.ts';

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
      list?.dispatchEvent(new WheelEvent('wheel'));
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
  await expect(alice.page.getByRole('region', { name: en.safety.changed(bob.displayName) })).toBeVisible();
  await expect(alice.composer(bob)).toHaveCount(0);
  await bob.open(alice);
  await expect(bob.bubble(alice, 'before')).toBeVisible();
});
