import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { api } from './api/client';
import type { Conversation, Epoch, EpochSummary, KeyringEntry } from './api/types';
import { clock } from './clock';
import { epochOf, newId, uuid } from './ids';
import { Keys, rotationDue } from './keys';
import { Problem } from './problem';
import type { Vault } from './vault';

const day = 24 * 3_600_000;
const epoch = { id: 'e', number: 3, created_at: 100 * day, first_seq: 501, closed: false };

it('an epoch ends after a thousand messages', () => {
  expect(rotationDue(epoch, { seq: 1_499, timer: 0, timer_seq: 0 }, epoch.created_at)).toBe(false);
  expect(rotationDue(epoch, { seq: 1_500, timer: 0, timer_seq: 0 }, epoch.created_at)).toBe(true);
});

it('an epoch ends after seven days', () => {
  expect(rotationDue(epoch, { seq: 501, timer: 0, timer_seq: 0 }, epoch.created_at + 7 * day - 1)).toBe(
    false,
  );
  expect(rotationDue(epoch, { seq: 501, timer: 0, timer_seq: 0 }, epoch.created_at + 7 * day)).toBe(true);
});

it('where messages disappear, an epoch ends after a day, and where that was said', () => {
  const brief = { seq: 501, timer: day, timer_seq: 500 };
  expect(rotationDue(epoch, brief, epoch.created_at + day - 1)).toBe(false);
  expect(rotationDue(epoch, brief, epoch.created_at + day)).toBe(true);
  expect(rotationDue(epoch, { ...brief, timer_seq: 501 }, epoch.created_at)).toBe(true);
  expect(rotationDue(epoch, { ...brief, timer: 0, timer_seq: 501 }, epoch.created_at)).toBe(true);
});

/** One conversation's grants, as an honest server has them; a test makes it lie. A grant is its own content. */
class World {
  /** `left`: for keys that one of the two has left behind. */
  grants: (Epoch & { made_at: number; bad?: boolean; left?: boolean })[] = [];
  /** What the server says of the newest one. */
  told: Partial<EpochSummary> = {};
  readonly keys: Keys;
  readonly vault: Partial<Vault>;
  onKeyring: KeyringEntry[] = [];
  readonly ring = new Set<string>();
  readonly limits: (number | undefined)[] = [];

  constructor() {
    vi.spyOn(api, 'keyBundle').mockResolvedValue({ body: 'grant', signature: '' });
    vi.spyOn(api, 'conversation').mockImplementation(() => Promise.resolve(this.conversation));
    vi.spyOn(api, 'epochs').mockImplementation((_, { after = 0, limit }) => {
      this.limits.push(limit);
      const epochs = this.grants.filter(({ number }) => number > after).slice(0, limit);
      return Promise.resolve({ epochs });
    });
    vi.spyOn(api, 'createEpoch').mockImplementation((_, { grant }) => {
      this.grants.push(grant as World['grants'][number]);
      return Promise.resolve(this.conversation.epoch as EpochSummary);
    });
    vi.spyOn(api, 'putKeyring').mockImplementation(({ entries }) => {
      this.onKeyring.push(...entries);
      return Promise.resolve(undefined as never);
    });
    this.vault = {
      pin: () => Promise.resolve('known' as const),
      forgetEpoch: (_, epoch) => {
        this.ring.delete(epoch);
        return Promise.resolve();
      },
      hasEpoch: (_, epoch) => Promise.resolve(this.ring.has(epoch)),
      adoptEpoch: (_, grant) => {
        const { id, number, made_at, bad, left } = grant as World['grants'][number];
        if (bad) return Promise.reject(new Problem('bad_grant'));
        this.ring.add(id);
        return Promise.resolve({ epoch: id, number, created_at: made_at, current: !left, keyring: '' });
      },
      createEpoch: (_, previous, now) => {
        if ((previous as Epoch | null)?.body === '') return Promise.reject(new Problem('bad_grant'));
        const number = ((previous as Epoch | null)?.number ?? 0) + 1;
        const grant = this.grant(number, now);
        this.ring.add(grant.id);
        return Promise.resolve({ epoch: grant.id, number, created_at: now, grant, keyring: '' });
      },
    };
    this.keys = new Keys(this.vault as Vault);
  }

