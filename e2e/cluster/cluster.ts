import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { newDatabase } from '../support/database.ts';
import { freePort } from '../support/server.ts';
import { story } from '../support/story.ts';
import { Person, Server, test } from '../support/test.ts';

/** A real NATS server that is ready. */
async function nats(port: number): Promise<ChildProcess> {
  const child = spawn('nats-server', ['--addr', '127.0.0.1', '--port', String(port)], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  for await (const line of createInterface(child.stderr)) {
    if (line.includes('Server is ready')) break;
  }
  child.stderr.resume();
  return child;
}

test('two people on two nodes write to each other as on one', async ({ browser }) => {
  const port = await freePort();
  const between = await nats(port);
  const nodes: Server[] = [];
  try {
    const options = [...(await newDatabase()), '--nats', `nats://127.0.0.1:${port}`];
    const first = await Server.start({ options });
    nodes.push(first);
    const second = await Server.start({
      options: [...options, '--key-file', join(first.data, 'server.key')],
    });
    nodes.push(second);
    const at = async ({ url }: Server) => (await browser.newContext({ baseURL: url })).newPage();

    const alice = new Person('Éloïse Marchand', await at(first));
    const bob = new Person('Bob Nkemelu', await at(second));
    for (const person of [alice, bob]) await person.signUp();
    await story(alice, bob, await at(second));
    await Promise.all(browser.contexts().map((context) => context.close()));
  } finally {
    for (const node of nodes) await node.remove();
    const ended = once(between, 'exit');
    between.kill();
    await ended;
  }
});
