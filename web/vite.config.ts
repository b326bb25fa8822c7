import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { brotliCompressSync, constants } from 'node:zlib';
import { svelte } from '@sveltejs/vite-plugin-svelte';
import type { Plugin } from 'vite';
import { defineConfig } from 'vitest/config';
import { emojiData } from './emoji-data.ts';

/**
 * Writes a `.br` sibling beside each asset worth compressing: the server
 * hands it out as it is, so that nothing is compressed while someone waits.
 */
function brotliSiblings(): Plugin {
  const worthIt = /\.(js|css|html|svg|wasm|json|webmanifest|txt)$/;
  return {
    name: 'brotli-siblings',
    apply: 'build',
    enforce: 'post',
    // From the files as they were written: other plugins still fill in chunks while the bundle is made.
    async writeBundle({ dir = '' }, bundle) {
      for (const fileName of Object.keys(bundle)) {
        if (!worthIt.test(fileName)) continue;
        const bytes = await readFile(join(dir, fileName));
        if (bytes.length < 512) continue;
        const compressed = brotliCompressSync(bytes, {
          params: {
            [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY,
            [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length,
          },
        });
        await writeFile(join(dir, `${fileName}.br`), compressed);
      }
    },
  };
}

/** More than this is not counted in so small a place. */
const HIGHEST = 9;
const FILL = '#c0392b';

/** The icon of the tab with a number on it: as large as there is room, since it is shown at 16 pixels. */
function numbered(icon: string, number: number): string {
  const more = number > HIGHEST;
  const [x, width, size] = more ? [6, 26, 14] : [12, 20, 16];
  const label = more ? `${HIGHEST}+` : String(number);
  const badge =
    `<rect x="${x}" width="${width}" height="20" rx="10" fill="${FILL}"/>` +
    `<text x="${x + width / 2}" y="${10 + size * 0.36}" fill="#fff" font-family="system-ui, sans-serif" ` +
    `font-size="${size}" font-weight="700" text-anchor="middle">${label}</text>`;
  return icon.replace('</svg>', `${badge}</svg>`);
}

/** `/favicon-1.svg` to `/favicon-9.svg` and `/favicon-9plus.svg`, from `public/favicon.svg`: the policy allows files only. */
function tabIcons(): Plugin {
  const plain = fileURLToPath(new URL('public/favicon.svg', import.meta.url));
  const draw = async () => {
    const icon = (await readFile(plain, 'utf8')).trim();
    const numbers = Array.from({ length: HIGHEST + 1 }, (_, at) => at + 1);
    return new Map(
      numbers.map((number) => [
        number > HIGHEST ? `favicon-${HIGHEST}plus.svg` : `favicon-${number}.svg`,
        numbered(icon, number),
      ]),
    );
  };
  return {
    name: 'tab-icons',
    async generateBundle() {
      for (const [fileName, source] of await draw()) this.emitFile({ type: 'asset', fileName, source });
    },
    configureServer(server) {
      server.middlewares.use((request, answer, next) => {
        void draw().then((icons) => {
          const icon = icons.get(request.url?.slice(1) ?? '');
          if (icon === undefined) return next();
          answer.setHeader('Content-Type', 'image/svg+xml').end(icon);
        }, next);
      });
    },
  };
}

export default defineConfig({
  plugins: [svelte(), emojiData(), tabIcons(), brotliSiblings()],
  build: {
    target: 'es2022',
    // The palette is written with light-dark(): these browsers know it, and nothing is rewritten.
    cssTarget: ['chrome123', 'firefox128', 'safari17.5'],
    // The policy allows no inline script and no data: address.
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
  },
  worker: { format: 'es' },
  css: { preprocessorOptions: { scss: { quietDeps: true, silenceDeprecations: ['import'] } } },
  server: {
    port: 5173,
    proxy: {
      // The server compares Origin with Host: keep the browser's Host.
      '/api': { target: 'http://localhost:8080', changeOrigin: false, ws: true },
    },
  },
  // Svelte's collections react in a browser only.
  resolve: process.env['VITEST'] ? { conditions: ['browser'] } : {},
  test: { include: ['src/**/*.test.ts'], environment: 'node' },
});
