import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { between, frame } from './support/between.ts';
import { Person, Server, en, expect, test } from './support/test.ts';

const FILL = fileURLToPath(new URL('../target/debug/examples/fill', import.meta.url));

test('frames that come twice, in another order, or never, leave each message once and in order', async ({
  person,
}) => {
  const alice = await person('Alice Martin');
  const bob = await person('Bob Nkemelu');
  let mode: 'twice' | 'late' | 'lost' | 'whole' = 'twice';
  let lost = 0;
  let late: string[] = [];
  const sockets = await between(bob.page, {
    fromServer(text) {
      if (mode === 'twice') return [text, text];
      if (mode === 'whole' || frame(text).type !== 'message') return [text];
      if (mode === 'lost') lost += 1;
      else late = [text, ...late];
      return [];
    },
  });
  await alice.find(bob);
  for (const text of ['one', 'two', 'three']) await alice.write(bob, text);
  await bob.open(alice);
  await expect(bob.bubble(alice, 'three')).toBeVisible();

  mode = 'lost';
  for (const text of ['four', 'five']) await alice.write(bob, text);
  await expect.poll(() => lost).toBe(2);
  await expect(bob.bubble(alice, 'four')).toHaveCount(0);
  mode = 'whole';
  await alice.write(bob, 'six');
  await expect(bob.bubble(alice, 'six')).toBeVisible();

  // The last first.
  mode = 'late';
  for (const text of ['seven', 'eight', 'nine']) await alice.write(bob, text);
  await expect.poll(() => late.length).toBe(3);
  expect(late.map((text) => JSON.parse(text).message.seq)).toEqual([9, 8, 7]);
  for (const text of late) sockets.at(-1)?.send(text);
  await expect(bob.bubble(alice, 'nine')).toBeVisible();

  mode = 'lost';
  await alice.write(bob, 'ten');
  await expect.poll(() => lost).toBe(3);
  mode = 'whole';
  await sockets.at(-1)?.close({ code: 1013, reason: 'too slow' });
  await expect(bob.bubble(alice, 'ten')).toBeVisible();
  const all = ['one', 'two', 'three', 'four', 'five', 'six', 'seven', 'eight', 'nine', 'ten'];
  await expect(bob.log(alice).getByText(new RegExp(`^(${all.join('|')})$`))).toHaveText(all);
});

test('what could not be fetched is fetched again, on a line that stands', async ({ person }) => {
  const alice = await person('Alice Martin');
  const bob = await person('Bob Nkemelu');
  let lost = 0;
  let losing = false;
  const sockets = await between(bob.page, {
    fromServer(text) {
      if (!losing || frame(text).type !== 'message') return [text];
      lost += 1;
      return [];
    },
  });
  await alice.find(bob);
  await alice.write(bob, 'one');
  await bob.open(alice);
  await expect(bob.bubble(alice, 'one')).toBeVisible();
  losing = true;
  await alice.write(bob, 'two');
  await expect.poll(() => lost).toBe(1);
  losing = false;
  // The next one shows that something is missing, and the server cannot say what, just then.
  let refused = 0;
  await bob.page.route(/\/messages\?changed_after/, async (route) => {
    refused += 1;
    if (refused > 2) return route.continue();
    await route.fulfill({ status: 503, json: { code: 'unavailable', message: '' } });
  });
  await alice.write(bob, 'three');
  await expect(bob.bubble(alice, 'three')).toBeVisible();
  await expect(bob.log(alice).getByText(/^(one|two|three)$/)).toHaveText(['one', 'two', 'three']);
  expect(refused).toBeGreaterThan(2);
  expect(sockets).toHaveLength(1);
});

