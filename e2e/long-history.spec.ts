import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { Person, Server, expect, test } from './support/test.ts';

const FILL = fileURLToPath(new URL('../target/debug/examples/fill', import.meta.url));

test('ten thousand messages page back without a jump and stay fluid', async ({ browser }) => {
  const server = await Server.start({ options: ['--frames-per-second', '100000'] });
  const context = await browser.newContext({ baseURL: server.url, locale: 'en-GB' });
  const alice = new Person('Alice Martin', await context.newPage());
  await alice.signUp();
  await promisify(execFile)(FILL, [server.url, alice.handle, '10000', '50000']);
  const phil = new Person('Phil Writer', alice.page);

  await alice.open(phil);
  const log = alice.log(phil);
  await expect(log.getByText(/^Message 10000\b/)).toBeVisible();

  // A reader's finger on the list: what stands still on the screen may not move when older messages come in.
  const jumps = await log.evaluate(async (list) => {
    const frame = () => new Promise((resolve) => requestAnimationFrame(resolve));
    const numberOf = (element: Element) => Number(/Message (\d+)/.exec(element.textContent)?.[1]);
    const bubbles = () => [...list.querySelectorAll('.bubble')];
    const steps: number[] = [];
    let oldest = Infinity;
    for (let step = 0; step < 400 && oldest > 9_000; step++) {
      const anchor = bubbles().find((bubble) => bubble.getBoundingClientRect().top > 200);
      const before = anchor?.getBoundingClientRect().top ?? 0;
      list.scrollTop -= 300;
      await frame();
      await frame();
      if (anchor?.isConnected) steps.push(anchor.getBoundingClientRect().top - before);
      for (const bubble of bubbles()) oldest = Math.min(oldest, numberOf(bubble) || oldest);
    }
    return { steps, oldest, inTheDocument: bubbles().length };
  });
  expect(jumps.oldest).toBeLessThanOrEqual(9_000);
  // Only what is near the screen is in the document.
  expect(jumps.inTheDocument).toBeLessThan(120);
  expect(jumps.inTheDocument).toBeGreaterThan(3);
  // Each step moved what was read by the 300 pixels of the finger, or by less where the next page was not there yet.
  const wild = jumps.steps.filter((step) => step < -2 || step > 304);
  expect(wild).toEqual([]);

  await alice.write(phil, 'back at the end');
  await expect(alice.bubble(phil, 'back at the end')).toBeVisible();
  await context.close();
  await server.remove();
});
