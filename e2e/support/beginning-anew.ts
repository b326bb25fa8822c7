import { type Browser, type Page, expect } from '@playwright/test';
import type { Texts } from '../../web/src/i18n/en.ts';
import { en as enReset } from '../../web/src/features/reset/words/en.ts';
import { fr as frReset } from '../../web/src/features/reset/words/fr.ts';
import { Person } from './person.ts';
import { Server } from './server.ts';
import { en, fr, watch } from './test.ts';

export const NEW_PASSWORD = 'all is new, all is well';

export const resetWords = (t: Texts) => (t === fr ? frReset : enReset);

/** A server of one's own, where one knows who administers it. */
export class Place {
  private constructor(
    readonly server: Server,
    private readonly browser: Browser,
  ) {}

  static async of(browser: Browser, options: string[] = []): Promise<Place> {
    return new Place(await Server.start({ options }), browser);
  }

  async browserOf(locale = 'en-GB'): Promise<Page> {
    const { url } = this.server;
    const context = await this.browser.newContext({ baseURL: url, locale, reducedMotion: 'reduce' });
    const page = await context.newPage();
    watch(page);
    return page;
  }

  async person(displayName: string, locale = 'en-GB'): Promise<Person> {
    const t = locale.startsWith('fr') ? fr : en;
    const person = new Person(displayName, await this.browserOf(locale), t);
    await person.signUp();
    return person;
  }

  async leave(): Promise<void> {
    for (const context of this.browser.contexts()) await context.close();
    await this.server.remove();
  }
}

/** As an administrator does for somebody who came in person. Returns its address. */
export async function resetLink(admin: Person, of: Person): Promise<string> {
  const token = await admin.page.evaluate(async (handle) => {
    const found = (await (await fetch(`/api/people?q=${handle}`)).json()) as { people: { id: string }[] };
    const path = `/api/administration/people/${found.people[0]?.id ?? ''}/reset`;
    const made = await fetch(path, { method: 'POST' });
    return ((await made.json()) as { token: string }).token;
  }, of.handle);
  return `/reset#${token}`;
}

/** Down to the code that is shown. */
export async function fillReset({ page, t }: Person, { understood = true } = {}): Promise<void> {
  const w = resetWords(t);
  await page.getByLabel(t.password.new, { exact: true }).fill(NEW_PASSWORD);
  if (understood) await page.getByLabel(w.understood).check();
  await page.getByRole('button', { name: w.begin, exact: true }).click();
}

/** The same person, who knows nothing of before, at this browser. */
export async function beginAnew(who: Person, page: Page, link: string): Promise<Person> {
  const anew = Object.assign(who.at(page), { password: NEW_PASSWORD });
  await page.goto(link);
  await fillReset(anew);
  anew.recoveryCode = await anew.readRecoveryCode();
  await anew.confirmRecoveryCode(resetWords(anew.t).confirm);
  await expect(page.getByRole('button', { name: anew.t.search.open }).first()).toBeVisible();
  return anew;
}
