// @vitest-environment happy-dom
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { api } from './api/client';
import type { ClientFrame, Presence } from './api/types';
import { Attendance } from './attendance';

const MINUTE = 60_000;

let privacy = { presence: true, typing: true, receipts: true };
let live: { open: boolean; twoWay: boolean; post: (frame: ClientFrame) => boolean };
let posted: ClientFrame[];
let told: [string, Presence][];
let hidden: boolean;
let attendance: Attendance;

const asked = {
  attending: vi.spyOn(api, 'attending'),
  presence: vi.spyOn(api, 'presence'),
  typing: vi.spyOn(api, 'typing'),
};

beforeEach(() => {
  vi.useFakeTimers();
  vi.spyOn(document, 'hidden', 'get').mockImplementation(() => hidden);
  asked.attending.mockReset().mockResolvedValue(undefined as never);
  asked.typing.mockReset().mockResolvedValue(undefined as never);
  asked.presence.mockReset().mockResolvedValue({ online: true });
  privacy = { presence: true, typing: true, receipts: true };
  [posted, told, hidden] = [[], [], false];
  live = { open: true, twoWay: true, post: (frame) => live.twoWay && (posted.push(frame), true) };
  attendance = new Attendance(live, {
    privacy: () => privacy,
    presence: (conversation, presence) => told.push([conversation, presence]),
  });
  posted = [];
});

afterEach(() => {
  attendance.stop();
  vi.useRealTimers();
});

const sign = (type: string) => dispatchEvent(new Event(type));
function show(visible: boolean): void {
  hidden = !visible;
  document.dispatchEvent(new Event('visibilitychange'));
}
const attending = () => posted.flatMap((frame) => (frame.type === 'attending' ? [frame.attending] : []));

it('says that somebody is here while the page is in sight and in use', () => {
  attendance.ready();
  vi.advanceTimersByTime(4 * MINUTE);
  sign('keydown');
  vi.advanceTimersByTime(4 * MINUTE);
  expect(attending()).toEqual([true]);
  vi.advanceTimersByTime(2 * MINUTE);
  expect(attending()).toEqual([true, false]);
  sign('pointermove');
  sign('pointermove');
  expect(attending()).toEqual([true, false, true]);
  show(false);
  show(true);
  expect(attending()).toEqual([true, false, true, false, true]);
});

it('says all of it again on a new line, which knows nothing', () => {
  attendance.ready();
  attendance.watch('c');
  posted = [];
  attendance.ready();
  expect(posted).toEqual([
    { type: 'attending', attending: true },
    { type: 'watch', conversation: 'c' },
  ]);
});

it('watches the thread that is open, in whatever order they are opened and closed', () => {
  attendance.ready();
  attendance.watch('a');
  attendance.watch('b');
  attendance.unwatch('a');
  attendance.unwatch('b');
  const watched = posted.flatMap((frame) => (frame.type === 'watch' ? [frame.conversation] : []));
  expect(watched).toEqual(['a', 'b', null]);
});

it('says every three seconds, for each conversation, that somebody types', () => {
  const typed = () => posted.filter(({ type }) => type === 'typing').length;
  for (let key = 0; key < 29; key++) {
    attendance.type('c');
    vi.advanceTimersByTime(100);
  }
  expect(typed()).toBe(1);
  attendance.type('other');
  expect(typed()).toBe(2);
  vi.advanceTimersByTime(100);
  attendance.type('c');
  expect(typed()).toBe(3);
  attendance.wrote('c');
  attendance.type('c');
  expect(typed()).toBe(4);
});

it('tells nothing that the person hides', () => {
  privacy = { presence: false, typing: false, receipts: true };
  attendance.ready();
  attendance.type('c');
  expect(posted).toEqual([]);
  live.twoWay = false;
  attendance.ready();
  attendance.type('c');
  expect(asked.attending).not.toHaveBeenCalled();
  expect(asked.typing).not.toHaveBeenCalled();
});

it('takes it back when the person begins to hide it', () => {
  attendance.ready();
  privacy = { ...privacy, presence: false };
  attendance.privacyChanged();
  privacy = { ...privacy, presence: true };
  attendance.privacyChanged();
  expect(attending()).toEqual([true, false, true]);
});

it('asks again and again where no frames go, and only while somebody is here', async () => {
  live.twoWay = false;
  attendance.ready();
  attendance.watch('c');
  await vi.advanceTimersByTimeAsync(MINUTE);
  expect(told).toEqual(Array(3).fill(['c', { online: true }]));
  expect(asked.attending).toHaveBeenCalledTimes(4);
  attendance.type('c');
  expect(asked.typing).toHaveBeenCalledExactlyOnceWith('c');
  show(false);
  await vi.advanceTimersByTimeAsync(MINUTE);
  expect(asked.presence).toHaveBeenCalledTimes(3);
  show(true);
  await vi.advanceTimersByTimeAsync(0);
  expect(asked.presence).toHaveBeenCalledTimes(4);
  for (let move = 0; move < 50; move++) sign('pointermove');
  expect(asked.presence).toHaveBeenCalledTimes(4);
  attendance.unwatch('c');
  await vi.advanceTimersByTimeAsync(MINUTE);
  expect(asked.presence).toHaveBeenCalledTimes(4);
  live.open = false;
  const before = asked.attending.mock.calls.length;
  await vi.advanceTimersByTimeAsync(MINUTE);
  expect(asked.attending).toHaveBeenCalledTimes(before);
});
