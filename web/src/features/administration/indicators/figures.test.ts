import { expect, it } from 'vitest';
import { lines, missedBy, percent, satisfied, seconds, share } from './figures';

const period = (scores: number[] | null, answers: number) => ({
  from: 0,
  to: 0,
  asked: 9,
  answered: 9,
  answers,
  scores,
});

it('rounds a share down, so that a target is reached when it says so', () => {
  expect(percent(796, 1_000)).toBe(79);
  expect(percent(80, 100)).toBe(80);
  expect(percent(0, 0)).toBeNull();
});

it('counts fours and fives, of what is shown', () => {
  expect(satisfied(period([1, 0, 1, 2, 6], 10))).toBe(80);
  expect(satisfied(period(null, 4))).toBeNull();
});

it('knows on which side of a target one is', () => {
  expect(missedBy(86, 90, 'more')).toBe(4);
  expect(missedBy(93, 90, 'more')).toBe(0);
  expect(missedBy(2_400, 2_000, 'less')).toBe(400);
  expect(missedBy(190, 2_000, 'less')).toBe(0);
});

it('says times and shares in the language', () => {
  expect(seconds(190, 'fr')).toBe('0,19\u00a0s');
  expect(seconds(22, 'en')).toBe('0.022\u00a0s');
  expect(seconds(61_240, 'en')).toBe('61.2\u00a0s');
  expect(share(83, 'fr')).toMatch(/^83\s%$/);
  expect(share(null, 'en')).toBe('–');
});

it('draws a line for what is known, with gaps where nothing is', () => {
  const { paths, target } = lines([10, 20, null, 40], 30);
  expect(paths.map((path) => path.length)).toEqual([2, 1]);
  expect(paths[1]?.[0]?.[0]).toBe(1);
  const heights = paths.flat().map(([, y]) => y);
  expect(Math.min(...heights)).toBeGreaterThan(0);
  expect(Math.max(...heights)).toBeLessThan(1);
  expect(target).toBeGreaterThan(heights[1] ?? 1);
  expect(target).toBeLessThan(heights[2] ?? 0);
  expect(lines([80], 80).paths).toEqual([[[0.5, 0.5]]]);
  expect(lines([], 80)).toEqual({ paths: [], target: 0.5 });
});
