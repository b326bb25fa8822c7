import { Profile } from './support/profile.ts';
import { Person, Server, en, expect, test, watch } from './support/test.ts';
import { Wiretap, filesOf, traceOf } from './support/traces.ts';

test('the words typed and the password appear nowhere in what the server saw', async ({ browser }) => {
  const server = await Server.start({ options: ['--log', 'trace'] });
  const tap = await Wiretap.before(server.port);
  const join = async (name: string) => {
    const page = await (await browser.newContext({ baseURL: `http://localhost:${tap.port}` })).newPage();
    watch(page);
    tap.listen(page);
    const person = new Person(name, page);
    await person.signUp();
    return person;
  };
  const alice = await join('Alice Wonderland');
  const bob = await join('Bob Looking-Glass');
  await alice.find(bob);
  await alice.write(bob, 'the jabberwock with eyes of flame');
  await bob.open(alice);
  await bob.write(alice, 'callooh callay he chortled');
  await expect(alice.bubble(bob, 'callooh callay he chortled')).toBeVisible();
  await alice.page.reload();
  await expect(alice.bubble(bob, 'the jabberwock with eyes of flame')).toBeVisible();
  await alice.page.context().close();
  await bob.page.context().close();
  await server.stop();

  const files = filesOf(server.data);
  // What is stored and sent in clear is found, so what is not found is not there.
  expect(traceOf(files, 'Alice Wonderland')).not.toBeNull();
  expect(traceOf(tap.traffic, 'Alice Wonderland')).not.toBeNull();
  expect(traceOf(tap.traffic, alice.handle), 'in the base64 of the key bundle').not.toBeNull();
  expect(traceOf(tap.traffic, '"type":"send"'), 'in the frames of the sockets').not.toBeNull();
  expect(traceOf(Buffer.from(server.log), '/api/register/finish')).not.toBeNull();
  const session = /Set-Cookie: entrenous=([^;]+)/i.exec(tap.traffic.toString('latin1'))?.[1] ?? '';
  expect(session).toHaveLength(43);

  const secrets = ['jabberwock', 'callooh callay', 'chortled', alice.password, bob.password];
  for (const { recoveryCode } of [alice, bob]) secrets.push(recoveryCode, recoveryCode.replaceAll('-', ''));
  for (const secret of secrets) {
    expect(traceOf(files, secret), `${secret} in the files`).toBeNull();
    expect(traceOf(tap.traffic, secret), `${secret} in the traffic`).toBeNull();
  }
  expect(traceOf(files, session), 'the session token in the files').toBeNull();
  tap.close();
  await server.remove();
});