  grant(number: number, made_at: number, bad = false) {
    return { id: `epoch-${number}`, number, made_at, bad, body: 'grant', signature: '' };
  }

  get conversation(): Conversation {
    const last = this.grants.at(-1);
    const epoch = last && {
      id: last.id,
      number: last.number,
      created_at: Date.now(),
      first_seq: 1,
      closed: false,
    };
    return {
      id: 'c',
      peer: { id: 'bob', handle: 'bob', display_name: 'Bob', status: '', bio: '', avatar: null },
      seq: 1,
      rev: 1,
      active_at: 1,
      unread: 0,
      timer: 0,
      timer_seq: 0,
      blocked: false,
      epoch: epoch && { ...epoch, ...this.told },
      mine: { delivered: 0, read: 0 },
      theirs: { delivered: 0, read: 0 },
      last_message: null,
    };
  }
}

beforeEach(() => {
  vi.useFakeTimers({ now: 1_000 * day });
  clock.set(Date.now());
});

afterEach(() => {
  vi.restoreAllMocks();
  vi.useRealTimers();
});

it('writes on in an epoch of this week, and asks for its grant once', async () => {
  const world = new World();
  world.grants.push(world.grant(1, Date.now() - 6 * day));
  world.ring.add('epoch-1');
  expect((await world.keys.epochFor(world.conversation)).id).toBe('epoch-1');
  expect((await world.keys.epochFor(world.conversation)).id).toBe('epoch-1');
  expect(world.limits).toEqual([1]);
});

it('ends an epoch a week after its signed time, however young the server calls it', async () => {
  const world = new World();
  world.grants.push(world.grant(1, Date.now() - 7 * day));
  for (let time = 0; time < 3; time++) {
    expect((await world.keys.epochFor(world.conversation)).id).toBe('epoch-2');
  }
});

it('ends an epoch once only, whatever its signed time and whatever this clock says', async () => {
  for (const made_at of [0, Date.now() + 400 * day]) {
    const world = new World();
    world.grants.push(world.grant(1, made_at));
    for (let time = 0; time < 3; time++) await world.keys.epochFor(world.conversation);
    expect(world.grants).toHaveLength(made_at === 0 ? 2 : 1);
  }
});

it('takes the server at its word for the time at which an epoch was taken', async () => {
  const world = new World();
  // The server is a month behind this browser, which did not know.
  world.told = { created_at: Date.now() - 30 * day, first_seq: 7 };
  const taken = await world.keys.epochFor(world.conversation);
  expect(taken).toEqual({
    id: 'epoch-1',
    number: 1,
    created_at: Date.now() - 30 * day,
    first_seq: 7,
    closed: false,
  });
  expect(clock.now()).toBe(taken.created_at);
  await world.keys.epochFor(world.conversation);
  expect(world.grants).toHaveLength(1);
});

it('does not write in an old epoch under a new number', async () => {
  const world = new World();
  world.grants.push(world.grant(1, Date.now()), world.grant(2, Date.now()));
  world.ring.add('epoch-1');
  world.told = { id: 'epoch-1' };
  await expect(world.keys.epochFor(world.conversation)).rejects.toMatchObject({ code: 'unknown_epoch' });
  world.told = {};
  await world.keys.epochFor(world.conversation);
  world.told = { id: 'epoch-1', number: 2 };
  await expect(world.keys.epochFor(world.conversation)).rejects.toMatchObject({ code: 'unknown_epoch' });
});

it('does not write in an epoch that is closed, or was made for keys that somebody has left behind', async () => {
  for (const over of [{ closed: true }, { left: true }, { bad: true }]) {
    const world = new World();
    world.grants.push({ ...world.grant(1, Date.now()), ...over });
    world.ring.add('epoch-1');
    world.told = { closed: 'closed' in over };
    const before = world.conversation;
    world.told = {};
    expect((await world.keys.epochFor(before)).id).toBe('epoch-2');
  }
});

