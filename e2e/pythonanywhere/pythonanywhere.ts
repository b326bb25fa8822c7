import { execFile } from 'node:child_process';
import {
  appendFileSync,
  copyFileSync,
  readdirSync,
  realpathSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { type Browser, type Page, chromium } from '@playwright/test';
import { Line } from '../support/line.ts';
import { story } from '../support/story.ts';
import { Person, expect, test, watch } from '../support/test.ts';
import { Host } from './host.ts';

const BINARY =
  process.env['ENTRENOUS_BINARY'] ?? fileURLToPath(new URL('../../target/debug/entrenous', import.meta.url));
const PASSWORD = `p@ss:w/örd %$'"#?`;

/** A database as PythonAnywhere makes it: its user may do what they like in it, on three connections, and nothing else. */
async function account(): Promise<{ host: string; sql: (words: string) => Promise<string> }> {
  const { hostname, port, username } = new URL(process.env['ENTRENOUS_TEST_DATABASE'] ?? '');
  const words = [
    `--host=${hostname}`,
    `--port=${port}`,
    `--user=${username}`,
    '--protocol=tcp',
    '--skip-column-names',
  ];
  const sql = async (statement: string) => {
    const ran = await promisify(execFile)('mariadb', ['--no-defaults', ...words, '--execute', statement]);
    return ran.stdout.trim();
  };
  const password = PASSWORD.replaceAll("'", "''");
  await sql(`CREATE DATABASE \`alice$entrenous\` CHARACTER SET latin1;
    CREATE USER alice IDENTIFIED BY '${password}' WITH MAX_USER_CONNECTIONS 3;
    GRANT ALL ON \`alice$entrenous\`.* TO alice;
    SET GLOBAL wait_timeout = 2`);
  return { host: `${hostname}:${port}`, sql };
}

/** Another version: the same program, with a byte after its end. */
function anotherVersion(host: Host): string {
  const file = join(host.home, 'uploaded');
  copyFileSync(BINARY, file);
  appendFileSync(file, '\0');
  return file;
}

/** People's browsers, for which the domain leads to this host. */
async function browserFor(host: Host, run: (at: () => Promise<Page>) => Promise<void>): Promise<void> {
  const { launchOptions } = test.info().project.use;
  const args = [...(launchOptions?.args ?? []), host.resolver];
  const browser: Browser = await chromium.launch({ ...launchOptions, args });
  try {
    await run(async () => {
      const options = { baseURL: host.url, locale: 'en-GB', ignoreHTTPSErrors: true };
      const page = await (await browser.newContext(options)).newPage();
      watch(page);
      return page;
    });
  } finally {
    await browser.close();
  }
}

const setupCodeOf = (said: string) => /set-up code: (\w{16})/.exec(said)?.[1];

test('with MySQL: set up, used, left alone, upgraded and rolled back', async () => {
  const { host: server, sql } = await account();
  const host = await Host.open('healthy');
  const folder = join(host.home, 'entrenous');
  const settings = join(folder, 'entrenous.toml');
  const versions = () => readdirSync(join(folder, 'versions')).length;
  try {
    // The domain, the kind of database, its host, user and name, and the password.
    const answers = ['', '', server, '', ''];
    const mistyped = await host.setup([BINARY], [...answers, 'of another account']);
    expect(mistyped.code).toBe(1);
    expect(mistyped.said).toMatch(/FAIL {2}database mysql:.*\n.*\n(.*\n)*setup: put that right/);
    expect(mistyped.said).not.toContain('of another account');
    rmSync(settings);

    const first = await host.setup([BINARY], [...answers, PASSWORD]);
    expect(first.said).toContain('It answers.');
    expect(first.code).toBe(0);
    expect(statSync(settings).mode & 0o777).toBe(0o600);
    // The first process of its world.
    expect(host.process).toMatchObject({ own: 1, name: 'entrenous' });

    await browserFor(host, async (at) => {
      const alice = new Person('Éloïse Marchand', await at());
      const bob = new Person('Bob Nkemelu', await at());
      const line = new Line(bob.page);
      await alice.signUp({ setupCode: setupCodeOf(first.said) });
      await bob.signUp();
      await story(alice, bob, await at());
      await expect.poll(() => line.ways).toEqual(['socket']);

      // The balancer lets no upgrade through any more.
      await host.passes('withoutUpgrade');
      await alice.write(bob, 'by another way');
      await expect(bob.bubble(alice, 'by another way')).toBeVisible();
      await expect.poll(() => line.ways).toEqual(['stream']);

      // The database ends connections on which nothing is said.
      const connections = "SELECT COUNT(*) FROM information_schema.processlist WHERE user = 'alice'";
      await expect.poll(() => sql(connections)).toBe('0');
      await alice.write(bob, 'after a while');
      await expect(bob.bubble(alice, 'after a while')).toBeVisible();
      await expect(alice.tick(bob, 'read')).toBeVisible();

      const upgraded = await host.setup([anotherVersion(host)]);
      expect(upgraded.said).toContain('The settings stay as they are');
      expect(upgraded.code).toBe(0);
      expect(versions()).toBe(2);
      await bob.write(alice, 'after the upgrade');
      await expect(alice.bubble(bob, 'after the upgrade')).toBeVisible();

      // One that only says that it is good.
      const broken = join(host.home, 'broken');
      writeFileSync(broken, '#!/bin/sh\n[ "$1" = --version ] && echo entrenous 9.9.9\n[ "$1" != serve ]\n', {
        mode: 0o700,
      });
      const stayed = await host.setup([broken], [], { PATIENCE: '10' });
      expect(stayed.said).toMatch(/entrenous-9\.9\.9-\w{8} is not served; .* is, as before\n$/);
      expect(stayed.code).toBe(1);
      await alice.write(bob, 'as before');
      await expect(bob.bubble(alice, 'as before')).toBeVisible();

      const now = realpathSync(join(folder, 'entrenous'));
      expect((await host.setup(['--roll-back'])).code).toBe(0);
      expect(realpathSync(join(folder, 'entrenous.before'))).toBe(now);
      await bob.write(alice, 'with the version of before');
      await expect(alice.bubble(bob, 'with the version of before')).toBeVisible();
    });
    expect(host.log).not.toContain(' ERROR ');
  } finally {
    await host.remove();
  }
});

test('with SQLite on a disk of the network, and without upgrades', async () => {
  const host = await Host.open('withoutUpgrade');
  try {
    const first = await host.setup([BINARY], ['', 'sqlite']);
    expect(first.code).toBe(0);
    // Again, by somebody who is not sure: nothing is asked, and nothing lost.
    const again = await host.setup([BINARY]);
    expect(again.code).toBe(0);
    await browserFor(host, async (at) => {
      const alice = new Person('Éloïse Marchand', await at());
      const bob = new Person('Bob Nkemelu', await at());
      const line = new Line(bob.page);
      await alice.signUp({ setupCode: setupCodeOf(again.said) });
      await bob.signUp();
      await expect.poll(() => line.ways).toEqual(['stream']);
      await alice.find(bob);
      await alice.write(bob, 'one');
      await expect(bob.row(alice)).toContainText('one');
      await host.reload();
      await alice.write(bob, 'two');
      await expect(bob.row(alice)).toContainText('two');
    });
    expect(readdirSync(join(host.home, 'entrenous/data')).filter((name) => name.endsWith('-wal'))).toEqual(
      [],
    );
    expect(host.log).not.toContain(' ERROR ');
  } finally {
    await host.remove();
  }
});
