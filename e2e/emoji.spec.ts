import AxeBuilder from '@axe-core/playwright';
import { Person, en, expect, fr, test } from './support/test.ts';

for (const [locale, t, query, found, name] of [
  ['en-GB', en, 'heart', '❤️', 'red heart'],
  ['fr-FR', fr, 'coeur r', '❤️', 'cœur rouge'],
] as const) {
  test(`the picker works by keyboard, and axe finds nothing in it: ${locale}`, async ({ person }) => {
    const bob = await person('Bob Nkemelu');
    const alice = await person('Alice Martin', { locale, reducedMotion: 'reduce' });
    const { page } = alice;
    const { keyboard } = page;
    await alice.find(bob);
    const field = alice.composer(bob);
    await field.fill('ab');
    await field.press('ArrowLeft');
    await keyboard.press('Tab');
    await expect(page.getByRole('button', { name: t.emoji.open })).toBeFocused();
    await keyboard.press('Enter');
    await expect(page.getByRole('searchbox', { name: t.emoji.search })).toBeFocused();
    await expect(page.getByRole('gridcell').first()).toBeVisible();
    const check = async () => {
      const { violations } = await new AxeBuilder({ page })
        .withTags(['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'])
        .analyze();
      expect(violations.map(({ id, nodes }) => `${id}: ${nodes[0]?.html}`)).toEqual([]);
    };
    await check();

    await keyboard.type(query);
    await keyboard.press('ArrowDown');
    await expect(page.getByRole('button', { name, exact: true })).toBeFocused();
    await check();
    await keyboard.press('ArrowRight');
    await expect(page.getByRole('button', { name, exact: true })).not.toBeFocused();
    await keyboard.press('ArrowLeft');
    await keyboard.press('Enter');
    // Where the caret was.
    await expect(field).toBeFocused();
    await expect(field).toHaveValue(`a${found}b`);
    await keyboard.press('Control+Z');
    await expect(field).toHaveValue('ab');

    await page.getByRole('button', { name: t.emoji.open }).click();
    await expect(page.getByText(t.emoji.recent)).toBeVisible();
    await expect(page.getByRole('row', { name: t.emoji.recent }).getByRole('button', { name })).toBeVisible();
    await keyboard.type('qqqq');
    await expect(page.getByText(t.emoji.nothing('qqqq'))).toBeVisible();
    await check();
    await keyboard.press('Escape');
    await expect(page.getByRole('dialog')).toHaveCount(0);
    await expect(page.getByRole('button', { name: t.emoji.open })).toBeFocused();
  });

  test(`a colon and two letters offer emoji: ${locale}`, async ({ person }) => {
    const bob = await person('Bob Nkemelu');
    const alice = await person('Alice Martin', { locale });
    const { page } = alice;
    await alice.find(bob);
    const field = alice.composer(bob);
    const options = page.getByRole('listbox', { name: t.emoji.suggestions }).getByRole('option');
    await field.pressSequentially(`10:30 :${query.slice(0, 3)}`);
    await expect(options.first()).toHaveText(new RegExp(name));
    await expect(options.first()).toHaveAttribute('aria-selected', 'true');
    const pointed = () =>
      field.evaluate(
        (it) => document.getElementById(it.getAttribute('aria-activedescendant') ?? '')?.textContent,
      );
    expect(await pointed()).toContain(name);
    const { violations } = await new AxeBuilder({ page }).analyze();
    expect(violations.map(({ id }) => id)).toEqual([]);

    await field.press('ArrowDown');
    await expect(options.nth(1)).toHaveAttribute('aria-selected', 'true');
    expect(await pointed()).not.toContain(name);
    await field.press('ArrowUp');
    await field.press('Enter');
    await expect(field).toHaveValue(`10:30 ${found}`);
    await expect(options).toHaveCount(0);

    // Esc is about the list only, and for this colon.
    await field.pressSequentially(` :${query.slice(0, 3)}`);
    await expect(options.first()).toBeVisible();
    await field.press('Escape');
    await expect(options).toHaveCount(0);
    await expect(field).toBeFocused();
    await field.press(query.charAt(3));
    await field.fill('');
    await field.pressSequentially(':tada:');
    await expect(field).toHaveValue('🎉');
    await field.press('Enter');
    await expect(alice.bubble(bob, '🎉')).toBeVisible();
    await expect(field).toHaveValue('');
  });
}

