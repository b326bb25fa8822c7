import { Person, Server, en, expect, fr, test } from './support/test.ts';

test('mistakes are told in words, where they happened', async ({ person, browserOf }) => {
  const taken = await person('Alice Martin');
  const page = await browserOf();
  await page.goto('/sign-up');
  await page.getByRole('button', { name: en.signUp.submit }).click();
  await expect(page.getByText(en.fields.displayNameMissing)).toBeVisible();
  await expect(page.getByLabel(en.signUp.displayName)).toBeFocused();

  const handle = page.getByLabel(en.signUp.handle, { exact: true });
  await handle.fill('AB');
  await expect(handle).toHaveValue('ab');
  await page.getByLabel(en.signUp.displayName).fill('Bob');
  await page.getByRole('button', { name: en.signUp.submit }).click();
  await expect(page.getByText(en.fields.handleShort)).toBeVisible();
  await handle.fill('b é b');
  await page.getByRole('button', { name: en.signUp.submit }).click();
  await expect(page.getByText(en.fields.handleCharacters)).toBeVisible();
  await handle.fill(taken.handle);
  await expect(page.getByText(en.errors.handle_taken)).toBeVisible();

  await handle.fill(`${taken.handle}.2`);
  await page.getByLabel(en.signUp.password, { exact: true }).fill('short');
  await page.getByRole('button', { name: en.signUp.submit }).click();
  await expect(page.getByText(en.fields.passwordShort)).toBeVisible();
  await expect(page.getByLabel(en.signUp.password, { exact: true })).toBeFocused();
});

test('the account exists once its recovery code was kept, however often one presses', async ({
  browserOf,
}) => {
  const bob = new Person('Bob Nkemelu', await browserOf());
  const { page } = bob;
  await page.goto('/sign-up');
  await bob.fillSignUp();
  bob.recoveryCode = await bob.readRecoveryCode();
  expect((await page.request.get(`/api/handles/${bob.handle}`)).ok()).toBe(true);
  expect(await (await page.request.get(`/api/handles/${bob.handle}`)).json()).toEqual({ available: true });

  await page.getByRole('button', { name: en.recovery.kept }).click();
  await page.getByLabel(/^Group \d of your code$/).fill('0000');
  await page.getByRole('button', { name: en.recovery.confirm }).click();
  await expect(page.getByText(/^This is not group \d\./)).toBeVisible();
  await page.getByRole('button', { name: en.recovery.again }).click();
  await expect(page.getByRole('list', { name: en.recovery.code })).toBeVisible();

  const created: number[] = [];
  page.on('response', (response) => {
    if (response.url().endsWith('/api/register/finish')) created.push(response.status());
  });
  await page.getByRole('button', { name: en.recovery.kept }).click();
  for (const [index, group] of bob.recoveryCode.split('-').entries()) {
    const field = page.getByLabel(en.recovery.group(index + 1), { exact: true });
    // As people copy by hand: small letters.
    if (await field.isVisible()) await field.fill(group.toLowerCase());
  }
  await page.getByRole('button', { name: en.recovery.confirm }).dblclick();
  await expect(page.getByRole('heading', { name: en.conversations.emptyTitle })).toBeVisible();
  expect(created).toEqual([201]);
});

test('Back leads from step to step, and a log-in in another tab leaves them alone', async ({
  browserOf,
  person,
}) => {
  const alice = await person('Alice Martin');
  const bob = new Person('Bob Nkemelu', await browserOf());
  const { page } = bob;
  await page.goto('/');
  await page.getByRole('link', { name: en.logIn.noAccount }).click();
  await bob.fillSignUp();
  bob.recoveryCode = await bob.readRecoveryCode();
  await page.getByRole('button', { name: en.recovery.kept }).click();
  await expect(page.getByRole('heading', { name: en.recovery.confirmTitle })).toBeVisible();
  await page.goBack();
  expect(await bob.readRecoveryCode()).toBe(bob.recoveryCode);
  await page.goBack();
  await expect(page.getByLabel(en.signUp.displayName)).toHaveValue(bob.displayName);
  await page.goForward();
  expect(await bob.readRecoveryCode()).toBe(bob.recoveryCode);

  const otherTab = await page.context().newPage();
  await alice.logInOn(otherTab);
  await otherTab.close();
  expect(await bob.readRecoveryCode()).toBe(bob.recoveryCode);
  await bob.confirmRecoveryCode();
  await expect(page.getByRole('heading', { name: en.conversations.emptyTitle })).toBeVisible();
  expect(await (await page.request.get('/api/session')).json()).toMatchObject({ me: { handle: bob.handle } });
});

