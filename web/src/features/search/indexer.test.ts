// @vitest-environment happy-dom
import { SvelteMap, SvelteSet } from 'svelte/reactivity';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { api } from '../../lib/api/client';
import type { Conversation as Record, Message } from '../../lib/api/types';
import type { Reached } from '../../lib/message-index';
import { Problem } from '../../lib/problem';
import type { Conversation } from '../conversations/conversation.svelte';
import { Indexer, type Around } from './indexer.svelte';

/** The index as the worker has it. */
class Kept {
  readonly reached = new Map<string, Reached>();
  readonly taken: string[] = [];
  /** Another tab has written. */
  outdated: Reached[] | null = null;
  lacksKey = false;

  loadIndex = () => Promise.resolve([...this.reached.values()]);
  keepIndex = vi.fn((_now: number) => {
    for (const each of this.outdated ?? []) this.reached.set(each.conversation, each);
    const current = this.outdated === null;
    this.outdated = null;
    return Promise.resolve(current);
  });
  indexMessages = vi.fn((reached: Reached, messages: Message[], anyway: boolean) => {
    if (this.lacksKey && !anyway) return Promise.resolve(false);
    this.reached.set(reached.conversation, reached);
    this.taken.push(`${reached.conversation} ${messages[0]?.seq}–${messages.at(-1)?.seq}`);
    return Promise.resolve(true);
  });
}

let kept: Kept;
let indexer: Indexer;
let turn: Promise<unknown>;
const list = new SvelteMap<string, Conversation>();
const offline = new SvelteSet<string>();
const heal = vi.fn(() => Promise.resolve());
const written = vi.fn();

function there(id: string, seq: number, rev = seq): void {
  list.set(id, { id, record: { id, seq, rev } as Record } as Conversation);
}

function begin(): void {
  const conversations = {
    get withHistory() {
      return [...list.values()];
    },
    get: (id: string) => list.get(id),
  };
  const keys = { loadKeyring: () => Promise.resolve(), heal };
  const online = () => offline.size === 0;
  indexer = new Indexer({
    vault: kept,
    keys,
    conversations,
    owner: 'me',
    online,
    written,
  } as unknown as Around);
}

const complete = () => vi.waitFor(() => expect(indexer.complete).toBe(true));

function hidden(state: boolean): void {
  vi.spyOn(document, 'hidden', 'get').mockReturnValue(state);
  document.dispatchEvent(new Event('visibilitychange'));
}

const message = (conversation: string, seq: number, rev = seq) => ({ conversation, seq, rev }) as Message;

beforeEach(() => {
  kept = new Kept();
  turn = Promise.resolve();
  list.clear();
  offline.clear();
  Object.defineProperty(navigator, 'locks', {
    configurable: true,
    value: {
      request: (_: string, __: unknown, work: () => Promise<void>) => {
        const mine = turn.then(work);
        turn = mine.catch(() => undefined);
        return mine;
      },
    },
  });
  vi.spyOn(api, 'history').mockImplementation((id, { before = 0, limit = 0 }) => {
    const first = Math.max(1, before - limit);
    const messages = Array.from({ length: before - first }, (_, at) => message(id, first + at));
    return Promise.resolve({ messages });
  });
  vi.spyOn(api, 'changes').mockResolvedValue({ messages: [] });
});
afterEach(() => {
  indexer.stop();
  vi.restoreAllMocks();
  heal.mockClear();
  written.mockClear();
});

it('reads every conversation back to its first message, the one that is searched alone before the others', async () => {
  there('a', 450);
  there('b', 3);
  begin();
  indexer.wanted = 'b';
  expect(indexer.total).toBe(453);
  await complete();
  expect(kept.taken).toEqual(['b 1–3', 'a 251–450', 'a 51–250', 'a 1–50']);
  expect(indexer.done).toBe(453);
  expect(kept.keepIndex).toHaveBeenCalled();
  expect(written).toHaveBeenCalled();
});

it('goes on where it was, and asks for nothing when all is there', async () => {
  there('a', 450);
  there('b', 3);
  kept.reached.set('a', { conversation: 'a', first: 51, rev: 450 });
  kept.reached.set('b', { conversation: 'b', first: 1, rev: 3 });
  begin();
  await complete();
  expect(kept.taken).toEqual(['a 1–50']);
  indexer.stop();
  begin();
  await complete();
  expect(api.history).toHaveBeenCalledTimes(1);
  expect(api.changes).not.toHaveBeenCalled();
});

