/** The tables of the indicators, on the screen and on paper. */
import type { Indicators } from '../api';
import { w } from '../words';
import { number, percent, satisfied, seconds, share, span } from './figures';

export function useRows({ weeks }: Indicators['use'], locale: string): string[][] {
  return weeks
    .toReversed()
    .map((week) => [
      span(week.from, week.to, locale),
      share(percent(week.active_in_month, week.registered), locale),
      number(week.registered, locale),
      number(week.active, locale),
      number(week.new, locale),
      number(week.returning, locale),
    ]);
}

export function speedRows(
  points: Indicators['speed']['days'],
  name: (at: number) => string,
  locale: string,
): string[][] {
  const time = (value: number | null | undefined) => (value == null ? '–' : seconds(value, locale));
  return points
    .filter(({ messages }) => messages > 0)
    .toReversed()
    .map(({ at, messages, mean, p95 }) => [name(at), number(messages, locale), time(mean), time(p95)]);
}

export function bucketRows({ buckets }: Indicators['speed'], locale: string): string[][] {
  return buckets.map(({ up_to, above, messages }) => [
    up_to == null
      ? w.indicators.speed.above(seconds(above, locale))
      : w.indicators.speed.upTo(seconds(up_to, locale)),
    number(messages, locale),
  ]);
}

/** Five, the best first. */
export function scoreRows(scores: readonly number[], locale: string): string[][] {
  return scores
    .map((count, at) => [w.indicators.satisfaction.scores[at] ?? '', number(count, locale)])
    .reverse();
}

export function periodRows({ periods }: Indicators['satisfaction'], locale: string): string[][] {
  return periods
    .filter(({ asked, answers }) => asked + answers > 0)
    .map((period) => [
      span(period.from, period.to, locale),
      share(satisfied(period), locale),
      number(period.answers, locale),
      share(percent(period.answered, period.asked), locale),
    ]);
}

/** Each as a share of the largest. */
export function bars(values: readonly number[]): number[] {
  const most = Math.max(1, ...values);
  return values.map((value) => value / most);
}
