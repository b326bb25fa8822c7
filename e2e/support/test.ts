import { type BrowserContext, type BrowserContextOptions, type Page, test as base } from '@playwright/test';
import { en } from '../../web/src/i18n/en.ts';
import { fr } from '../../web/src/i18n/fr.ts';
import { newDatabase } from './database.ts';
import { Person } from './person.ts';
import { Server } from './server.ts';

export { expect } from '@playwright/test';
export { en, fr, Person, Server };

type WorkerFixtures = { server: Server };
type Fixtures = {
  /** A browser of its own that nobody has used yet. */
  browserOf: (options?: BrowserContextOptions) => Promise<Page>;
  /** Somebody who has just signed up in a browser of their own. */
  person: (displayName: string, options?: BrowserContextOptions) => Promise<Person>;
};

/** A page that throws, or that its own policy had to stop, is broken however well the rest looks. */
export function watch(page: Page): void {
  page.on('pageerror', (error) => {
    throw error;
  });
  page.on('console', (message) => {
    if (/Content Security Policy|Trusted|Uncaught/i.test(message.text())) throw new Error(message.text());
  });
}

export const test = base.extend<Fixtures, WorkerFixtures>({
  server: [
    // eslint-disable-next-line no-empty-pattern -- Playwright reads the fixtures one needs from this pattern.
    async ({}, use) => {
      const server = await Server.start({ options: await newDatabase() });
      await use(server);
      await server.remove();
    },
    { scope: 'worker' },
  ],

  browserOf: async ({ browser, server }, use) => {
    const contexts: BrowserContext[] = [];
    await use(async (options) => {
      const context = await browser.newContext({ baseURL: server.url, ...options });
      contexts.push(context);
      const page = await context.newPage();
      watch(page);
      return page;
    });
    await Promise.all(contexts.map((context) => context.close()));
  },

  person: async ({ browserOf }, use) => {
    await use(async (displayName, options) => {
      const texts = options?.locale?.startsWith('fr') ? fr : en;
      const person = new Person(displayName, await browserOf(options), texts);
      await person.signUp();
      return person;
    });
  },
});
