import { Person, Server, expect, test, watch } from './support/test.ts';
import { Wiretap, contains, filesOf } from './support/traces.ts';

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
  expect(contains(files, 'Alice Wonderland')).toBe(true);
  expect(contains(tap.traffic, 'Alice Wonderland')).toBe(true);
  expect(contains(tap.traffic, alice.handle), 'in the base64 of the key bundle').toBe(true);
  expect(contains(tap.traffic, '"type":"send"'), 'in the frames of the sockets').toBe(true);
  expect(contains(Buffer.from(server.log), '/api/register/finish')).toBe(true);
  const session = /Set-Cookie: entrenous=([^;]+)/i.exec(tap.traffic.toString('latin1'))?.[1] ?? '';
  expect(session).toHaveLength(43);

  const secrets = ['jabberwock', 'callooh', 'chortled', alice.password, bob.password];
  for (const person of [alice, bob]) {
    secrets.push(
      person.recoveryCode,
      person.recoveryCode.replaceAll('-', ''),
      ...person.recoveryCode.split('-'),
    );
  }
  for (const secret of secrets.filter((secret) => secret.length > 4)) {
    expect(contains(files, secret), `${secret} in the files`).toBe(false);
    expect(contains(tap.traffic, secret), `${secret} in the traffic`).toBe(false);
  }
  expect(contains(files, session), 'the session token in the files').toBe(false);
  tap.close();
  await server.remove();
});