test('nor does what is changed, answered, felt, planned, set or begun; and what the page keeps of a draft is sealed', async ({
  browser,
}) => {
  test.slow();
  const server = await Server.start({ options: ['--log', 'trace'] });
  const tap = await Wiretap.before(server.port);
  const baseURL = `http://localhost:${tap.port}`;
  const fresh = async () => {
    const page = await (await browser.newContext({ baseURL, locale: 'en-GB' })).newPage();
    watch(page);
    tap.listen(page);
    return page;
  };
  const profile = new Profile(baseURL);
  const alice = new Person('Alice Wonderland', await profile.open());
  tap.listen(alice.page);
  await alice.signUp();
  const bob = new Person('Bob Looking-Glass', await fresh());
  await bob.signUp();
  const { page } = alice;

  await alice.find(bob);
  await alice.write(bob, 'the slithy toves');
  await bob.open(alice);
  await bob.write(alice, 'all mimsy were they');
  await expect(alice.bubble(bob, 'all mimsy were they')).toBeVisible();
  await alice.act(bob, 'slithy', 'edit');
  await expect(alice.composer(bob)).toHaveValue('the slithy toves');
  await alice.write(bob, 'the borogoves');
  await expect(bob.bubble(alice, 'the borogoves')).toBeVisible();
  await alice.act(bob, 'mimsy', 'reply');
  await alice.write(bob, 'gimble in the wabe');
  await expect(bob.bubble(alice, 'gimble in the wabe')).toBeVisible();
  // One that is long enough to be found by chance nowhere.
  await (await alice.menuOf(bob, ': all mimsy')).getByRole('menuitem', { name: en.emoji.more }).click();
  await page.getByRole('searchbox').fill('family');
  const family = page.getByRole('gridcell').filter({ hasText: /.{8}/ }).first();
  const emoji = await family.innerText();
  await family.getByRole('button').click();
  await expect(
    bob.log(alice).getByRole('button', { name: en.message.reaction(emoji, alice.displayName) }),
  ).toBeVisible();

  await alice.composer(bob).fill('beware the bandersnatch');
  await page.getByRole('button', { name: en.later.open }).click();
  await page.getByRole('button', { name: en.later.in.tomorrow }).click();
  await page.getByRole('button', { name: en.later.schedule, exact: true }).click();
  await alice.act(bob, ': all mimsy', 'save');
  await expect(page.getByText(en.message.saved)).toBeVisible();
  await alice.actOnRow(bob, en.list.pin);
  await page.getByRole('link', { name: en.settings.open }).click();
  await page.getByRole('switch', { name: en.notices.quiet }).check();
  await page.locator('input[type=time]').first().fill('23:17');
  await page.getByRole('button', { name: en.app.back }).click();
  if (!(await alice.composer(bob).isVisible())) await alice.open(bob);
  const id = new URL(page.url()).pathname.split('/')[2] ?? '';
  expect(id).toHaveLength(36);

  // All of it is on the server: another browser has it from there.
  const there = await alice.logInOn(await fresh());
  await expect(there.row(bob)).toContainText(en.list.pinned);
  await there.open(bob);
  await expect(there.page.getByRole('button', { name: en.later.waiting(1) })).toBeVisible();
  await expect(there.bubble(bob, 'the borogoves')).toBeVisible();
  await there.page.getByRole('button', { name: en.saved.title }).click();
  await expect(there.page.getByRole('dialog').getByRole('link', { name: 'all mimsy' })).toBeVisible();
  await there.page.keyboard.press('Escape');
  await there.page.getByRole('link', { name: en.settings.open }).click();
  await expect(there.page.locator('input[type=time]').first()).toHaveValue('23:17');

  // Begun, kept, and not sent. What a page keeps in clear is found where all that it keeps lies.
  await alice.composer(bob).fill('twas brillig');
  const window = alice.at(await page.context().newPage());
  await window.page.goto('/');
  await expect(window.row(bob)).toContainText(`${en.conversations.draft} twas brillig`);
  await page.evaluate(
    () =>
      new Promise<void>((resolve, reject) => {
        const opening = indexedDB.open('in clear', 1);
        opening.onerror = () => reject(new Error('not opened'));
        opening.onupgradeneeded = () => opening.result.createObjectStore('words');
        opening.onsuccess = () => {
          const kept = opening.result.transaction('words', 'readwrite');
          kept.objectStore('words').put({ text: 'snicker-snack' }, 1);
          kept.oncomplete = () => resolve();
        };
      }),
  );
  await profile.close();
  const disk = profile.files;
  const back = alice.at(await profile.open());
  await back.page.goto(`/c/${id}`);
  await expect(back.composer(bob)).toHaveValue('twas brillig');
  await profile.remove();
  await bob.page.context().close();
  await there.page.context().close();
  await server.stop();

  const words = ['slithy toves', 'mimsy were', 'borogoves', 'gimble in', 'bandersnatch', 'twas brillig'];
  expect(traceOf(disk, 'snicker-snack')).not.toBeNull();
  for (const secret of words) expect(traceOf(disk, secret), `${secret} on the disk`).toBeNull();

  const files = filesOf(server.data);
  expect(traceOf(files, 'Alice Wonderland')).not.toBeNull();
  for (const address of ['/api/scheduled', '/api/vault', 'type":"send"'])
    expect(traceOf(tap.traffic, address), address).not.toBeNull();
  const settings = ['"pinned"', `conversation/${id}`, `saved/${id}`, '"from":"23:17"'];
  for (const secret of [...words, emoji, ...settings]) {
    expect(traceOf(files, secret), `${secret} in the files`).toBeNull();
    expect(traceOf(tap.traffic, secret), `${secret} in the traffic`).toBeNull();
  }
  tap.close();
  await server.remove();
});
