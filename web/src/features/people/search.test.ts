// @vitest-environment happy-dom
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { api } from '../../lib/api/client';
import type { Person } from '../../lib/api/types';
import { Search } from './search.svelte';

const person = (handle: string) => ({ id: handle, handle, display_name: handle }) as Person;
const [bob, eloise, elodie] = [person('bob'), person('eloise'), person('elodie')];

describe('a search', () => {
  const chosen = vi.fn();
  let answers: ((page: { people: Person[]; next?: string }) => void)[] = [];
  let asked: (string | undefined)[] = [];

  beforeEach(() => {
    vi.useFakeTimers();
    [answers, asked] = [[], []];
    vi.spyOn(api, 'people').mockImplementation(({ q, cursor }) => {
      asked.push(cursor ?? q);
      return new Promise((resolve) => answers.push(resolve));
    });
  });
  afterEach(() => {
    vi.restoreAllMocks();
    vi.useRealTimers();
    chosen.mockClear();
  });

  const answer = async (people: Person[], next?: string) => {
    answers.at(-1)?.(next ? { people, next } : { people });
    await vi.advanceTimersByTimeAsync(0);
  };
  const type = (search: Search, query: string) => {
    search.query = query;
    search.typed();
  };
  const answered = async (query: string, people: Person[]) => {
    const search = new Search([], chosen);
    type(search, query);
    await vi.advanceTimersByTimeAsync(200);
    await answer(people);
    return search;
  };

  it('lets nobody be chosen from the answer to an older question', async () => {
    const search = await answered('elo', [eloise, elodie]);
    expect(search.chosen).toBe(eloise);
    type(search, 'bob');
    expect(search.shown).toEqual([eloise, elodie]);
    expect(search.chosen).toBeUndefined();
    search.choose(eloise);
    expect(chosen).not.toHaveBeenCalled();
  });

  it('asks at once at Enter, and chooses the first that comes', async () => {
    const search = await answered('elo', [eloise]);
    type(search, 'bob');
    search.enter();
    expect(asked).toEqual(['elo', 'bob']);
    search.enter();
    expect(asked).toEqual(['elo', 'bob']);
    await answer([bob]);
    expect(chosen.mock.calls).toEqual([[bob]]);
  });

  it('forgets the Enter when one goes on typing', async () => {
    const search = await answered('elo', [eloise]);
    type(search, 'bo');
    search.enter();
    type(search, 'bob');
    await vi.advanceTimersByTimeAsync(200);
    await answer([bob]);
    expect(chosen).not.toHaveBeenCalled();
    expect(search.chosen).toBe(bob);
  });

  it('begins a new answer at its first, however far one was in the last', async () => {
    const search = await answered('elo', [eloise, elodie]);
    type(search, 'elod');
    search.move(1);
    await vi.advanceTimersByTimeAsync(200);
    await answer([elodie]);
    expect(search.chosen).toBe(elodie);
  });

  it('goes on where a page came back short', async () => {
    const search = await answered('e', []);
    expect(search.hasMore).toBe(false);
    type(search, 'el');
    await vi.advanceTimersByTimeAsync(200);
    await answer([], 'page 2');
    expect(search.current).toBe(false);
    await answer([eloise], 'page 3');
    expect(search.shown).toEqual([eloise]);
    expect(search.hasMore).toBe(true);
    await answer([elodie]);
    expect(search.shown).toEqual([eloise, elodie]);
    expect(asked).toEqual(['e', 'el', 'page 2', 'page 3']);
    expect(search.hasMore).toBe(false);
  });
});
