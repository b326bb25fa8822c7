import type { Page } from '@playwright/test';
import { Person, en, expect, test } from './support/test.ts';

/** What a screen reader would say from here on: each text that comes into a live region. */
async function listen(page: Page): Promise<() => Promise<string[]>> {
  await page.evaluate(() => {
    const said: string[] = [];
    Object.assign(window, { said });
    new MutationObserver((changes) => {
      for (const { target, addedNodes } of changes) {
        const region = (target as Element).closest?.('[role="status"]');
        if (region)
          said.push(...[...addedNodes].map((node) => node.textContent?.trim() ?? '').filter(Boolean));
      }
    }).observe(document.body, { childList: true, subtree: true });
  });
  return () => page.evaluate(() => (window as unknown as { said: string[] }).said);
}

test('two people exchange messages both ways in real time', async ({ person }) => {
  const alice = await person('Alice Martin');
  const bob = await person('Bob Nkemelu');

  await alice.find(bob);
  await alice.write(bob, 'Bonjour Bob, are you there?');
  await expect(alice.bubble(bob, 'Bonjour Bob, are you there?')).toBeVisible();

  await expect(bob.row(alice)).toContainText('Bonjour Bob, are you there?');
  await bob.open(alice);
  await expect(bob.bubble(alice, 'Bonjour Bob, are you there?')).toBeVisible();
  await bob.write(alice, 'I am. À demain !');

  await expect(alice.bubble(bob, 'I am. À demain !')).toBeVisible();
  await expect(alice.log(bob).getByText(en.thread.ticks.read, { exact: true })).toHaveCount(1);
});

test('a fresh browser with only the password shows the history and can go on', async ({
  person,
  browserOf,
}) => {
  const alice = await person('Alice Martin');
  const bob = await person('Bob Nkemelu');
  await alice.find(bob);
  await alice.write(bob, 'one');
  await alice.write(bob, 'two');
  await bob.open(alice);
  await bob.write(alice, 'three');
  await expect(alice.bubble(bob, 'three')).toBeVisible();

  const elsewhere = await alice.logInOn(await browserOf());
  await elsewhere.open(bob);
  for (const text of ['one', 'two', 'three']) await expect(elsewhere.bubble(bob, text)).toBeVisible();

  await elsewhere.write(bob, 'four, from elsewhere');
  await expect(bob.bubble(alice, 'four, from elsewhere')).toBeVisible();
  await expect(alice.bubble(bob, 'four, from elsewhere')).toBeVisible();
});

test('each new message is announced, the same words again as well, and of whoever is not on the screen', async ({
  person,
}) => {
  const alice = await person('Alice Martin');
  const bob = await person('Bob Nkemelu');
  const carol = await person('Carol Osei');
  await bob.find(alice);
  await bob.write(alice, 'hello');
  await alice.open(bob);
  await expect(
    alice.page.getByText(en.thread.said(bob.displayName, 'hello'), { exact: true }),
  ).toBeAttached();
  const said = await listen(alice.page);
  await bob.write(alice, 'ok');
  await expect.poll(said).toEqual([en.thread.said(bob.displayName, 'ok')]);
  await bob.write(alice, 'ok');
  await expect.poll(said).toHaveLength(2);
  await carol.find(alice);
  await carol.write(alice, 'from elsewhere');
  await expect
    .poll(said)
    .toEqual([
      en.thread.said(bob.displayName, 'ok'),
      en.thread.said(bob.displayName, 'ok'),
      en.thread.said(carol.displayName, 'from elsewhere'),
    ]);
});

test('on a phone the focus goes into the thread and back to its row, and the thread says that it is offline', async ({
  person,
}) => {
  const phone = { viewport: { width: 375, height: 640 }, isMobile: true, hasTouch: true };
  const alice = await person('Alice Martin', phone);
  const bob = await person('Bob Nkemelu');
  const carol = await person('Carol Osei');
  for (const friend of [bob, carol]) {
    await friend.find(alice);
    await friend.write(alice, 'hello');
    await expect(alice.row(friend)).toContainText('hello');
  }
  const { page } = alice;
  const heading = page.getByRole('heading', { name: bob.displayName, exact: true });

  await alice.row(bob).tap();
  await expect(heading).toBeFocused();
  await page.getByRole('button', { name: en.thread.back }).tap();
  await expect(alice.row(bob)).toBeFocused();

  await page.keyboard.press('Enter');
  await expect(heading).toBeFocused();
  await alice.composer(bob).tap();
  await page.keyboard.press('Escape');
  await expect(alice.row(bob)).toBeFocused();

  await alice.row(bob).tap();
  await page.context().setOffline(true);
  await expect(page.getByText(en.conversations.offline).filter({ visible: true })).toBeVisible();
  await page.context().setOffline(false);
  await expect(page.getByText(en.conversations.offline).filter({ visible: true })).toHaveCount(0);
});

