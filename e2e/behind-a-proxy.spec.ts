import { Line, type Way } from './support/line.ts';
import { Nginx, type Site } from './support/nginx.ts';
import { Person, Server, en, expect, test as base, watch } from './support/test.ts';

interface Behind {
  server: Server;
  nginx: Nginx;
  /** Somebody who has just signed up, and the line of their page. */
  join: (name: string) => Promise<{ person: Person; line: Line }>;
}

/** A server that can only be reached through nginx. */
const test = base.extend<{ behind: (site: Site) => Promise<Behind> }>({
  behind: async ({ browser }, use) => {
    const ends: (() => Promise<unknown>)[] = [];
    await use(async (site) => {
      const server = await Server.start();
      ends.unshift(() => server.remove());
      const nginx = await Nginx.before(`http://127.0.0.1:${server.port}`, site);
      ends.unshift(() => nginx.remove());
      const join = async (name: string) => {
        const context = await browser.newContext({ baseURL: nginx.url });
        ends.unshift(() => context.close());
        const page = await context.newPage();
        watch(page);
        const line = new Line(page);
        await line.noteConnecting();
        const person = new Person(name, page);
        await person.signUp();
        return { person, line };
      };
      return { server, nginx, join };
    });
    for (const end of ends) await end();
  },
});

const SITES: [Site, Way][] = [
  ['healthy', 'socket'],
  ['withoutUpgrade', 'stream'],
  ['buffering', 'poll'],
];

for (const [site, way] of SITES) {
  test(`behind nginx (${site}), two people write to each other and notice nothing`, async ({ behind }) => {
    const { join } = await behind(site);
    const { person: alice, line: alices } = await join('Alice Martin');
    const { person: bob, line: bobs } = await join('Bob Nkemelu');
    for (const line of [alices, bobs]) await expect.poll(() => line.ways).toEqual([way]);

    await alice.find(bob);
    await alice.write(bob, 'one');
    await expect(bob.row(alice)).toContainText('one');
    await expect(alice.tick(bob, 'delivered')).toBeVisible();
    await bob.open(alice);
    await expect(alice.tick(bob, 'read')).toBeVisible();
    for (const text of ['two', 'three']) await bob.write(alice, text);
    await expect(alice.bubble(bob, 'three')).toBeVisible();
    await expect(bob.tick(alice, 'read')).toBeVisible();
    await alice.write(bob, 'four');
    await expect(bob.bubble(alice, 'four')).toBeVisible();
    await expect(bob.log(alice).getByText(/^(one|two|three|four)$/)).toHaveText([
      'one',
      'two',
      'three',
      'four',
    ]);

    for (const line of [alices, bobs]) {
      await expect.poll(() => line.ways).toEqual([way]);
      expect(line.sent.some((frame) => frame.includes('"type":"send"'))).toBe(way === 'socket');
      expect(await line.connectingShown()).toBe(false);
    }
  });

  test(`behind nginx (${site}), a session that ends is noticed at once`, async ({ behind }) => {
    const { join } = await behind(site);
    const { person: alice, line } = await join('Alice Martin');
    await expect.poll(() => line.ways).toEqual([way]);
    // With the same cookie, but not from the page: only the line can tell it.
    expect((await alice.page.request.post('/api/logout')).status()).toBe(204);
    await expect(alice.page.getByRole('button', { name: en.logIn.submit, exact: true })).toBeVisible();
    await expect.poll(() => line.ways).toEqual([]);
  });

  test(`behind nginx (${site}), all is as before when nginx or the server was away`, async ({ behind }) => {
    const { server, nginx, join } = await behind(site);
    const { person: alice, line: alices } = await join('Alice Martin');
    const { person: bob, line: bobs } = await join('Bob Nkemelu');
    await alice.find(bob);
    await alice.write(bob, 'before');
    await bob.open(alice);
    await expect(alice.tick(bob, 'read')).toBeVisible();

    for (const away of [nginx, server]) {
      const text = away === nginx ? 'without nginx' : 'without the server';
      await away.stop();
      await alice.write(bob, text);
      await expect(alice.tick(bob, 'waiting')).toBeVisible();
      await expect(bob.page.getByText(en.conversations.connecting)).toBeVisible();
      await away.start();
      await expect(bob.bubble(alice, text)).toBeVisible({ timeout: 45_000 });
      await expect(bob.page.getByText(en.conversations.connecting)).toHaveCount(0);
      await expect(alice.tick(bob, 'read')).toBeVisible({ timeout: 45_000 });
      // Whatever was quicker in the confusion: in the end it is the best way there is.
      for (const line of [alices, bobs])
        await expect.poll(() => line.ways, { timeout: 30_000 }).toEqual([way]);
    }
    expect(await bobs.connectingShown(), 'what the other tests watch for is seen').toBe(true);
    await expect(bob.log(alice).getByText(/^(before|without .*)$/)).toHaveText([
      'before',
      'without nginx',
      'without the server',
    ]);
  });
}
