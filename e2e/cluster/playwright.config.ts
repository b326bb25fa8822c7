import { defineConfig } from '@playwright/test';
import base from '../playwright.config.ts';

// Two nodes: `make test-cluster`.
export default defineConfig(base, { testDir: '.', testMatch: 'cluster.ts', outputDir: '../results' });
