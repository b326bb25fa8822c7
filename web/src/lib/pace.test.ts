import { beforeEach, expect, it, vi } from 'vitest';
import type { ClientFrame } from './api/types';
import { Pace } from './pace';

const posted: ClientFrame[] = [];
const live = { open: true, post: (frame: ClientFrame) => posted.push(frame) > 0 };
const accepted = (id: string) => ({ conversation: 'c', id, seq: 7, rev: 7, sent_at: 1 });
let pace: Pace;

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['performance'] });
  posted.length = 0;
  live.open = true;
  pace = new Pace(live);
});

it('tells once how long a message took until it was acknowledged', () => {
  pace.press('a');
  vi.advanceTimersByTime(120);
  pace.acknowledged(accepted('a'));
  pace.acknowledged(accepted('a'));
  expect(posted).toEqual([{ type: 'took', conversation: 'c', seq: 7, milliseconds: 120 }]);
});

it('says nothing of what waited for a line, or outlived one', () => {
  live.open = false;
  pace.press('a');
  live.open = true;
  pace.press('b');
  pace.forget();
  for (const id of ['a', 'b', 'never pressed here']) pace.acknowledged(accepted(id));
  expect(posted).toEqual([]);
  pace.press('c');
  pace.acknowledged(accepted('c'));
  expect(posted).toHaveLength(1);
});
