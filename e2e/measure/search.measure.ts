import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { Page } from '@playwright/test';
import { Person, Server, en, expect, test } from '../support/test.ts';

const FILL = fileURLToPath(new URL('../../target/debug/examples/fill', import.meta.url));
const MESSAGES = Number(process.env['MESSAGES'] ?? 100_000);
/** From what nearly all have, over what one has, to what none has. */
const QUERIES = [
  'message',
  'some more words',
  `message ${MESSAGES - 1}`,
  'mess 777 wor',
  'message 1',
  'zebra',
];
const ROUNDS = 10;

declare global {
  interface Window {
    longest: number;
  }
}

/** From now on the page notes for how long it answered nothing. */
function watchTasks(page: Page): Promise<void> {
  return page.evaluate(() => {
    window.longest = 0;
    let last = performance.now();
    const beat = new MessageChannel();
    beat.port1.onmessage = () => {
      const now = performance.now();
      window.longest = Math.max(window.longest, now - last);
      last = now;
      setTimeout(() => beat.port2.postMessage(null), 1);
    };
    beat.port2.postMessage(null);
  });
}

/** Milliseconds from a changed question to the answer in the list. */
function ask(page: Page, query: string): Promise<number> {
  return page.evaluate(async (words) => {
    const input = document.querySelector<HTMLInputElement>('[role=combobox]');
    const list = document.querySelector('[role=listbox]');
    if (!input || !list) throw new Error('no search is open');
    const answered = new Promise<void>((resolve) => {
      new MutationObserver((_, observer) => {
        if (list.getAttribute('aria-busy') === 'true') return;
        observer.disconnect();
        resolve();
      }).observe(list, { attributes: true, attributeFilter: ['aria-busy'] });
    });
    const from = performance.now();
    input.value = words;
    input.dispatchEvent(new Event('input', { bubbles: true }));
    await answered;
    return performance.now() - from;
  }, query);
}

test(`${MESSAGES} messages are indexed and searched`, async ({ browser }) => {
  const server = await Server.start({ options: ['--frames-per-second', '100000'] });
  const context = await browser.newContext({ baseURL: server.url, locale: 'en-GB' });
  const page = await context.newPage();
  const alice = new Person('Alice Martin', page);
  await alice.signUp();
  await page.goto('about:blank');
  await promisify(execFile)(FILL, [server.url, alice.handle, String(MESSAGES), '50000']);
  const phil = new Person('Phil Writer', page);
  await page.goto('/');
  await alice.open(phil);
  await expect(alice.log(phil).getByText(new RegExp(`^Message ${MESSAGES}\\b`))).toBeVisible();

  await watchTasks(page);
  await page.keyboard.press('Control+F');
  const from = Date.now();
  await page.getByRole('combobox').fill('message');
  await expect(page.getByRole('progressbar')).toBeVisible();
  const first = page.getByRole('option').first();
  await expect(first).toBeVisible();
  const firstFound = Date.now() - from;
  await expect(page.getByRole('progressbar')).toHaveCount(0, { timeout: 10 * 60_000 });
  const indexing = Date.now() - from;
  const longestWhileIndexing = await page.evaluate(() => window.longest);

  const times: Record<string, { median: number; slowest: number }> = {};
  for (const query of QUERIES) {
    const each: number[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      await ask(page, `x${round}`);
      each.push(await ask(page, query));
    }
    each.sort((a, b) => a - b);
    times[query] = { median: each[ROUNDS / 2] ?? NaN, slowest: each.at(-1) ?? NaN };
  }
  const { usage = NaN } = await page.evaluate(() => navigator.storage.estimate());

  await page.reload();
  await expect(alice.composer(phil)).toBeVisible();
  await watchTasks(page);
  await page.getByRole('button', { name: en.search.within }).click();
  const again = Date.now();
  await page.getByRole('combobox').fill(`message ${MESSAGES - 1}`);
  await expect(page.getByRole('option')).toHaveCount(1);
  const afterReload = Date.now() - again;
  const longestAfterReload = await page.evaluate(() => window.longest);

  console.log(
    JSON.stringify(
      {
        messages: MESSAGES,
        firstFound,
        indexing,
        longestWhileIndexing,
        times,
        afterReload,
        longestAfterReload,
        usage,
      },
      null,
      2,
    ),
  );
  await context.close();
  await server.remove();
});
