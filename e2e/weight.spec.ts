import type { Request } from '@playwright/test';
import { en, expect, test } from './support/test.ts';

test('the first page is light, and the encryption comes while the person types', async ({ browserOf }) => {
  const page = await browserOf();
  const sizes = new Map<string, number>();
  page.on('requestfinished', async (request) => {
    const { responseBodySize } = await request.sizes();
    sizes.set(new URL(request.url()).pathname, responseBodySize);
  });
  const total = () => [...sizes.values()].reduce((sum, size) => sum + size, 0);
  const wasm = () => [...sizes].filter(([path]) => path.endsWith('.wasm'));

  await page.goto('/sign-up', { waitUntil: 'networkidle' });
  expect(wasm()).toEqual([]);
  expect(total()).toBeGreaterThan(20_000);
  expect(total()).toBeLessThan(150_000);

  const loaded = page.waitForResponse((response) => response.url().endsWith('.wasm'));
  await page.getByLabel(en.signUp.displayName).pressSequentially('Al');
  await (await loaded).finished();
  await expect.poll(() => wasm().length).toBe(1);
  expect(wasm()[0]?.[1]).toBeGreaterThan(20_000);
  expect(wasm()[0]?.[1]).toBeLessThan(200_000);
});

test('where one is signed in, a list and an open thread stand there after little more, and the encryption', async ({
  person,
}) => {
  const alice = await person('Alice Martin');
  const bob = await person('Bob Nkemelu');
  await alice.find(bob);
  await alice.write(bob, 'hello');
  await bob.open(alice);
  await bob.write(alice, 'hello to you');
  await expect(alice.bubble(bob, 'hello to you')).toBeVisible();
  const { page } = alice;
  const thread = page.url();
  await page.goto('about:blank');
  const session = await page.context().newCDPSession(page);
  await session.send('Network.clearBrowserCache');
  const requested: Request[] = [];
  page.on('request', (request) => requested.push(request));
  await page.goto(thread);
  await expect(alice.bubble(bob, 'hello to you')).toBeVisible();
  await expect(alice.row(bob)).toContainText('hello to you');

  const sizes = await Promise.all(
    requested.map(async (request) => {
      const { responseBodySize } = await request.sizes();
      const said = Number(await (await request.response())?.headerValue('content-length'));
      // Of a worker's script the browser does not tell how much came.
      return { path: new URL(request.url()).pathname, size: responseBodySize || said };
    }),
  );
  const sum = (of: typeof sizes) => of.reduce((sum, { size }) => sum + size, 0);
  const wasm = sizes.filter(({ path }) => path.endsWith('.wasm'));
  const others = sizes.filter((each) => !wasm.includes(each));
  expect(others.find(({ path }) => path.includes('vault.worker'))?.size).toBeGreaterThan(1_000);
  expect(sum(others)).toBeGreaterThan(50_000);
  expect(sum(others)).toBeLessThan(170_000);
  expect(wasm).toHaveLength(1);
  expect(sum(wasm)).toBeGreaterThan(20_000);
  expect(sum(wasm)).toBeLessThan(200_000);
});

test('files with a hash in their name are kept, the page is asked for again', async ({
  browserOf,
  server,
}) => {
  const page = await browserOf();
  const answer = await page.request.get('/');
  expect(answer.headers()['cache-control']).toBe('no-cache');
  const etag = answer.headers()['etag'] ?? '';
  const again = await fetch(server.url, { headers: { 'if-none-match': etag, 'accept-encoding': 'br' } });
  expect([again.status, await again.text()]).toEqual([304, '']);
  const script = /src="(\/assets\/[^"]+)"/.exec(await answer.text())?.[1] ?? '';
  const headers = (await page.request.get(script)).headers();
  expect(headers['cache-control']).toContain('immutable');
  expect(headers['content-encoding']).toBe('br');
  expect((await page.request.get('/assets/missing.js')).status()).toBe(404);
});