test('what no key writes is not sent, and far too much is said to be so, quickly', async ({ person }) => {
  const alice = await person('Alice Martin');
  const bob = await person('Bob Nkemelu');
  await alice.find(bob);
  await alice.write(bob, 'a\u0007b\u001b c');
  await expect(alice.bubble(bob, 'ab c')).toBeVisible();
  await alice.write(bob, '\u0000\u0001');
  const bubbles = alice.log(bob).getByText(en.thread.you);
  await expect(bubbles).toHaveCount(1);

  await alice.composer(bob).fill('word '.repeat(200_000));
  await expect(alice.page.getByText(en.composer.farTooLong)).toBeVisible();
  const start = Date.now();
  await alice.composer(bob).press('x');
  expect(Date.now() - start).toBeLessThan(2_000);
  await alice.composer(bob).press('Enter');
  await alice.composer(bob).fill('short again');
  await expect(alice.page.getByText(en.composer.farTooLong)).toHaveCount(0);
  await alice.composer(bob).press('Enter');
  await expect(bubbles).toHaveCount(2);
});

test('what a newer version writes is said to be so, and nothing else is disturbed by it', async ({
  browserOf,
  person,
}) => {
  const page = await browserOf();
  // A version that knows of polls: sealed like any other message, it says what this one has no words for.
  await page.addInitScript(() => {
    const post = Worker.prototype.postMessage;
    Worker.prototype.postMessage = function (question: { name: string; args: string[] }) {
      const { name, args } = question;
      if (name === 'sealText' && args[1]?.includes('Tea or coffee?'))
        args[1] = args[1].replace('"type":"text"', '"type":"poll","choices":["tea","coffee"]');
      post.call(this, question);
    };
  });
  const bob = new Person('Bob Nkemelu', page);
  await bob.signUp();
  const alice = await person('Alice Martin');
  const carol = await person('Chloé Petit', { locale: 'fr-FR' });
  for (const reader of [alice, carol]) {
    await bob.find(reader);
    await bob.write(reader, 'before');
    await bob.write(reader, 'Tea or coffee?');
    const { newer } = reader.t.thread.instead;
    await expect(reader.row(bob)).toContainText(newer);
    await reader.open(bob);
    await expect(reader.bubble(bob, newer)).toBeVisible();
    await expect(reader.page.getByText('Tea or coffee?')).toHaveCount(0);
    await expect(reader.page.getByText(reader.t.thread.instead.unreadable)).toHaveCount(0);
    // There are no words to answer, to copy or to pass on.
    const menu = await reader.menuOf(bob, newer);
    await expect(menu.getByRole('menuitem')).toHaveText([
      reader.t.message.save,
      reader.t.message.link,
      reader.t.message.select,
    ]);
    await reader.page.keyboard.press('Escape');

    await reader.write(bob, 'and after');
    await expect(bob.bubble(reader, 'and after')).toBeVisible();
    await bob.write(reader, 'still here');
    await expect(reader.bubble(bob, 'still here')).toBeVisible();
    await expect(bob.tick(reader, 'read')).toBeVisible();
    await reader.page.reload();
    for (const text of ['before', newer, 'and after', 'still here'])
      await expect(reader.bubble(bob, text)).toHaveCount(1);
    await reader.page.keyboard.press('Control+K');
    await reader.page.getByRole('combobox').fill('coffee');
    await expect(reader.page.getByText(reader.t.search.nobody('coffee'))).toBeVisible();
    await reader.page.getByRole('combobox').fill('still');
    await expect(reader.page.getByRole('option', { name: 'still here' })).toBeVisible();
  }
});
