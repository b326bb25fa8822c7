import { en, expect, test } from './support/test.ts';

test('people are found as one types, without their accents', async ({ person }) => {
  const alice = await person('Alice Martin');
  const eloise = await person('Éloïse Marchand-Zimmer');
  const { page } = alice;

  await page.getByRole('button', { name: en.search.open }).first().click();
  const field = page.getByRole('combobox');
  await field.pressSequentially('eloise zim');
  const option = page.getByRole('option', { name: /Éloïse Marchand-Zimmer/ });
  await expect(option).toBeVisible();
  await expect(option).toContainText(`@${eloise.handle}`);
  await field.fill('ELOÏSE Z');
  await expect(option).toBeVisible();
  await field.fill('loise');
  await expect(page.getByText(en.search.nobody('loise'))).toBeVisible();
  await field.press('Escape');
  await expect(field).toBeHidden();

  await page.keyboard.press('Control+K');
  await field.fill(alice.handle);
  await page.getByRole('option', { name: new RegExp(alice.handle) }).click();
  await expect(page.getByText(en.errors.conversation_with_oneself)).toBeVisible();
});

test('Enter means the person that was asked for last, not the one still shown', async ({ person }) => {
  const alice = await person('Alice Martin');
  const bob = await person('Bob Nkemelu');
  const eloise = await person('Éloïse Marchand-Zimmer');
  const { page } = alice;
  await page.keyboard.press('Control+K');
  const field = page.getByRole('combobox');
  await field.fill(eloise.handle);
  await expect(page.getByRole('option', { name: /Éloïse/ })).toBeVisible();
  await field.fill(bob.handle);
  await field.press('Enter');
  await expect(alice.composer(bob)).toBeVisible();
});

test('a tap beside a dialog closes it and does nothing below', async ({ person }) => {
  const alice = await person('Alice Martin', { hasTouch: true });
  const bob = await person('Bob Nkemelu');
  const carol = await person('Carol Diaz');
  const { page } = alice;
  for (const other of [carol, bob]) {
    await alice.find(other);
    await alice.write(other, 'hello');
    await expect(alice.tick(other, 'delivered')).toBeVisible();
  }
  await page.getByRole('button', { name: en.thread.profileOf(bob.displayName) }).tap();
  const dialog = page.getByRole('dialog');
  await expect(dialog).toContainText(`@${bob.handle}`);
  const address = page.url();
  const row = await alice.row(carol).boundingBox();
  const tap = [(row?.x ?? 0) + 20, (row?.y ?? 0) + 20] as const;
  await page.touchscreen.tap(...tap);
  await expect(dialog).toBeHidden();
  expect(page.url()).toBe(address);
  // There was something below.
  await page.touchscreen.tap(...tap);
  await expect(alice.composer(carol)).toBeVisible();
});

test('a changed profile is seen by the other at once', async ({ person }) => {
  const alice = await person('Alice Martin');
  const bob = await person('Bob Nkemelu');
  await alice.find(bob);
  await alice.write(bob, 'hello');
  await expect(bob.row(alice)).toBeVisible();

  const { page } = alice;
  await page.getByRole('link', { name: en.settings.open }).click();
  await page.getByLabel(en.settings.displayName).fill('Alice Martin-Dupont');
  await page.getByLabel(en.settings.status).fill('In the garden');
  await page.getByLabel(en.settings.bio).fill('Two lines\nabout me');
  await page.getByRole('button', { name: en.app.save }).click();
  await expect(page.getByText(en.app.saved)).toBeVisible();

  await expect(bob.page.getByRole('navigation').getByText('Alice Martin-Dupont')).toBeVisible();
  await bob.page.getByRole('navigation').getByText('Alice Martin-Dupont').click();
  await bob.page.getByRole('button', { name: en.thread.profileOf('Alice Martin-Dupont') }).click();
  const panel = bob.page.getByRole('dialog');
  await expect(panel.getByText('In the garden')).toBeVisible();
  await expect(panel.getByText('Two lines')).toBeVisible();
  // Also in the panel that is open already.
  await page.getByLabel(en.settings.status).fill('Back inside');
  await page.getByRole('button', { name: en.app.save }).click();
  await expect(panel.getByText('Back inside')).toBeVisible();
  // Both see the same sixty digits.
  const digits = /(\d{5}\s*){12}/;
  await expect(panel).toContainText(digits);
  const bobs = digits.exec(await panel.innerText())?.[0].replace(/\s+/g, '');
  await page.goto('/');
  await alice.open(bob);
  await page.getByRole('button', { name: en.thread.profileOf('Bob Nkemelu') }).click();
  await expect(page.getByRole('dialog')).toContainText(digits);
  expect(digits.exec(await page.getByRole('dialog').innerText())?.[0].replace(/\s+/g, '')).toBe(bobs);
});

test('a picture is framed, shown to others, and removed', async ({ person }) => {
  const alice = await person('Alice Martin');
  const bob = await person('Bob Nkemelu');
  await alice.find(bob);
  await alice.write(bob, 'hello');
  await expect(bob.row(alice)).toBeVisible();
  await expect(bob.row(alice).locator('img')).toHaveCount(0);

  const { page } = alice;
  await page.getByRole('link', { name: en.settings.open }).click();
  const picture = await page.evaluate(async () => {
    const canvas = new OffscreenCanvas(640, 400);
    const pen = canvas.getContext('2d');
    if (!pen) throw new Error('no canvas');
    pen.fillStyle = 'teal';
    pen.fillRect(0, 0, 640, 400);
    return [...new Uint8Array(await (await canvas.convertToBlob({ type: 'image/webp' })).arrayBuffer())];
  });
  const choose = page.locator('input[type=file]');
  await choose.setInputFiles({
    name: 'notes.txt',
    mimeType: 'text/plain',
    buffer: Buffer.from('not a picture'),
  });
  await expect(page.getByText(en.avatar.wrongType)).toBeVisible();
  await choose.setInputFiles({
    name: 'broken.png',
    mimeType: 'image/png',
    buffer: Buffer.from('not a picture'),
  });
  await expect(page.getByText(en.avatar.unreadable)).toBeVisible();
  await choose.setInputFiles({ name: 'me.webp', mimeType: 'image/webp', buffer: Buffer.from(picture) });
  await page.getByRole('button', { name: en.avatar.use }).click();

  await expect(bob.row(alice).locator('img')).toBeVisible();
  const source = await bob.row(alice).locator('img').getAttribute('src');
  const stored = await bob.page.request.get(source ?? '');
  expect(stored.headers()['content-type']).toBe('image/jpeg');

  await page.getByRole('button', { name: en.avatar.remove }).click();
  await expect(bob.row(alice).locator('img')).toHaveCount(0);
  await expect(page.getByRole('button', { name: en.avatar.choose })).toBeFocused();
});
