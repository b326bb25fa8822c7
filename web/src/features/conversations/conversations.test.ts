// @vitest-environment happy-dom
import 'fake-indexeddb/auto';
import { afterEach, expect, it, vi } from 'vitest';
import { api } from '../../lib/api/client';
import type { Conversation as Record } from '../../lib/api/types';
import { Problem } from '../../lib/problem';
import { Storage } from '../../lib/storage';
import { Conversations } from './conversations.svelte';
import type { Tools } from './tools';

const record = (id: string) =>
  ({
    id,
    seq: 1,
    rev: 1,
    active_at: 1,
    unread: 0,
    peer: { id: 'them' },
    mine: { delivered: 1, read: 1 },
    theirs: { delivered: 1, read: 1 },
    last_message: null,
    epoch: null,
  }) as unknown as Record;

const storage = new Storage('conversations');
const vault = {
  belong: () => Promise.resolve(true),
  sealText: (_: string, text: string) => Promise.resolve(text),
  openTexts: (kept: { sealed: string }[]) => Promise.resolve(kept.map(({ sealed }) => ({ text: sealed }))),
};
const receipts = { note: vi.fn(), confirmed: vi.fn() };
const preferences = { of: (id: string) => (id === 'hidden' ? { hidden: 1 } : {}) };
const tools = {
  me: 'me',
  renewedAt: () => 0,
  storage,
  vault,
  receipts,
  preferences,
  draftKept: vi.fn(),
} as unknown as Tools;
let conversations: Conversations;

afterEach(async () => {
  conversations.stop();
  await storage.deleteEverything();
  vi.restoreAllMocks();
});

it('reads the list again when that is asked for while it is being read', async () => {
  conversations = new Conversations(tools);
  let answer: () => void = () => undefined;
  const asked = vi.spyOn(api, 'conversations');
  // As the server had it before the line broke.
  asked.mockImplementationOnce(
    () => new Promise((resolve) => (answer = () => resolve({ conversations: [record('old')] }))),
  );
  asked.mockResolvedValue({ conversations: [record('new'), record('old')] });
  const first = conversations.refresh();
  const second = conversations.refresh();
  answer();
  await Promise.all([first, second]);
  expect(asked).toHaveBeenCalledTimes(2);
  expect(conversations.get('new')).toBeDefined();
});

it('tries again by itself when the server could not answer, and not when it refused', async () => {
  conversations = new Conversations(tools);
  const asked = vi.spyOn(api, 'conversations');
  asked
    .mockRejectedValueOnce(new Problem('unavailable', 503))
    .mockResolvedValue({ conversations: [record('c')] });
  vi.spyOn(Math, 'random').mockReturnValue(0);
  await conversations.refresh();
  expect(conversations.problem?.code).toBe('unavailable');
  await expect.poll(() => conversations.get('c')).toBeDefined();
  expect(conversations.problem).toBeNull();

  asked.mockReset().mockRejectedValue(new Problem('signed_out', 401));
  const timers = vi.spyOn(globalThis, 'setTimeout');
  await conversations.refresh();
  expect(asked).toHaveBeenCalledTimes(1);
  expect(timers).not.toHaveBeenCalled();
});

it('reads on only where somebody wrote, and all of it after a line was lost', async () => {
  const keys = { lookAgain: vi.fn(), loadKeyring: () => Promise.resolve() };
  const opening = {
    ...vault,
    openAll: (all: unknown[]) => Promise.resolve(all.map(() => ({ error: 'bad_envelope' }))),
  };
  conversations = new Conversations({ ...tools, keys, vault: opening } as unknown as Tools);
  // With nothing to be opened.
  const listed = (id: string) => ({ ...record(id), last_message: { seq: 1, hidden: true } }) as Record;
  const asked = vi
    .spyOn(api, 'conversations')
    .mockImplementation(({ cursor }) =>
      Promise.resolve(
        cursor ? { conversations: [listed('below')] } : { conversations: [listed('above')], next: 'below' },
      ),
    );
  const readings = async () => {
    asked.mockClear();
    await conversations.refresh();
    expect(conversations.problem).toBeNull();
    return asked.mock.calls.length;
  };
  expect(await readings()).toBe(2);
  expect(await readings()).toBe(1);
  conversations.lookAgain();
  expect(await readings()).toBe(2);
  expect(await readings()).toBe(1);
});

it('brings a draft back, also to a thread that was there before it, and before what was typed there', async () => {
  const written = (text: string) => JSON.stringify({ text, replaces: null, aside: '', at: 1 });
  for (const id of ['there', 'typed', 'later']) {
    await storage.keepDraft(id, { conversation: id, sealed: written(`begun ${id}`) });
  }
  conversations = new Conversations(tools);
  vi.spyOn(api, 'conversation').mockImplementation((id) => Promise.resolve(record(id)));
  const restored = conversations.restore();
  conversations.add(record('there'));
  conversations.add(record('typed')).draft.text = 'and typed';
  await restored;
  await expect.poll(() => conversations.get('later')?.draft.text).toBe('begun later');
  expect(conversations.get('there')?.draft.text).toBe('begun there');
  expect(conversations.get('typed')?.draft.text).toBe('begun typed\nand typed');
});

it('has in its history also what was put out of sight', () => {
  conversations = new Conversations(tools);
  for (const id of ['shown', 'hidden']) conversations.add(record(id));
  conversations.add({ ...record('blocked'), blocked: true });
  conversations.add({ ...record('empty'), seq: 0 });
  const ids = (all: { id: string }[]) => all.map(({ id }) => id);
  expect(ids(conversations.every)).toEqual(['shown']);
  expect(ids(conversations.withHistory).sort()).toEqual(['blocked', 'hidden', 'shown']);
});
