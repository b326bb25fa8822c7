import type { Page } from '@playwright/test';
import { DAY, wrongClock } from './support/clock.ts';
import { Person, en, expect, test } from './support/test.ts';

/** Holds each page's new epoch until all of them have made one: of these only one can be the next. */
async function atOnce(pages: Page[]): Promise<{ answers: number[] }> {
  const answers: number[] = [];
  let held = 0;
  let open: () => void = () => undefined;
  const all = new Promise<void>((resolve) => (open = resolve));
  for (const page of pages) {
    await page.route('**/api/conversations/*/epochs', async (route) => {
      if (route.request().method() !== 'POST') return route.fallback();
      if (++held === pages.length) open();
      await all;
      const answer = await route.fetch();
      answers.push(answer.status());
      await route.fulfill({ response: answer });
    });
  }
  return { answers };
}

async function allIsWell(person: Person, other: Person, texts: string[]): Promise<void> {
  for (const text of texts) await expect(person.bubble(other, text)).toHaveCount(1);
  await expect(person.log(other).getByText(en.thread.ticks.waiting, { exact: true })).toHaveCount(0);
  await expect(person.page.getByRole('button', { name: en.thread.discard })).toHaveCount(0);
  await expect(person.page.getByText(en.thread.instead.unreadable)).toHaveCount(0);
}

test('two who write their first words to each other at the same moment both arrive', async ({ person }) => {
  const alice = await person('Alice Martin');
  const bob = await person('Bob Nkemelu');
  await alice.find(bob);
  await bob.find(alice);
  const { answers } = await atOnce([alice.page, bob.page]);
  await alice.write(bob, 'from Alice');
  await bob.write(alice, 'from Bob');
  for (const [one, other] of [
    [alice, bob],
    [bob, alice],
  ] as const) {
    await allIsWell(one, other, ['from Alice', 'from Bob']);
  }
  expect(answers.sort()).toEqual([201, 409]);
});

test('three browsers of two people that all begin the next epoch agree on one', async ({ browserOf }) => {
  const clocks: ((by: number) => Promise<void>)[] = [];
  const fresh = async () => {
    const page = await browserOf();
    clocks.push(await wrongClock(page, 0));
    return page;
  };
  const alice = new Person('Alice Martin', await fresh());
  await alice.signUp();
  const bob = new Person('Bob Nkemelu', await fresh());
  await bob.signUp();
  await alice.find(bob);
  await alice.write(bob, 'a week ago');
  await bob.open(alice);
  await expect(bob.bubble(alice, 'a week ago')).toBeVisible();
  const elsewhere = await alice.logInOn(await fresh());
  await elsewhere.open(bob);
  await expect(elsewhere.bubble(bob, 'a week ago')).toBeVisible();

  for (const setAhead of clocks) await setAhead(8 * DAY);
  const { answers } = await atOnce([alice.page, bob.page, elsewhere.page]);
  await alice.write(bob, 'from Alice');
  await bob.write(alice, 'from Bob');
  await elsewhere.write(bob, 'from Alice elsewhere');
  for (const [one, other] of [
    [alice, bob],
    [bob, alice],
    [elsewhere, bob],
  ] as const) {
    await allIsWell(one, other, ['a week ago', 'from Alice', 'from Bob', 'from Alice elsewhere']);
  }
  expect(answers.sort()).toEqual([201, 409, 409]);
});
