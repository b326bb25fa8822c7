/** What the three cards say. */
import type { Indicators } from '../api';
import { w } from '../words';
import { missedBy, number, percent, satisfied, seconds, share } from './figures';

export function cards(indicators: Indicators, locale: string) {
  return [useCard(indicators, locale), speedCard(indicators, locale), satisfactionCard(indicators, locale)];
}

function useCard({ use }: Indicators, locale: string) {
  const words = w.indicators.use;
  const value = percent(use.active, use.registered);
  const points = use.weeks.map((week) => percent(week.active_in_month, week.registered));
  const target = share(use.target, locale);
  return {
    title: words.card,
    value: share(value, locale),
    under: words.under(number(use.active, locale), number(use.registered, locale), target),
    ...verdict(value, use.target),
    advice: words.advice,
    points,
    target: use.target,
    summary: courseOf(points, target, words.course, locale),
  };
}

function speedCard({ speed }: Indicators, locale: string) {
  const words = w.indicators.speed;
  const { mean, p95 } = speed.month;
  const target = seconds(speed.target, locale);
  const known = mean ?? null;
  const missed = known === null ? 0 : missedBy(known, speed.target, 'less');
  const points = speed.days.map((day) => day.mean ?? null);
  const means = points.filter((point) => point !== null);
  return {
    title: words.card,
    value: known === null ? '–' : seconds(known, locale),
    under: words.under(p95 == null ? '–' : seconds(p95, locale), target),
    reached: known === null ? null : missed === 0,
    verdict:
      known === null
        ? w.indicators.nothing
        : missed === 0
          ? w.indicators.reached
          : words.missed(seconds(missed, locale)),
    advice: words.advice,
    points,
    target: speed.target,
    summary:
      means.length === 0
        ? w.indicators.nothing
        : words.course(
            words.days,
            seconds(Math.min(...means), locale),
            seconds(Math.max(...means), locale),
            target,
          ),
  };
}

function satisfactionCard({ satisfaction }: Indicators, locale: string) {
  const words = w.indicators.satisfaction;
  const latest = satisfaction.periods[0];
  const value = latest ? satisfied(latest) : null;
  const points = satisfaction.periods.map(satisfied).reverse();
  const target = share(satisfaction.target, locale);
  return {
    title: words.card,
    value: share(value, locale),
    under: words.under(latest?.answers ?? 0, target),
    ...verdict(value, satisfaction.target),
    ...(value === null && { verdict: words.tooFew(satisfaction.enough) }),
    advice: words.advice,
    points,
    target: satisfaction.target,
    summary: courseOf(points, target, words.course, locale),
  };
}

function verdict(value: number | null, target: number): { reached: boolean | null; verdict: string } {
  if (value === null) return { reached: null, verdict: w.indicators.nothing };
  const missed = missedBy(value, target, 'more');
  return {
    reached: missed === 0,
    verdict: missed === 0 ? w.indicators.reached : w.indicators.missed(missed),
  };
}

/** From where to where it went. */
function courseOf(
  points: readonly (number | null)[],
  target: string,
  words: (first: string, last: string, target: string) => string,
  locale: string,
): string {
  const known = points.filter((point) => point !== null);
  if (known.length === 0) return w.indicators.nothing;
  return words(share(known[0] ?? null, locale), share(known.at(-1) ?? null, locale), target);
}