test('a window that was away for some hundreds of messages, or some thousands, finds them all', async ({
  browser,
}) => {
  const server = await Server.start({ options: ['--frames-per-second', '100000'] });
  const context = await browser.newContext({ baseURL: server.url, locale: 'en-GB' });
  const alice = new Person('Alice Martin', await context.newPage());
  await alice.signUp();
  const phil = new Person('Phil Writer', alice.page);

  for (const [before, { count, perSecond, missed }] of [
    { count: 300, perSecond: 100, missed: 200 },
    { count: 2_000, perSecond: 1_000, missed: 1_000 },
  ].entries()) {
    const writer = spawn(FILL, [server.url, alice.handle, `${count}`, `${perSecond}`], { stdio: 'ignore' });
    const written = once(writer, 'exit');
    await expect(alice.row(phil)).toHaveCount(before + 1);
    writer.kill('SIGSTOP');
    await alice.row(phil).first().click();
    await expect(
      alice
        .log(phil)
        .getByText(/^Message \d+\b/)
        .first(),
    ).toBeVisible();
    await context.setOffline(true);
    writer.kill('SIGCONT');
    await written;
    // Few enough are held that one page of changes, or all that is worth catching up, would not do.
    expect(await newest(alice, phil)).toBeLessThan(count - missed);
    await context.setOffline(false);
    // Whoever was reading is left where they were.
    await expect(async () => {
      await alice.log(phil).press('End');
      expect(await newest(alice, phil)).toBe(count);
    }).toPass();
    const from = count - 249;
    const all = Array.from({ length: 250 }, (_, at) => from + at);
    expect(await readFrom(alice, phil, from)).toEqual(all);
  }
  await context.close();
  await server.remove();
});

/** The number of the last message that is shown. */
function newest(person: Person, other: Person): Promise<number> {
  return person.log(other).evaluate((log) => {
    const numbers = [...log.querySelectorAll('.bubble')].map((bubble) =>
      Number(/Message (\d+)/.exec(bubble.textContent)?.[1]),
    );
    return Math.max(...numbers);
  });
}

/** Scrolls up beyond the message `from`, and returns the numbers of all that is met on the way down again. */
function readFrom(person: Person, other: Person, from: number): Promise<number[]> {
  return person.log(other).evaluate(async (log, from) => {
    const frame = () => new Promise((resolve) => requestAnimationFrame(resolve));
    const inSight = () => {
      const numbers = [...log.querySelectorAll('.bubble')].map((bubble) =>
        Number(/Message (\d+)/.exec(bubble.textContent)?.[1]),
      );
      if (new Set(numbers).size !== numbers.length) throw new Error(`twice: ${numbers.join()}`);
      return numbers;
    };
    log.dispatchEvent(new WheelEvent('wheel'));
    while (Math.min(...inSight()) > from) {
      log.scrollTop -= 1_000;
      await frame();
    }
    const met = new Set<number>();
    for (let end = false; !end;) {
      for (const number of inSight()) if (number >= from) met.add(number);
      end = log.scrollHeight - log.scrollTop - log.clientHeight < 1;
      log.scrollTop += 300;
      await frame();
      await frame();
    }
    return [...met];
  }, from);
}

test('receipts that were lost on a dying line are sent again', async ({ person }) => {
  const alice = await person('Alice Martin');
  const bob = await person('Bob Nkemelu');
  let dying = true;
  let lost = 0;
  const sockets = await between(bob.page, {
    toServer(text) {
      if (!dying || frame(text).type !== 'receipt') return true;
      lost += frame(text).read ? 1 : 0;
      return false;
    },
  });
  await alice.find(bob);
  await alice.write(bob, 'seen');
  await bob.open(alice);
  await expect(bob.bubble(alice, 'seen')).toBeVisible();
  await expect.poll(() => lost).toBe(1);
  await expect(alice.tick(bob, 'sent')).toBeVisible();

  dying = false;
  await sockets.at(-1)?.close({ code: 1013, reason: 'too slow' });
  await expect(alice.tick(bob, 'read')).toBeVisible();
});

