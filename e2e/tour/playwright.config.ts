import { defineConfig } from '@playwright/test';
import tests from '../playwright.config.ts';

/** Not a test: the pictures of docs/using.md and docs/fr/utiliser.md (`make tour`). */
export default defineConfig({
  ...tests,
  testDir: '.',
  testMatch: 'tour.ts',
  outputDir: '../results',
  workers: 1,
});