describe('another identity of the other person', () => {
  const changed = () => {
    const world = new World();
    world.grants.push(world.grant(1, Date.now()), world.grant(2, Date.now()));
    const done: string[] = [];
    let accepted = false;
    world.vault.pin = () => Promise.resolve(accepted ? 'known' : 'changed');
    world.vault.safetyNumberUnder = () => Promise.resolve('12345');
    world.vault.acceptIdentity = (_, handle) => {
      done.push(`accepted ${handle} with ${[...world.ring].join(' and ')}`);
      accepted = true;
      return Promise.resolve();
    };
    world.vault.sealVault = () => Promise.resolve({ version: 2, box: '' });
    world.vault.vaultWritten = () => Promise.resolve();
    vi.spyOn(api, 'putVault').mockImplementation(() => {
      done.push('written');
      return Promise.resolve(undefined as never);
    });
    vi.spyOn(api, 'keyring').mockResolvedValue({ entries: [], next: null });
    return { world, done };
  };

  it('is not written to before it is accepted, and what came before can be read', async () => {
    const { world } = changed();
    const { peer } = world.conversation;
    await expect(world.keys.pin(peer)).rejects.toMatchObject({ code: 'identity_changed' });
    await expect(world.keys.epochFor(world.conversation)).rejects.toMatchObject({ code: 'identity_changed' });
    await world.keys.heal(world.conversation);
    expect([...world.ring]).toEqual(['epoch-1', 'epoch-2']);
  });

  it('counts once it is accepted, after all of before is adopted, and is in the vault', async () => {
    const { world, done } = changed();
    const { peer } = world.conversation;
    const shown = await world.keys.shown(peer);
    expect(shown.number).toBe('12345');
    await world.keys.accept(peer, shown, world.conversation);
    expect(done).toEqual(['accepted bob with epoch-1 and epoch-2', 'written']);
    expect((await world.keys.epochFor(world.conversation)).number).toBe(2);
  });
});

it('takes no old epoch for the winner of a race', async () => {
  const world = new World();
  world.grants.push(world.grant(1, Date.now() - 8 * day));
  vi.spyOn(api, 'createEpoch').mockRejectedValue(new Problem('epoch_conflict', 409));
  await expect(world.keys.epochFor(world.conversation)).rejects.toMatchObject({ code: 'epoch_conflict' });
});

it('writes in the epoch of whoever was first', async () => {
  const world = new World();
  const before = world.conversation;
  vi.spyOn(api, 'createEpoch').mockImplementation(() => {
    world.grants = [world.grant(1, Date.now())];
    world.ring.clear();
    return Promise.reject(new Problem('epoch_conflict', 409));
  });
  expect((await world.keys.epochFor(before)).id).toBe('epoch-1');
  expect(world.onKeyring).toHaveLength(1);
});

it('goes on where the epoch it knew was erased while nothing was heard', async () => {
  const world = new World();
  world.grants.push(world.grant(1, Date.now() - 8 * day));
  const before = world.conversation;
  world.grants = [{ ...world.grant(1, Date.now() - 8 * day), body: '' }, world.grant(2, Date.now())];
  expect((await world.keys.epochFor(before)).id).toBe('epoch-2');
});

it('a vault that cannot be saved keeps nobody from whom they know', async () => {
  const world = new World();
  world.grants.push(world.grant(1, Date.now()));
  world.ring.add('epoch-1');
  world.vault.sealVault = () => Promise.resolve({ version: 2, box: '' });
  vi.spyOn(api, 'putVault').mockRejectedValue(new Problem('bad_key_material', 422));
  const known = world.vault.pin;
  world.vault.pin = () => Promise.resolve('new' as const);
  await expect(world.keys.epochFor(world.conversation)).rejects.toMatchObject({ code: 'bad_key_material' });
  world.vault.pin = known;
  expect((await world.keys.epochFor(world.conversation)).id).toBe('epoch-1');
});

it('begins anew where the newest epoch does not open, and adopts the others, fifty grants at once', async () => {
  const world = new World();
  world.grants.push(world.grant(1, 0), world.grant(2, 0, true), world.grant(3, Date.now(), true));
  expect((await world.keys.epochFor(world.conversation)).number).toBe(4);
  expect(world.onKeyring.map(({ epoch }) => epoch)).toEqual(['epoch-1']);
  expect(world.limits[0]).toBe(50);
});

