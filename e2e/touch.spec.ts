import type { Locator } from '@playwright/test';
import { type Person, en, expect, fr, test } from './support/test.ts';

const PHONE = { viewport: { width: 375, height: 640 }, isMobile: true, hasTouch: true };

/** A finger that rests on the middle of something, as the browser feels it. Returns what lifts it. */
async function rest(of: Person, on: Locator): Promise<() => Promise<unknown>> {
  const box = await on.boundingBox();
  if (!box) throw new Error('nothing there to touch');
  const session = await of.page.context().newCDPSession(of.page);
  const touch = (type: 'touchStart' | 'touchEnd', touchPoints: { x: number; y: number }[]) =>
    session.send('Input.dispatchTouchEvent', { type, touchPoints });
  await touch('touchStart', [{ x: box.x + box.width / 2, y: box.y + box.height / 2 }]);
  return () => touch('touchEnd', []);
}

for (const [locale, t] of [
  ['en-GB', en],
  ['fr-FR', fr],
] as const) {
  test(`on a phone a finger that rests opens the menus of the list and of a thread (${locale})`, async ({
    person,
  }) => {
    const alice = await person('Alice Martin', { ...PHONE, locale });
    const bob = await person('Bob Nkemelu');
    const { page } = alice;
    await bob.find(alice);
    await bob.write(alice, 'hello');
    await expect(alice.row(bob)).toContainText('hello');
    const inSight = (menu: Locator) =>
      menu.evaluate((it) => {
        const { left, right, top, bottom } = it.getBoundingClientRect();
        return left >= 0 && top >= 0 && right <= innerWidth && bottom <= innerHeight;
      });

    const ofRow = page.getByRole('menu', { name: t.list.actions(bob.displayName) });
    let lift = await rest(alice, alice.row(bob));
    await expect(ofRow).toBeVisible();
    await lift();
    // The end of it is no tap: neither the thread below opens, nor does the menu go.
    await expect(ofRow).toBeVisible();
    expect(await inSight(ofRow)).toBe(true);
    await ofRow.getByRole('menuitem', { name: t.list.pin, exact: true }).tap();
    await expect(ofRow).toBeHidden();
    await expect(alice.row(bob)).toContainText(t.list.pinned);
    expect(new URL(page.url()).pathname).toBe('/');

    await alice.row(bob).tap();
    await expect(alice.bubble(bob, 'hello')).toBeVisible();
    const ofMessage = page.getByRole('menu', { name: t.message.actions });
    lift = await rest(alice, alice.bubble(bob, 'hello'));
    await expect(ofMessage).toBeVisible();
    await lift();
    await expect(ofMessage).toBeVisible();
    expect(await inSight(ofMessage)).toBe(true);
    await ofMessage.getByRole('menuitem', { name: t.message.reply, exact: true }).tap();
    await expect(ofMessage).toBeHidden();
    await expect(page.getByRole('button', { name: t.composer.noReply })).toBeVisible();
    await alice.composer(bob).fill('hello to you');
    await page.getByRole('button', { name: t.composer.send, exact: true }).tap();
    await expect(bob.row(alice)).toContainText('hello to you');
  });
}
