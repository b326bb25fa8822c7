import { expect, it } from 'vitest';
import { epochOf, newId, uuid } from './ids';
import { rotationDue } from './keys';

const day = 24 * 3_600_000;
const epoch = { id: 'e', number: 3, created_at: 100 * day, first_seq: 501 };

it('an epoch ends after a thousand messages', () => {
  expect(rotationDue(epoch, 1_499, epoch.created_at)).toBe(false);
  expect(rotationDue(epoch, 1_500, epoch.created_at)).toBe(true);
});

it('an epoch ends after seven days', () => {
  expect(rotationDue(epoch, 501, epoch.created_at + 7 * day - 1)).toBe(false);
  expect(rotationDue(epoch, 501, epoch.created_at + 7 * day)).toBe(true);
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