test('whose handle was taken meanwhile is led back to it', async ({ browserOf }) => {
  const bob = new Person('Bob Nkemelu', await browserOf());
  await bob.page.goto('/sign-up');
  await bob.fillSignUp();
  bob.recoveryCode = await bob.readRecoveryCode();
  const faster = Object.assign(new Person('Bob Faster', await browserOf()), { handle: bob.handle });
  await faster.signUp();

  await bob.confirmRecoveryCode();
  await expect(bob.page.getByText(en.errors.handle_taken)).toBeVisible();
  await expect(bob.page.getByLabel(en.signUp.handle, { exact: true })).toBeFocused();
  await bob.page.getByRole('button', { name: 'Français' }).click();
  await expect(bob.page.getByText(fr.errors.handle_taken)).toBeVisible();
});

test('a copy that the browser refuses is no copy', async ({ browserOf }) => {
  const bob = new Person('Bob Nkemelu', await browserOf({ permissions: [] }));
  const { page } = bob;
  await page.goto('/sign-up');
  await bob.fillSignUp();
  await bob.readRecoveryCode();
  await page.evaluate(() => {
    navigator.clipboard.writeText = () => Promise.reject(new DOMException('no', 'NotAllowedError'));
  });
  await page.getByRole('button', { name: en.recovery.copy, exact: true }).click();
  await expect(page.getByText(en.recovery.copyRefused)).toBeVisible();
  await expect(page.getByText(en.recovery.copied)).toBeHidden();
});

test('a wrong password and an unknown handle get the same answer', async ({ person, browserOf }) => {
  const alice = await person('Alice Martin');
  const page = await browserOf();
  const stranger = new Person('Nobody At All', page);
  await page.goto('/');
  await alice.at(page).logIn('this is not the password');
  await expect(page.getByText(en.errors.wrong_credentials)).toBeVisible();
  await page.reload();
  await stranger.logIn();
  await expect(page.getByText(en.errors.wrong_credentials)).toBeVisible();
});

test('a password is the same however its accents were typed', async ({ browserOf }) => {
  const bob = new Person('Bob Nkemelu', await browserOf());
  Object.assign(bob, { password: 'd\u00e9j\u00e0 vu encore' });
  await bob.signUp();
  const page = await browserOf();
  await page.goto('/');
  await bob.at(page).logIn('de\u0301ja\u0300 vu encore');
  await expect(page.getByRole('heading', { name: en.conversations.emptyTitle })).toBeVisible();
});

test('on a server that others can reach, the first account needs the code it printed', async ({
  browser,
}) => {
  const server = await Server.start({ host: '0.0.0.0' });
  const code = /set-up code: (\w+)/.exec(server.greeting)?.[1] ?? '';
  expect(code).toHaveLength(16);
  expect(server.log).not.toContain(code);
  const context = await browser.newContext({ baseURL: server.url, locale: 'en-GB' });
  const first = new Person('Alice Martin', await context.newPage());
  await first.page.goto('/sign-up');
  await first.page.getByLabel(en.signUp.setupCode).fill('WRONG');
  await first.fillSignUp();
  first.recoveryCode = await first.readRecoveryCode();
  await first.confirmRecoveryCode();
  await expect(first.page.getByText(en.errors.wrong_setup_code)).toBeVisible();

  await first.page.getByLabel(en.signUp.setupCode).fill(code);
  await first.page.getByRole('button', { name: en.recovery.confirm }).click();
  await expect(first.page.getByRole('heading', { name: en.conversations.emptyTitle })).toBeVisible();
  expect(await (await first.page.request.get('/api/session')).json()).toMatchObject({
    me: { role: 'administrator' },
  });
  expect(await (await first.page.request.get('/api/config')).json()).toMatchObject({
    setup_code_needed: false,
  });
  await server.remove();
});

test('the interface speaks the language of the browser, and another on request', async ({ browserOf }) => {
  const page = await browserOf({ locale: 'fr-CA' });
  await page.goto('/sign-up');
  await expect(page.getByRole('heading', { name: fr.signUp.title })).toBeVisible();
  await expect(page.locator('html')).toHaveAttribute('lang', 'fr');
  await page
    .getByRole('navigation', { name: fr.app.language })
    .getByRole('button', { name: 'English' })
    .click();
  await expect(page.getByRole('heading', { name: en.signUp.title })).toBeVisible();
  await page.reload();
  await expect(page.locator('html')).toHaveAttribute('lang', 'en');
});
