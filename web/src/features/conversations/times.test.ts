import { describe, expect, it } from 'vitest';
import { daysAgo, dayInField, dayLabel, hour, inField, moment, rowTime, soon, timeZone } from './times';

/** Local time, so that the test means the same in every time zone. */
const at = (year: number, month: number, day: number, hours = 12, minutes = 0) =>
  new Date(year, month - 1, day, hours, minutes).getTime();

const now = at(2026, 11, 19, 15); // a Thursday

describe('time in the list', () => {
  it.each([
    ['the hour for today', at(2026, 11, 19, 9, 5), '09:05', '09:05'],
    ['yesterday, even minutes ago', at(2026, 11, 18, 23, 59), 'Yesterday', 'Hier'],
    ['the weekday within a week', at(2026, 11, 17), 'Tue', 'Mar.'],
    ['the date beyond', at(2026, 11, 12), '12 Nov', '12 nov.'],
    ['the year of another year', at(2025, 2, 3), '03/02/2025', '03/02/2025'],
  ])('is %s', (_, moment, english, french) => {
    expect(rowTime(moment, now, 'en-GB')).toBe(english);
    expect(rowTime(moment, now, 'fr')).toBe(french);
  });

  it('of a message from a clock that is ahead is still an hour', () => {
    expect(rowTime(at(2026, 11, 20, 8, 0), now, 'fr')).toBe('08:00');
  });
});

describe('day separators', () => {
  it.each([
    [at(2026, 11, 19, 0), 'Today', 'Aujourd’hui'],
    [at(2026, 11, 18), 'Yesterday', 'Hier'],
    [at(2026, 11, 17), 'Tuesday 17 November', 'Mardi 17 novembre'],
    [at(2024, 12, 31), 'Tuesday, 31 December 2024', 'Mardi 31 décembre 2024'],
  ])('%#', (moment, english, french) => {
    expect(dayLabel(moment, now, 'en-GB')).toBe(english);
    expect(dayLabel(moment, now, 'fr')).toBe(french);
  });
});

it('a day is a day of the calendar, also when the clock changes', () => {
  // 25 October 2026 has 25 hours in Europe, 8 March 23 in America.
  expect(daysAgo(at(2026, 10, 25, 0, 30), at(2026, 10, 26, 0, 10))).toBe(1);
  expect(daysAgo(at(2026, 3, 8, 0, 30), at(2026, 3, 9, 0, 10))).toBe(1);
});

it('the hour has two digits', () => {
  expect(hour(at(2026, 1, 1, 7, 3), 'fr')).toBe('07:03');
});

describe('a time to come', () => {
  const named = (from: number) => soon(from).map((each) => [each.in, inField(each.at)]);

  it('is soon chosen: in an hour, tomorrow and on Monday at nine', () => {
    expect(named(now)).toEqual([
      ['hour', '2026-11-19T16:00'],
      ['tomorrow', '2026-11-20T09:00'],
      ['monday', '2026-11-23T09:00'],
    ]);
    // On a Monday it is the next one; on a Sunday it is tomorrow, and said once.
    expect(named(at(2026, 11, 23)).at(-1)).toEqual(['monday', '2026-11-30T09:00']);
    expect(named(at(2026, 11, 22, 23))).toEqual([
      ['hour', '2026-11-23T00:00'],
      ['tomorrow', '2026-11-23T09:00'],
    ]);
    expect(named(at(2026, 12, 31))[1]).toEqual(['tomorrow', '2027-01-01T09:00']);
  });

  it('stands in a field as it is here, and comes back from there', () => {
    expect(inField(at(2026, 3, 8, 7, 5))).toBe('2026-03-08T07:05');
    expect(new Date(inField(now)).getTime()).toBe(now);
    expect(dayInField(at(2026, 3, 8, 0))).toBe('2026-03-08');
  });

  it('is said in words, with its time zone', () => {
    expect(moment(at(2026, 11, 25, 9), now, 'en-GB')).toBe('Wednesday 25 November at 09:00');
    expect(moment(at(2026, 11, 25, 9), now, 'fr')).toBe('mercredi 25 novembre à 09:00');
    expect(moment(at(2027, 1, 5, 9), now, 'fr')).toContain('2027');
    expect(timeZone(now, 'en-GB')).toMatch(/\w+ \w+/);
  });
});
