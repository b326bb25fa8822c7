import { en, expect, test } from './support/test.ts';

test('two people see what was marked, and the list shows the words alone', async ({ person }) => {
  const alice = await person('Alice Martin');
  const bob = await person('Bob Nkemelu');
  await alice.find(bob);
  await alice.write(bob, 'It is **very** *good*, ~~bad~~ `x < y`, snake_case and *open');
  await bob.open(alice);
  for (const side of [alice.log(bob), bob.log(alice)]) {
    await expect(side.locator('strong')).toHaveText('very');
    await expect(side.locator('em')).toHaveText('good');
    await expect(side.locator('s')).toHaveText('bad');
    await expect(side.locator('code')).toHaveText('x < y');
    await expect(
      side.getByText('It is very good, bad x < y, snake_case and *open', { exact: true }),
    ).toBeVisible();
  }
  await expect(alice.row(bob)).toContainText('It is very good, bad x < y, snake_case and *open');

  await bob.composer(alice).fill('To buy:\n- bread\n- milk\n  1. cold\n\n> quoted\n\nThanks');
  await bob.composer(alice).press('Enter');
  const log = alice.log(bob);
  await expect(log.getByRole('listitem').filter({ hasText: /^bread$/ })).toBeVisible();
  await expect(log.getByRole('listitem').filter({ hasText: /^cold$/ })).toBeVisible();
  await expect(log.locator('blockquote')).toHaveText('quoted');
  await expect(alice.row(bob)).toContainText('To buy: • bread • milk 1. cold quoted Thanks');
});

test('what a text says is never made into the page', async ({ person }) => {
  const alice = await person('Alice Martin');
  const bob = await person('Bob Nkemelu');
  await alice.find(bob);
  const hostile = '<img src=x onerror=alert(1)> [a](javascript:alert(1)) <b>b</b> &lt;';
  await alice.write(bob, hostile);
  await bob.open(alice);
  await expect(bob.bubble(alice, hostile)).toBeVisible();
  await expect(bob.log(alice).locator('img, b, a')).toHaveCount(0);
  // The same places hold a link where it is a safe one.
  await alice.write(bob, '[a](https://example.org/)');
  await expect(bob.log(alice).getByRole('link')).toHaveCount(1);
});

test('a block of code is copied whole, with its line ends, and says so', async ({ person }) => {
  const alice = await person('Alice Martin');
  const bob = await person('Bob Nkemelu', { permissions: ['clipboard-read', 'clipboard-write'] });
  await alice.find(bob);
  const code = 'if (a < b) {\n\treturn **c**;\n}';
  await alice.composer(bob).fill(`Look:\n\`\`\`ts\n${code}\n\`\`\``);
  await alice.composer(bob).press('Enter');
  await bob.open(alice);
  const log = bob.log(alice);
  await expect(log.locator('pre')).toHaveText(code);
  await log.getByRole('button', { name: en.code.copy }).click();
  await expect(log.getByRole('status').getByText(en.code.copied)).toBeVisible();
  expect(await bob.page.evaluate(() => navigator.clipboard.readText())).toBe(code);
});

test('a text that is selected is copied as it is read', async ({ person }) => {
  const alice = await person('Alice Martin');
  const bob = await person('Bob Nkemelu');
  await alice.find(bob);
  await alice.composer(bob).fill('One **two**:\n- three\n- four\n\n```\nfive\n```\nsix');
  await alice.composer(bob).press('Enter');
  const six = alice.log(bob).getByText('six');
  await expect(six).toBeVisible();
  const copied = await six.evaluate((text) => {
    getSelection()?.selectAllChildren(text);
    return getSelection()?.toString();
  });
  expect(copied).toBe('One two:\nthree\nfour\n\nfive\nsix');
});

test('a link whose words could mislead shows where it leads', async ({ person }) => {
  const alice = await person('Alice Martin');
  const bob = await person('Bob Nkemelu');
  await alice.find(bob);
  await alice.write(bob, '[the plan](https://example.org/plan)');
  await alice.write(bob, '[https://bank.example](https://evil.example/x)');
  await alice.write(bob, 'https://аррӏе.com');
  await bob.open(alice);
  const log = bob.log(alice);
  const plan = log.getByRole('link', { name: 'the plan' });
  await expect(plan).toHaveAttribute('href', 'https://example.org/plan');
  await expect(plan).toHaveAttribute('rel', /noopener noreferrer/);
  await expect(log.getByText('the plan', { exact: true })).toBeVisible();
  await expect(log.getByText('https://bank.example (https://evil.example/x)')).toBeVisible();
  await expect(log.getByText('https://аррӏе.com (https://xn--80ak6aa92e.com/)')).toBeVisible();
});

test('a message made of marks alone is shown, and the thread goes on', async ({ person }) => {
  const alice = await person('Alice Martin');
  const bob = await person('Bob Nkemelu');
  await alice.find(bob);
  await alice.write(bob, 'before');
  await bob.open(alice);
  await expect(alice.tick(bob, 'read')).toBeVisible();
  for (const sign of ['*', '[', '>', '`', '- ', '**a '])
    await alice.write(bob, sign.repeat(8_000 / sign.length));
  await alice.write(bob, 'and after');
  await expect(bob.bubble(alice, 'and after')).toBeVisible();
  await bob.write(alice, 'still here');
  await expect(alice.bubble(bob, 'still here')).toBeVisible();
});
