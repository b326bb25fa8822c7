import { expect, it, vi } from 'vitest';
import type { Saved } from '../../lib/preferences.svelte';
import { Problem } from '../../lib/problem';
import type { Conversation } from './conversation.svelte';
import { SavedMessages } from './saved.svelte';
import type { Shown } from './timeline';

/** A conversation that answers when it is told to. */
function world() {
  const waiting = new Map<number, (shown: Shown | Problem) => void>();
  const at = vi.fn(
    (seq: number) =>
      new Promise<Shown | undefined>((resolve, reject) =>
        waiting.set(seq, (said) => (said instanceof Problem ? reject(said) : resolve(said))),
      ),
  );
  const conversation = { at } as unknown as Conversation;
  const saved = new SavedMessages({ ensure: () => Promise.resolve(conversation) });
  const answer = (seq: number, said: Shown | Problem = {} as Shown) => {
    waiting.get(seq)?.(said);
    waiting.delete(seq);
  };
  return { saved, at, answer, waiting };
}

const one = (seq: number): Saved => ({ conversation: 'c', seq, at: seq });

it('a few are fetched at a time, each once, and none that has gone by', async () => {
  const { saved, at, answer, waiting } = world();
  for (let seq = 1; seq <= 1_000; seq++) saved.show(one(seq));
  await vi.waitFor(() => expect(waiting.size).toBe(4));
  expect(at).toHaveBeenCalledTimes(4);
  for (let seq = 5; seq <= 999; seq++) saved.leave(one(seq));
  for (const seq of [1, 2, 3, 4]) answer(seq);
  await vi.waitFor(() => expect(at).toHaveBeenLastCalledWith(1_000));
  expect(at).toHaveBeenCalledTimes(5);
  expect(saved.of(one(1))).toHaveProperty('shown');
  expect(saved.of(one(500))).toBeUndefined();
  // After a change of settings, say.
  saved.show(one(1));
  answer(1_000);
  saved.show(one(5));
  await vi.waitFor(() => expect(at).toHaveBeenLastCalledWith(5));
  expect(at).toHaveBeenCalledTimes(6);
});

it('what could not be fetched says so, and is tried again when it comes into sight again', async () => {
  const { saved, at, answer, waiting } = world();
  saved.show(one(1));
  await vi.waitFor(() => expect(waiting.size).toBe(1));
  answer(1, new Problem('offline'));
  await vi.waitFor(() => expect(saved.of(one(1))).toMatchObject({ problem: { code: 'offline' } }));
  saved.show(one(1));
  await vi.waitFor(() => expect(waiting.size).toBe(1));
  answer(1);
  await vi.waitFor(() => expect(saved.of(one(1))).toHaveProperty('shown'));
  expect(at).toHaveBeenCalledTimes(2);
});
