import 'fake-indexeddb/auto';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { Accepted } from './api/types';
import { Outbox, passing, type Sealed, type Way } from './outbox';
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
  presses: string[] = [];

  pressed = (id: string) => void this.presses.push(id);
  seal = async (queued: Queued) => `${queued.sealed}-${this.sealed++}`;
  changed = (conversation: string) => void this.changes.push(conversation);
  epochClosed = async () => undefined;
  accepted = async (queued: Queued) => void this.shown.push(queued.id);

  transmit = async ({ conversation, id, envelope: sealed }: Queued): Promise<Accepted> => {
    const envelope = sealed ?? '';
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
  into.add({ id, conversation, envelope: null, written_at: 1, refused: null }, sealed(`text of ${id}`));
const sealed = (text: string) => Promise.resolve({ text, draft: null });

async function emptied(): Promise<void> {
  while ((await storage.queued()).some((queued) => queued.refused === null)) {
    await new Promise((resolve) => setTimeout(resolve));
  }
}

it('sends in the order of writing, also when the sealing of the first takes longer', async () => {
  let finish: () => void = () => undefined;
  const slow = new Promise<Sealed>((resolve) => (finish = () => resolve({ text: 'slow', draft: null })));
  const first = outbox.add(
    { id: 'z', conversation: 'c', envelope: null, written_at: 1, refused: null },
    slow,
  );
  const rest = [write('y'), write('a')];
  finish();
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

it('seals anew what its epoch no longer takes, and nothing else', async () => {
  network.fail = () => new Problem('offline');
  outbox = new Outbox(storage, network, lock, never);
  await write('a');
  await outbox.drain('c');
  outbox.stop();

  let closed = 0;
  network.fail = () => (closed++ === 0 ? new Problem('epoch_closed', 409) : null);
  outbox = new Outbox(storage, network, lock, atOnce);
  await write('b');
  await emptied();
  expect(network.shown).toEqual(['a', 'b']);
  const bytes = network.attempts.filter(([id]) => id === 'a').map(([, envelope]) => envelope);
  expect(bytes.at(-1)).not.toBe(bytes[0]);
  expect(bytes.at(-2)).toBe(bytes[0]);
  expect(network.attempts.filter(([id]) => id === 'b')).toHaveLength(1);
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
  const again = { id: 'a2', conversation: 'c', envelope: null, written_at: 2, refused: null };
  await outbox.replace('a', again, sealed('shorter'));
  await emptied();
  expect(network.shown).toEqual(['b', 'a2']);
  expect(await storage.queued()).toEqual([]);
  await expect(outbox.replace('a', again, sealed('twice'))).rejects.toMatchObject({ code: 'not_waiting' });
});

it('forgets what the person discards, and nothing else', async () => {
  network.fail = () => new Problem('bad_envelope', 422);
  await write('a');
  await write('b');
  await emptied();
  await outbox.remove('c', 'a');
  expect((await storage.queued('c')).map((queued) => queued.id)).toEqual(['b']);
});

it('sends nothing that was removed while it was sealed', async () => {
  network.seal = async () => {
    await storage.dequeue('a');
    return 'envelope';
  };
  await write('a');
  await outbox.drain('c');
  expect(network.attempts).toEqual([]);
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

it('stores each message once and in order from tabs that send at the same time, whatever the lock does', async () => {
  const noLock = (_: string, work: () => Promise<void>) => work();
  // All three have the first message in hand before any of them has its envelope.
  let sealing = 0;
  let begin: () => void = () => undefined;
  const all = new Promise<void>((resolve) => (begin = resolve));
  const tabs = [1, 2, 3].map((tab) => {
    const own = new Storage(`outbox-${tests - 1}`);
    const seal = async ({ id }: Queued) => {
      if (++sealing === 3) begin();
      await all;
      return `${id} sealed by ${tab}`;
    };
    return { own, outbox: new Outbox(own, { ...network, seal }, noLock, atOnce) };
  });
  network.fail = (_, attempt) => (attempt % 3 === 1 ? 'answer lost' : null);
  outbox.stop();
  const ids = ['h', 'g', 'f', 'e', 'd'];
  for (const id of ids) await storage.enqueue(queuedAs(id));
  await Promise.all(tabs.map((tab) => tab.outbox.drainAll()));
  await emptied();
  expect([...network.stored.keys()]).toEqual(ids);
  expect(sealing).toBeGreaterThanOrEqual(ids.length + 2);
  expect(await storage.queued()).toEqual([]);
  for (const { own, outbox } of tabs) {
    outbox.stop();
    own.close();
  }
});

const queuedAs = (id: string): Queued => ({
  id,
  conversation: 'c',
  sealed: `text of ${id}`,
  envelope: null,
  written_at: 1,
  refused: null,
});

it('a tab that died after the answer leaves no double behind', async () => {
  await storage.enqueue(queuedAs('a'));
  // As far as the answer, and no further.
  const dying = new Outbox(
    storage,
    { ...network, accepted: () => new Promise(() => undefined) },
    lock,
    never,
  );
  void dying.drain('c');
  await expect.poll(() => network.stored.size).toBe(1);
  dying.stop();

  const next = new Outbox(storage, network, (_, work) => work(), never);
  await next.drain('c');
  expect(network.shown).toEqual(['a']);
  expect([...network.stored.keys()]).toEqual(['a']);
  expect(new Set(network.attempts.map(([, envelope]) => envelope)).size).toBe(1);
  expect(await storage.queued()).toEqual([]);
});

it.each([
  ['offline', 0],
  ['signed_out', 401],
  ['too_slow', 408],
  ['too_many_attempts', 429],
  ['internal', 500],
  ['unavailable', 503],
  // Something in between answered, not our server.
  ['unavailable', 404],
  ['epoch_conflict', 409],
  ['vault_conflict', 409],
  ['stale_key_bundle', 422],
  ['bad_origin', 403],
  ['not_kept', 0],
  ['from_the_future', 502],
])('%s (%i) may pass later: the message waits', (code, status) => {
  expect(passing(new Problem(code, status))).toBe(true);
});

it('what is for an identity that nobody has accepted yet waits, and is sent once when somebody has', async () => {
  let accepted = false;
  const { seal } = network;
  network.seal = (queued) => (accepted ? seal(queued) : Promise.reject(new Problem('identity_changed')));
  await write('a');
  await write('b');
  await outbox.drain('c');
  expect((await storage.queued()).map(({ refused }) => refused)).toEqual([null, null]);
  expect(retries).toEqual([]);
  accepted = true;
  await outbox.drain('c');
  expect([...network.stored.keys()]).toEqual(['a', 'b']);
  expect(network.attempts).toHaveLength(2);
});

it.each([
  ['not_found', 404],
  ['bad_request', 400],
  ['message_too_large', 413],
  ['too_large', 413],
  ['bad_envelope', 422],
  ['unknown_epoch', 422],
  ['bad_grant', 422],
  ['message_id_reused', 409],
  ['identity_changed', 0],
  ['not_authentic', 0],
  // A mistake of the page itself.
  ['internal', 0],
  ['from_the_future', 418],
])('%s (%i) is an answer: the message says so', (code, status) => {
  expect(passing(new Problem(code, status))).toBe(false);
});