test('faces and times are no emoji, and Enter sends them', async ({ person }) => {
  const alice = await person('Alice Martin');
  const bob = await person('Bob Nkemelu');
  await alice.find(bob);
  const field = alice.composer(bob);
  // The book is there: an offer would not come too late to be seen.
  await field.pressSequentially(':sm');
  await expect(alice.page.getByRole('option').first()).toBeVisible();
  await field.fill('');
  for (const text of ['at 10:30', 'ok :-D', 'https://example.org', 'a::bc', ':)']) {
    await field.pressSequentially(text);
    await field.press('Enter');
    await expect(alice.bubble(bob, text)).toBeVisible();
  }
});

test('on a small phone the picker fits, and begins with the emoji instead of the keyboard', async ({
  person,
}) => {
  const bob = await person('Bob Nkemelu');
  const alice = await person('Alice Martin', {
    viewport: { width: 320, height: 640 },
    isMobile: true,
    hasTouch: true,
  });
  const { page } = alice;
  await alice.find(bob);
  await page.getByRole('button', { name: en.emoji.open }).tap();
  const first = page.getByRole('gridcell').first().getByRole('button');
  await expect(first).toBeFocused();
  const size = await first.boundingBox();
  expect(Math.min(size?.width ?? 0, size?.height ?? 0)).toBeGreaterThanOrEqual(44);
  expect(await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)).toBeLessThanOrEqual(0);
  const grid = page.getByRole('grid');
  expect(await grid.evaluate((it) => it.scrollWidth - it.clientWidth)).toBeLessThanOrEqual(0);
  // The skin that was chosen is that of the next time.
  await page.getByRole('combobox', { name: en.emoji.tone }).selectOption('3');
  await page.getByRole('searchbox').fill('thumbs up');
  await first.tap();
  await expect(alice.composer(bob)).toHaveValue('👍🏽');
  await page.getByRole('button', { name: en.emoji.open }).tap();
  await expect(first).toHaveText('👍🏽');
  await expect(page.getByRole('combobox', { name: en.emoji.tone })).toHaveValue('3');
  await page.keyboard.press('Escape');
  // The thread goes with its offer open.
  await alice.composer(bob).fill('');
  await alice.composer(bob).pressSequentially(':sm');
  await expect(page.getByRole('option').first()).toBeVisible();
  await page.getByRole('button', { name: en.thread.back }).tap();
  await expect(alice.row(bob)).toBeVisible();
  await expect(page.getByRole('option')).toHaveCount(0);
});

test('the names of emoji come when they are wanted, and nothing of one’s habits stays after a log-out', async ({
  browserOf,
  person,
}) => {
  const bob = await person('Bob Nkemelu');
  const page = await browserOf();
  const sizes = new Map<string, number>();
  page.on('requestfinished', async (request) => {
    sizes.set(new URL(request.url()).pathname, (await request.sizes()).responseBodySize);
  });
  const emoji = () => [...sizes].filter(([path]) => path.includes('emoji'));
  const alice = new Person('Alice Martin', page);
  await alice.signUp();
  await alice.find(bob);
  expect(sizes.size).toBeGreaterThan(5);
  expect(emoji()).toEqual([]);
  await page.getByRole('button', { name: en.emoji.open }).click();
  await page.getByRole('searchbox').fill('tada');
  await page.keyboard.press('Enter');
  await expect(alice.composer(bob)).toHaveValue('🎉');
  expect(emoji()).toHaveLength(1);
  expect(emoji()[0]?.[1]).toBeLessThan(80_000);

  const kept = () => page.evaluate(() => Object.keys(localStorage).filter((key) => key.startsWith('emoji')));
  expect(await kept()).toEqual(['emoji-recent']);
  await alice.composer(bob).fill('');
  await page.goto('/settings');
  await page.getByRole('button', { name: en.settings.logOut }).click();
  await expect(page.getByRole('heading', { name: en.logIn.title })).toBeVisible();
  expect(await kept()).toEqual([]);
});