describe('where messages disappear and nobody writes', () => {
  const quiet = (world: World, over: Partial<Conversation> = {}): Conversation => {
    const before = world.conversation;
    const epoch = before.epoch && { ...before.epoch, created_at: Date.now() - day };
    return { ...before, epoch, seq: 4, timer: day, timer_seq: 0, ...over };
  };
  const begun = () => {
    const world = new World();
    world.grants.push(world.grant(1, Date.now() - day));
    world.ring.add('epoch-1');
    return world;
  };

  it('another epoch is begun, once, so that the key of the last one can go', async () => {
    const world = begun();
    world.told = { first_seq: 2 };
    const due = quiet(world, { timer_seq: 1 });
    expect(await world.keys.retire(due)).toMatchObject({ id: 'epoch-2', number: 2 });
    expect(await world.keys.retire(due)).toBeNull();
    // It is there, and nobody has written in it.
    world.told = { first_seq: 5 };
    expect(await world.keys.retire(quiet(world, { timer_seq: 1 }))).toBeNull();
    expect(world.grants).toHaveLength(2);
  });

  it('none is begun before its time, nor where messages stay', async () => {
    const world = begun();
    world.told = { first_seq: 2 };
    const young = { ...quiet(world).epoch, created_at: Date.now() - day + 1 } as EpochSummary;
    expect(await world.keys.retire(quiet(world, { timer_seq: 1, epoch: young }))).toBeNull();
    expect(await world.keys.retire(quiet(world, { timer: 0 }))).toBeNull();
    expect(await world.keys.retire(quiet(world, { timer_seq: 1, epoch: null }))).toBeNull();
    expect(world.grants).toHaveLength(1);
  });

  it('whoever loses the race, or has no line, says nothing', async () => {
    const world = begun();
    world.told = { first_seq: 2 };
    const due = quiet(world, { timer_seq: 1 });
    const asked = vi.spyOn(api, 'createEpoch');
    asked.mockRejectedValueOnce(new Problem('offline'));
    expect(await world.keys.retire(due)).toBeNull();
    asked.mockRejectedValueOnce(new Problem('epoch_conflict', 409));
    expect(await world.keys.retire(due)).toBeNull();
    expect(asked).toHaveBeenCalledTimes(2);
    expect(world.grants).toHaveLength(1);
  });
});

it('forgets the keys that were erased while nothing was heard, and does not bring them back', async () => {
  const world = new World();
  for (let number = 1; number <= 4; number++) world.grants.push(world.grant(number, Date.now()));
  await world.keys.heal(world.conversation);
  expect(world.ring.size).toBe(4);
  const erase = (...numbers: number[]) => {
    world.grants = world.grants.map((each) => (numbers.includes(each.number) ? { ...each, body: '' } : each));
  };
  erase(1, 3);
  await world.keys.forgetErased(world.conversation);
  expect([...world.ring]).toEqual(['epoch-2', 'epoch-4']);
  // Something does not open, and all grants are looked at again.
  await world.keys.heal(world.conversation);
  expect([...world.ring]).toEqual(['epoch-2', 'epoch-4']);
  // The first is not asked for again.
  erase(2);
  await world.keys.forgetErased(world.conversation);
  expect([...world.ring]).toEqual(['epoch-4']);
  expect(vi.mocked(api.epochs)).toHaveBeenLastCalledWith('c', expect.objectContaining({ after: 1 }));
});

it('reads the epoch from the head of an envelope', () => {
  const head = Uint8Array.from({ length: 34 }, (_, at) => (at < 2 ? 1 : 0xf0 + (at % 16)));
  const envelope = btoa(String.fromCharCode(...head, 9, 9))
    .replaceAll('+', '-')
    .replaceAll('/', '_');
  expect(epochOf(envelope)).toBe(uuid(head.subarray(2, 18)));
  expect(epochOf(envelope)).toBe('f2f3f4f5-f6f7-f8f9-fafb-fcfdfefff0f1');
});

it('makes ids of version 7, in the order of time', () => {
  const early = newId(1_700_000_000_000);
  const late = newId(1_700_000_000_001);
  expect(early).toMatch(/^018bcfe5-6800-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  expect(early < late).toBe(true);
  expect(newId(5)).not.toBe(newId(5));
});
