import type { Page, Route } from '@playwright/test';
import type { Message, SignedIn } from '../../web/src/lib/api/types.ts';
import type { Person } from './person.ts';

export interface History {
  messages: Message[];
  next?: number | null;
}

/** The server as it is, but for what it says here: the lie may change the answer, or be another one. */
export async function lie<Answer>(
  page: Page,
  address: string | RegExp,
  told: (answer: Answer, url: URL) => unknown,
): Promise<() => Promise<void>> {
  const matches = typeof address === 'string' ? `**/api/${address}` : address;
  const underWay = new Set<Promise<void>>();
  const answer = async (route: Route) => {
    const response = await route.fetch();
    if (!response.ok() || response.status() === 204) return route.fulfill({ response });
    const said = (await response.json()) as Answer;
    await route.fulfill({ response, json: told(said, new URL(route.request().url())) ?? said });
  };
  await page.route(matches, async (route) => {
    const answered = answer(route);
    underWay.add(answered);
    await answered.finally(() => underWay.delete(answered));
  });
  return async () => {
    await Promise.all(underWay);
    await page.unroute(matches);
  };
}

/** As the page itself would ask. */
export async function honest<Answer>({ page }: Person, path: string): Promise<Answer> {
  return (await (await page.request.get(`/api/${path}`)).json()) as Answer;
}

export const sessionOf = (person: Person) => honest<SignedIn>(person, 'session');

/** The conversation that is open there. */
export const openAt = ({ page }: Person) => /\/c\/([^/]+)/.exec(page.url())?.[1] ?? '';

/** With one byte of it another. */
export function bent(base64: string, at: number): string {
  const bytes = Buffer.from(base64, 'base64url');
  bytes[at] = (bytes[at] ?? 0) ^ 1;
  return bytes.toString('base64url');
}
