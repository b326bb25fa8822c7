import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { Person, Server, en, expect, test, watch } from './support/test.ts';

const FILL = fileURLToPath(new URL('../target/debug/examples/fill', import.meta.url));

test('ten thousand messages page back without a jump and stay fluid', async ({ browser }) => {
  test.slow();
  const server = await Server.start({ options: ['--frames-per-second', '100000'] });
  const context = await browser.newContext({ baseURL: server.url, locale: 'en-GB' });
  const alice = new Person('Alice Martin', await context.newPage());
  await alice.signUp();
  await promisify(execFile)(FILL, [server.url, alice.handle, '10000', '50000']);
  const phil = new Person('Phil Writer', alice.page);

  // All of it has come over the line, too: nothing more moves by itself.
  await expect(alice.row(phil)).toContainText('Message 10000', { timeout: 60_000 });
  await alice.open(phil);
  const log = alice.log(phil);
  await expect(log.getByText(/^Message 10000\b/)).toBeVisible();

  // A reader's finger on the list: what stands still on the screen may not move when older messages come in.
  const jumps = await log.evaluate(async (list) => {
    const frame = () => new Promise((resolve) => requestAnimationFrame(resolve));
    const numberOf = (element: Element) => Number(/Message (\d+)/.exec(element.textContent)?.[1]);
    const bubbles = () => [...list.querySelectorAll('.bubble')];
    const steps: { moved: number; nearTop: boolean }[] = [];
    let oldest = Infinity;
    list.dispatchEvent(new WheelEvent('wheel'));
    for (let step = 0; step < 400 && oldest > 9_000; step++) {
      const anchor = bubbles().find((bubble) => bubble.getBoundingClientRect().top > 200);
      const before = anchor?.getBoundingClientRect().top ?? 0;
      list.scrollTop -= 300;
      // No older page had come yet: the finger is stopped, or the page comes where nothing was drawn ahead.
      const nearTop = list.scrollTop < 600;
      // Where it comes to rest: on a busy machine the list may need more than a frame to measure what came in.
      let top = NaN;
      for (let frames = 0; frames < 10 && top !== anchor?.getBoundingClientRect().top; frames++) {
        top = anchor?.getBoundingClientRect().top ?? 0;
        await frame();
        await frame();
      }
      if (anchor?.isConnected) steps.push({ moved: anchor.getBoundingClientRect().top - before, nearTop });
      for (const bubble of bubbles()) oldest = Math.min(oldest, numberOf(bubble) || oldest);
    }
    return { steps, oldest, inTheDocument: bubbles().length };
  });
  expect(jumps.oldest).toBeLessThanOrEqual(9_000);
  // Only what is near the screen is in the document.
  expect(jumps.inTheDocument).toBeLessThan(120);
  expect(jumps.inTheDocument).toBeGreaterThan(3);
  // All others moved what was read by the 300 pixels of the finger, and they are the rule.
  const free = jumps.steps
    .filter(({ nearTop }, at) => !nearTop && !jumps.steps[at - 1]?.nearTop)
    .map(({ moved }) => moved);
  expect(free.length).toBeGreaterThan(20);
  expect(free.length).toBeGreaterThan(jumps.steps.length / 2);
  expect(free.filter((moved) => Math.abs(moved - 300) > 2)).toEqual([]);
  // And none went back.
  expect(jumps.steps.filter(({ moved }) => moved < -2)).toEqual([]);

  await alice.write(phil, 'back at the end');
  await expect(alice.bubble(phil, 'back at the end')).toBeVisible();
  await context.close();
  await server.remove();
});

