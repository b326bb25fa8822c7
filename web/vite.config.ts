import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
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

export default defineConfig({
  plugins: [svelte(), emojiData(), brotliSiblings()],
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