test('a receipt is not lost with the window that was closed before it was sent', async ({ person }) => {
  const alice = await person('Alice Martin');
  const bob = await person('Bob Nkemelu');
  let lost = 0;
  await between(bob.page, {
    toServer(text) {
      lost += frame(text).read ? 1 : 0;
      return frame(text).type !== 'receipt';
    },
  });
  await alice.find(bob);
  await alice.write(bob, 'seen');
  await bob.open(alice);
  await expect.poll(() => lost).toBe(1);
  await expect(alice.tick(bob, 'sent')).toBeVisible();
  await bob.page.goto('about:blank');
  await expect(alice.tick(bob, 'read')).toBeVisible();
});

test('a receipt outlives the crash of its window, whatever is opened next', async ({ person }) => {
  const alice = await person('Alice Martin');
  const bob = await person('Bob Nkemelu');
  await alice.find(bob);
  await alice.write(bob, 'seen');
  await expect(alice.tick(bob, 'delivered')).toBeVisible();
  let lost = 0;
  await between(bob.page, {
    toServer(text) {
      lost += frame(text).read ? 1 : 0;
      return frame(text).type !== 'receipt';
    },
  });
  await bob.open(alice);
  await expect.poll(() => lost).toBe(1);
  await bob.page.route('**/receipts', (route) => route.abort());
  const next = bob.at(await bob.page.context().newPage());
  const session = await bob.page.context().newCDPSession(bob.page);
  const crashed = bob.page.waitForEvent('crash');
  session.send('Page.crash').catch(() => undefined);
  await crashed;
  await expect(alice.tick(bob, 'delivered')).toBeVisible();

  // Nobody opens the thread again.
  await next.page.goto('/settings');
  await expect(alice.tick(bob, 'read')).toBeVisible();
});

test('the server is killed while both write: all arrives once, in one order for both', async ({
  browser,
}) => {
  const server = await Server.start();
  // High enough to draw all of it: the list leaves out what is far from sight.
  const viewport = { width: 1000, height: 1800 };
  const join = async (name: string) => {
    const person = new Person(
      name,
      await (await browser.newContext({ baseURL: server.url, viewport })).newPage(),
    );
    await person.signUp();
    return person;
  };
  const alice = await join('Alice Martin');
  const bob = await join('Bob Nkemelu');
  await alice.find(bob);
  await alice.write(bob, 'begin');
  await bob.open(alice);
  await expect(bob.bubble(alice, 'begin')).toBeVisible();

  const lines = Array.from({ length: 12 }, (_, at) => at + 1);
  const writeAll = async (from: Person, to: Person) => {
    for (const line of lines) await from.write(to, `${from.displayName} ${line}`);
  };
  const both = Promise.all([writeAll(alice, bob), writeAll(bob, alice)]);
  // Somewhere in the middle, whatever is under way.
  await expect(bob.bubble(alice, 'Alice Martin 4')).toBeVisible();
  await server.stop('SIGKILL');
  await server.start();
  await both;

  const said = /^(begin|(Alice Martin|Bob Nkemelu) \d+)$/;
  const texts = (person: Person, other: Person) => person.log(other).getByText(said).allInnerTexts();
  for (const [person, other] of [
    [alice, bob],
    [bob, alice],
  ] as const) {
    await expect(person.bubble(other, 'Alice Martin 12')).toBeVisible({ timeout: 45_000 });
    await expect(person.bubble(other, 'Bob Nkemelu 12')).toBeVisible({ timeout: 45_000 });
    await expect(person.log(other).getByText(en.thread.ticks.waiting, { exact: true })).toHaveCount(0);
  }
  const order = await texts(alice, bob);
  expect(await texts(bob, alice)).toEqual(order);
  for (const { displayName } of [alice, bob]) {
    const theirs = order.filter((text) => text.startsWith(displayName));
    expect(theirs).toEqual(lines.map((line) => `${displayName} ${line}`));
  }
  await bob.page.reload();
  await expect(bob.log(alice).getByText(said)).toHaveText(order);
  await server.remove();
});
