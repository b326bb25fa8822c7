import { Profile } from './support/profile.ts';
import { Person, en, expect, test } from './support/test.ts';

/** All messages of a thread by their place, as they are read. */
async function all(person: Person, other: Person, last: number): Promise<Record<number, string>> {
  await expect(async () => {
    await person.log(other).press('End');
    await expect(person.log(other).locator(`[data-seq="${last}"]`)).toBeInViewport({ timeout: 500 });
  }).toPass();
  return person.log(other).evaluate(async (log) => {
    const frame = () => new Promise((resolve) => requestAnimationFrame(resolve));
    const met: Record<number, string> = {};
    const look = () => {
      for (const row of log.querySelectorAll<HTMLElement>('[data-seq]'))
        met[Number(row.dataset['seq'])] = row.innerText.replace(/\s+/g, ' ');
    };
    log.dispatchEvent(new WheelEvent('wheel'));
    // What is just being put there has no words yet.
    for (look(); !met[1]; look()) {
      log.scrollTop -= 300;
      await frame();
      await frame();
    }
    return met;
  });
}

/** What is said to be found, and all of it that is shown. */
async function found({ page }: Person, words: string): Promise<string[]> {
  await page.getByRole('button', { name: en.search.open, exact: true }).click();
  await expect(page.getByRole('combobox')).toBeFocused();
  await page.getByRole('combobox').fill(words);
  await expect(page.getByRole('progressbar')).toHaveCount(0);
  const options = page.getByRole('group', { name: en.search.messages }).getByRole('option');
  await expect(options.first().or(page.getByText(en.search.nobody(words)))).toBeVisible();
  const texts = await options.allInnerTexts();
  await page.keyboard.press('Escape');
  await expect(page.getByRole('combobox')).toHaveCount(0);
  return texts;
}

test('a browser that was away shows and finds what a fresh one does, and nothing that is gone', async ({
  person,
  browserOf,
  server,
}) => {
  // Some hundred messages are typed: on a busy machine, for minutes.
  test.setTimeout(480_000);
  const bob = await person('Bob Nkemelu');
  const profile = new Profile(server.url);
  const signedUp = new Person('Alice Martin', await profile.open());
  await signedUp.signUp();
  let last = 0;
  const write = async (text: string) => {
    await bob.write(signedUp, text);
    last += 1;
  };
  /** Bob writes so many, and thinks better of every fourth. */
  const goOn = async (count: number, name: string) => {
    for (let n = 1; n <= count; n++) {
      await write(`${name} ${n}. ${n % 4 === 0 ? 'swift' : 'plain'}`);
      if (n % 4 !== 0) continue;
      await bob.stored(signedUp, `${name} ${n}. swift`);
      await bob.composer(signedUp).press('ArrowUp');
      await expect(bob.composer(signedUp)).toHaveValue(`${name} ${n}. swift`);
      await bob.write(signedUp, `${name} ${n}. slow`);
    }
  };
  /** And of some old ones. */
  const thinkBetter = async (edited: number, ...deleted: [number, number]) => {
    await bob.log(signedUp).press('Home');
    await bob.act(signedUp, `old ${edited}.`, 'edit');
    await expect(bob.composer(signedUp)).toHaveValue(`old ${edited}. hare`);
    await bob.write(signedUp, `old ${edited}. tortoise`);
    await expect(bob.composer(signedUp)).toHaveValue('');
    await bob.log(signedUp).press('Home');
    await expect(bob.bubble(signedUp, `old ${edited}. tortoise`)).toBeVisible();
    const [first, second] = deleted;
    await bob.act(signedUp, `old ${first}.`, 'select');
    const row = bob
      .log(signedUp)
      .getByRole('article')
      .filter({ hasText: `old ${second}.` });
    await row.getByRole('checkbox').check();
    await bob.page.getByRole('toolbar').getByRole('button', { name: en.message.delete }).click();
    await bob.page.getByRole('dialog').getByRole('button', { name: en.message.deleteForBoth }).click();
    await expect(row).toHaveCount(0);
  };

  await bob.find(signedUp);
  for (let n = 1; n <= 30; n++)
    await write(`old ${n}. ${n % 5 === 0 ? 'vanished' : n % 5 === 1 ? 'hare' : 'kept'}`);
  await signedUp.open(bob);
  expect(Object.keys(await all(signedUp, bob, last))).toHaveLength(30);
  await expect.poll(() => found(signedUp, 'hare')).toHaveLength(6);
  expect(await found(signedUp, 'vanished')).toHaveLength(6);

  // So much that one catches up, and then so much that one begins anew from the end.
  for (const [absence, { count, edited, deleted }] of [
    { count: 60, edited: 1, deleted: [5, 10] as [number, number] },
    { count: 340, edited: 6, deleted: [15, 20] as [number, number] },
  ].entries()) {
    await profile.close();
    await thinkBetter(edited, ...deleted);
    await goOn(count, absence === 0 ? 'new' : 'later');
    await expect(bob.tick(signedUp, 'sent')).toBeVisible();

    const back = signedUp.at(await profile.open());
    const read: string[] = [];
    back.page.on('request', (request) => {
      if (/messages\?.*limit=200/.test(request.url())) read.push(request.url());
    });
    await back.page.goto('/');
    await back.open(bob);
    const fresh = await back.logInOn(await browserOf());
    await fresh.open(bob);
    const shown = await all(back, bob, last);
    expect(Object.keys(shown)).toHaveLength(last);
    expect(await all(fresh, bob, last)).toEqual(shown);
    expect(shown[edited]).toContain(`old ${edited}. tortoise`);
    for (const seq of deleted) expect(shown[seq]).toContain(en.thread.instead.deleted);

    // What was read once is not read again: only what has changed.
    for (const [words, hits] of [
      ['kept', 18],
      ['hare', 5 - absence],
      ['tortoise', 1 + absence],
      ['vanished', 4 - 2 * absence],
      ['swift', 0],
    ] as const) {
      await expect.poll(() => found(back, words), { message: words }).toHaveLength(hits);
      await expect.poll(() => found(fresh, words)).toEqual(await found(back, words));
    }
    expect((await found(back, 'slow')).length).toBeGreaterThan(10);
    expect(read.length).toBeGreaterThan(0);
    expect(read.filter((address) => address.includes('before='))).toEqual([]);
    await fresh.page.context().close();
  }
  await profile.remove();
});
