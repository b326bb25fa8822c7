import 'fake-indexeddb/auto';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { Accepted } from './api/types';
import { Outbox, passing, type Way } from './outbox';
import { Problem } from './problem';
import { Storage, type Queued } from './storage';

/** A server that stores what it is told, and lines that can be cut before or after it does. */
class Network implements Way {
  stored = new Map<string, string>();
  attempts: [id: string, envelope: string][] = [];
  shown: string[] = [];
  sealed = 0;
  fail: (id: string, attempt: number) => Problem | 'answer lost' | null = () => null;
  changes: string[] = [];

  seal = async (queued: Queued) => `${queued.sealed}-${this.sealed++}`;
  changed = (conversation: string) => void this.changes.push(conversation);
  accepted = async (queued: Queued) => void this.shown.push(queued.id);

  transmit = async (conversation: string, id: string, envelope: string): Promise<Accepted> => {
    this.attempts.push([id, envelope]);
    const failure = this.fail(id, this.attempts.length);
    if (failure instanceof Problem) throw failure;
    if (this.stored.has(id) && this.stored.get(id) !== envelope) throw new Problem('message_id_reused', 409);
    this.stored.set(id, envelope);
    if (failure === 'answer lost') throw new Problem('offline');
    return { conversation, id, seq: this.stored.size, rev: this.stored.size, sent_at: 1 };
  };
}

/** Locks as the browser's, shared by the tabs of a test. */
function locks() {
  const held = new Map<string, Promise<void>>();
  return (name: string, work: () => Promise<void>) => {
    const next = (held.get(name) ?? Promise.resolve()).then(work);
    held.set(
      name,
      next.catch(() => undefined),
    );
    return next;
  };
}

let storage: Storage;
let network: Network;
let lock: ReturnType<typeof locks>;
let outbox: Outbox;
let tests = 0;
const retries: number[] = [];
/** Retries happen at once, so that waiting for the queue to be empty is enough. */
const atOnce = (attempt: number) => (retries.push(attempt), 0);
const never = () => 2 ** 30;

beforeEach(() => {
  storage = new Storage(`outbox-${tests++}`);
  network = new Network();
  lock = locks();
  retries.length = 0;
  outbox = new Outbox(storage, network, lock, atOnce);
});
afterEach(async () => {
  outbox.stop();
  await storage.deleteEverything();
});

const write = (id: string, conversation = 'c', into = outbox) =>
  into.add(
    { id, conversation, envelope: null, written_at: 1, refused: null },
    Promise.resolve(`text of ${id}`),
  );

async function emptied(): Promise<void> {
  while ((await storage.queued()).some((queued) => queued.refused === null)) {
    await new Promise((resolve) => setTimeout(resolve));
  }
}

it('sends in the order of writing, also when the sealing of the first takes longer', async () => {
  let finish: (sealed: string) => void = () => undefined;
  const slow = new Promise<string>((resolve) => (finish = resolve));
  const first = outbox.add(
    { id: 'z', conversation: 'c', envelope: null, written_at: 1, refused: null },
    slow,
  );
  const rest = [write('y'), write('a')];
  finish('slow');
  await Promise.all([first, ...rest]);
  await emptied();
  expect(network.shown).toEqual(['z', 'y', 'a']);
});

it('sends the same bytes again when the answer was lost, and the message is there once', async () => {
  network.fail = (_, attempt) => (attempt < 3 ? 'answer lost' : null);
  await write('a');
  await emptied();
  expect(network.attempts).toHaveLength(3);
  expect(new Set(network.attempts.map(([, envelope]) => envelope)).size).toBe(1);
  expect(network.shown).toEqual(['a']);
  expect(retries).toEqual([0, 1]);
});

it('keeps the bytes over a reload', async () => {
  outbox = new Outbox(storage, network, lock, never);
  network.fail = () => 'answer lost';
  await write('a');
  await write('b');
  await outbox.drain('c');
  outbox.stop();
  expect(network.attempts.map(([id]) => id)).not.toContain('b');

  network.fail = () => null;
  outbox = new Outbox(storage, network, lock, never);
  await outbox.drainAll();
  expect(network.shown).toEqual(['a', 'b']);
  const bytes = network.attempts.filter(([id]) => id === 'a').map(([, envelope]) => envelope);
  expect(bytes.length).toBeGreaterThan(1);
  expect(new Set(bytes).size).toBe(1);
});

it('never lets a later message overtake one that waits', async () => {
  outbox = new Outbox(storage, network, lock, never);
  network.fail = (id) => (id === 'a' ? new Problem('offline') : null);
  await write('a');
  await write('b');
  await outbox.drain('c');
  expect(network.stored.size).toBe(0);
  network.fail = () => null;
  await outbox.drainAll();
  expect([...network.stored.keys()]).toEqual(['a', 'b']);
});

it('does not let one conversation wait for another', async () => {
  outbox = new Outbox(storage, network, lock, never);
  network.fail = (id) => (id === 'a' ? new Problem('unavailable', 503) : null);
  await write('a', 'c');
  await write('b', 'd');
  await outbox.drainAll();
  expect(network.shown).toEqual(['b']);
});

it('keeps what is refused for good, with the reason, and goes on', async () => {
  network.fail = (id) => (id === 'a' ? new Problem('message_too_large', 413) : null);
  await write('a');
  await write('b');
  await emptied();
  expect(network.shown).toEqual(['b']);
  const [refused] = await storage.queued('c');
  expect(refused).toMatchObject({ id: 'a', refused: 'message_too_large' });

  network.fail = () => null;
  await outbox.retry(refused!);
  expect(network.shown).toEqual(['b', 'a']);
  expect(await storage.queued()).toEqual([]);
});

it('forgets what the person discards, and nothing else', async () => {
  network.fail = () => new Problem('bad_envelope', 422);
  await write('a');
  await write('b');
  await emptied();
  const [first] = await storage.queued('c');
  await outbox.discard(first!);
  expect((await storage.queued('c')).map((queued) => queued.id)).toEqual(['b']);
});

it('sends each message once from two tabs that drain the same queue', async () => {
  const otherTab = new Outbox(storage, network, lock, atOnce);
  await Promise.all([write('a'), write('b', 'c', otherTab), write('x'), write('y', 'c', otherTab)]);
  await Promise.all([outbox.drainAll(), otherTab.drainAll()]);
  await emptied();
  otherTab.stop();
  expect([...network.stored.keys()].sort()).toEqual(['a', 'b', 'x', 'y']);
  // The lock is what prevents the second attempt: without it each would be tried twice.
  expect(network.attempts).toHaveLength(4);
});

it('knows what may pass later from what is an answer', () => {
  for (const problem of [
    new Problem('offline'),
    new Problem('unavailable', 503),
    new Problem('too_many_attempts', 429),
  ]) {
    expect(passing(problem)).toBe(true);
  }
  for (const problem of [
    new Problem('identity_changed'),
    new Problem('not_found', 404),
    new Problem('internal'),
  ]) {
    expect(passing(problem)).toBe(false);
  }
});