test('what is unread opens at its first message, and is read as far as it is seen', async ({ person }) => {
  const alice = await person('Alice Martin');
  const bob = await person('Bob Nkemelu');
  const { page } = alice;
  const line = alice.log(bob).getByText(en.thread.newMessages, { exact: true });
  await bob.find(alice);
  for (let n = 1; n <= 30; n++) await bob.write(alice, `old ${n}`);
  await alice.open(bob);
  await expect(line).toBeInViewport();
  await page.getByRole('button', { name: en.thread.toEnd }).click();
  await expect(alice.bubble(bob, 'old 30')).toBeInViewport();
  await expect(alice.row(bob)).not.toContainText('unread');
  await expect(bob.log(alice).getByText(en.thread.ticks.read, { exact: true }).last()).toBeVisible();
  await expect(bob.log(alice).getByText(en.thread.ticks.delivered, { exact: true })).toHaveCount(0);
  const address = page.url();
  await page.goto('/');
  await expect(alice.row(bob)).toBeVisible();

  for (let n = 1; n <= 100; n++) await bob.write(alice, `new ${n}`);
  await expect(alice.row(bob)).toContainText(en.conversations.unread(100));
  await alice.open(bob);
  await expect(line).toBeInViewport();
  await expect(alice.bubble(bob, 'new 1')).toBeInViewport();
  await expect(alice.bubble(bob, 'new 100')).not.toBeInViewport();
  await expect(alice.row(bob)).toContainText(/\b[789]\d unread messages/);
  await expect(alice.row(bob)).toContainText('new 100');

  // The server, and so the other windows, know no more than that.
  const window = alice.at(await page.context().newPage());
  await window.page.goto('/');
  await expect(window.row(bob)).toContainText(/\b[789]\d unread messages/);
  await page.bringToFront();
  await page.getByRole('button', { name: en.thread.toEnd }).click();
  await expect(alice.bubble(bob, 'new 100')).toBeInViewport();
  for (const each of [alice, window]) await expect(each.row(bob)).not.toContainText('unread');
  await window.page.close();

  // A thread that is open at a reload is opened anew.
  await page.goto('about:blank');
  for (let n = 1; n <= 3; n++) await bob.write(alice, `after ${n}`);
  await expect(bob.tick(alice, 'sent')).toBeVisible();
  await page.goto(address);
  await expect(line).toBeInViewport();
  for (let n = 1; n <= 3; n++) await expect(alice.bubble(bob, `after ${n}`)).toBeInViewport();
  await expect(alice.row(bob)).not.toContainText('unread');
  await expect(bob.tick(alice, 'read')).toBeVisible();
});

test('more unread than one can catch up with opens at the end, and offers the first of it', async ({
  browser,
}) => {
  const server = await Server.start({ options: ['--frames-per-second', '100000'] });
  const context = await browser.newContext({ baseURL: server.url, locale: 'en-GB' });
  const alice = new Person('Alice Martin', await context.newPage());
  const { page } = alice;
  watch(page);
  await alice.signUp();
  await promisify(execFile)(FILL, [server.url, alice.handle, '700', '50000']);
  const phil = new Person('Phil Writer', page);
  await expect(alice.row(phil)).toContainText(en.conversations.unread(700));
  await alice.open(phil);
  const offer = page.getByRole('button', { name: en.thread.toUnread });
  const first = alice
    .log(phil)
    .getByRole('article')
    .filter({ hasText: /Message 1\b/ });
  await expect(alice.log(phil).getByText(/^Message 700\b/)).toBeInViewport();
  await expect(offer).toBeVisible();
  // Whoever has only come has not read it yet.
  await expect(alice.row(phil)).toContainText(en.conversations.unread(700));

  await offer.focus();
  await page.keyboard.press('Enter');
  await expect(first).toBeInViewport();
  await expect(first).toBeFocused();
  await expect(offer).toHaveCount(0);
  await expect(alice.row(phil)).toContainText(/\b6\d\d unread messages/);
  await page.getByRole('button', { name: en.thread.toEnd }).click();
  await expect(alice.log(phil).getByText(/^Message 700\b/)).toBeInViewport();
  await expect(alice.row(phil)).not.toContainText('unread');

  // The same again, for who would rather stay.
  await page.goto('about:blank');
  await promisify(execFile)(FILL, [server.url, alice.handle, '650', '50000']);
  await page.goto('/');
  await page
    .getByRole('navigation')
    .getByRole('link', { name: en.conversations.unread(650) })
    .click();
  await expect(offer).toBeVisible();
  await page.getByRole('button', { name: en.thread.notToUnread }).click();
  await expect(offer).toHaveCount(0);
  await expect(page.getByRole('navigation')).not.toContainText('unread');
  await context.close();
  await server.remove();
});