it('asks first for what has changed since, page by page, and writes it at once', async () => {
  there('a', 10, 20);
  there('b', 300);
  kept.reached.set('a', { conversation: 'a', first: 1, rev: 10 });
  vi.mocked(api.changes)
    .mockResolvedValueOnce({ messages: [message('a', 4, 11)], next: 11 })
    .mockResolvedValueOnce({ messages: [message('a', 5, 19)] });
  begin();
  await complete();
  expect(vi.mocked(api.changes).mock.calls.map(([, query]) => query.changed_after)).toEqual([10, 11]);
  expect(kept.taken.slice(0, 2)).toEqual(['a 4–4', 'a 5–5']);
  expect(kept.reached.get('a')?.rev).toBe(20);
  expect(kept.keepIndex.mock.invocationCallOrder[0]).toBeLessThan(
    kept.indexMessages.mock.invocationCallOrder[1] ?? 0,
  );

  // Live, too.
  vi.mocked(api.changes).mockResolvedValueOnce({ messages: [message('a', 11, 21)] });
  there('a', 11, 21);
  await vi.waitFor(() => expect(kept.taken.at(-1)).toBe('a 11–11'));
});

it('forgets what is deleted also while nobody looks', async () => {
  hidden(true);
  there('a', 10);
  there('b', 300);
  kept.reached.set('a', { conversation: 'a', first: 1, rev: 10 });
  begin();
  await indexer.ready;
  vi.mocked(api.changes).mockResolvedValueOnce({ messages: [message('a', 4, 11)] });
  there('a', 10, 11);
  await vi.waitFor(() => expect(kept.taken).toEqual(['a 4–4']));
  await turn;
  expect(kept.reached.get('a')?.rev).toBe(11);
  expect(api.history).not.toHaveBeenCalled();
  expect(indexer.complete).toBe(false);
});

it('writes at each start, and from time to time, what has disappeared: without a line, too', async () => {
  vi.useFakeTimers();
  try {
    offline.add('line');
    there('a', 3);
    kept.reached.set('a', { conversation: 'a', first: 1, rev: 3 });
    begin();
    await vi.waitFor(() => expect(kept.keepIndex).toHaveBeenCalledTimes(1));
    await vi.advanceTimersByTimeAsync(10 * 60_000);
    expect(kept.keepIndex).toHaveBeenCalledTimes(2);
    expect(kept.keepIndex).toHaveBeenLastCalledWith(expect.any(Number));
    expect(indexer.problem).toBeNull();
    indexer.stop();
    await vi.advanceTimersByTimeAsync(10 * 60_000);
    expect(kept.keepIndex).toHaveBeenCalledTimes(2);
  } finally {
    vi.useRealTimers();
  }
});

describe('it rests', () => {
  it('while nobody looks', async () => {
    hidden(true);
    there('a', 450);
    begin();
    await indexer.ready;
    await turn;
    expect(api.history).not.toHaveBeenCalled();
    hidden(false);
    await complete();
    expect(kept.taken).toHaveLength(3);
  });

  it('as soon as nobody looks, and keeps what it has', async () => {
    there('a', 450);
    kept.indexMessages.mockImplementationOnce((reached) => {
      hidden(true);
      kept.reached.set('a', reached);
      return Promise.resolve(true);
    });
    begin();
    await vi.waitFor(() => expect(kept.keepIndex).toHaveBeenCalled());
    await turn;
    expect(api.history).toHaveBeenCalledTimes(1);
    hidden(false);
    await complete();
  });

  it('without a line, and begins again after a failure', async () => {
    offline.add('line');
    there('a', 3);
    begin();
    await indexer.ready;
    await turn;
    expect(api.history).not.toHaveBeenCalled();
    vi.mocked(api.history).mockRejectedValueOnce(new Problem('offline'));
    vi.spyOn(Math, 'random').mockReturnValue(0);
    offline.clear();
    await complete();
    expect(api.history).toHaveBeenCalledTimes(2);
    expect(indexer.problem).toBeNull();
  });
});

it('lets other conversations go on when the server will not give one', async () => {
  there('a', 3);
  there('b', 3);
  vi.mocked(api.history).mockRejectedValueOnce(new Problem('not_found', 404));
  begin();
  await complete();
  expect(kept.taken).toEqual(['b 1–3']);
});

it('fetches the keys that are missing here, and then leaves out what does not open', async () => {
  there('a', 3);
  kept.lacksKey = true;
  begin();
  await complete();
  expect(heal).toHaveBeenCalledTimes(1);
  expect(kept.indexMessages.mock.calls.map(([, , anyway]) => anyway)).toEqual([false, true]);
});

it('takes what another tab has written, and waits for its turn', async () => {
  there('a', 450);
  let release: () => void = () => undefined;
  turn = new Promise<void>((resolve) => (release = resolve));
  begin();
  await indexer.ready;
  expect(api.history).not.toHaveBeenCalled();
  // It is told while it waits.
  kept.reached.set('a', { conversation: 'a', first: 251, rev: 450 });
  indexer.heard();
  await vi.waitFor(() => expect(indexer.done).toBe(200));
  kept.reached.set('a', { conversation: 'a', first: 101, rev: 450 });
  release();
  await complete();
  expect(kept.taken).toEqual(['a 1–100']);
  // What it could not keep, since another has, counts as that one has it.
  kept.outdated = [{ conversation: 'b', first: 3, rev: 3 }];
  there('b', 3);
  await vi.waitFor(() => expect(kept.taken.at(-1)).toBe('b 1–2'));
});
