import { en, expect, test } from './support/test.ts';

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
