import { defineConfig } from '@playwright/test';
import base from '../playwright.config.ts';

// As on PythonAnywhere: `make test-pythonanywhere`.
export default defineConfig(base, {
  testDir: '.',
  testMatch: 'pythonanywhere.ts',
  outputDir: '../results',
  timeout: 240_000,
  // Whoever was cut off comes back a while after the server has.
  expect: { timeout: 60_000 },
});
