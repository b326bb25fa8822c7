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
