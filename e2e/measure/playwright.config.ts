import all from '../playwright.config.ts';

/** What takes long and finds no faults, only figures: `make bench-search`. */
export default { ...all, testDir: '.', testMatch: '*.measure.ts', workers: 1, timeout: 15 * 60_000 };
