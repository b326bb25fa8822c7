/** What the server counted, as it is said: shares, distances from the target, times. */
import type { Indicators } from '../api';

type Period = Indicators['satisfaction']['periods'][number];

/** In whole percent, rounded down: what says 80 % is not 79.6. */
export function percent(part: number, whole: number): number | null {
  return whole > 0 ? Math.floor((100 * part) / whole) : null;
}

/** Of the answers, those of 4 and 5; null where they are too few to be shown. */
export function satisfied({ scores, answers }: Period): number | null {
  return scores ? percent((scores[3] ?? 0) + (scores[4] ?? 0), answers) : null;
}

/** Below it for a share, above it for a time: by how much the target is missed, 0 if it is not. */
export function missedBy(value: number, target: number, better: 'more' | 'less'): number {
  return Math.max(0, better === 'more' ? target - value : value - target);
}

/** In seconds, with as many digits behind the point as tell something. */
export function seconds(milliseconds: number, locale: string): string {
  const digits = milliseconds < 100 ? 3 : milliseconds < 10_000 ? 2 : 1;
  return `${new Intl.NumberFormat(locale, { maximumFractionDigits: digits }).format(milliseconds / 1_000)}\u00a0s`;
}

export function number(value: number, locale: string): string {
  return new Intl.NumberFormat(locale).format(value);
}

export function share(value: number | null, locale: string): string {
  if (value === null) return '–';
  return new Intl.NumberFormat(locale, { style: 'percent', maximumFractionDigits: 0 }).format(value / 100);
}

/** The server counts days by UTC. */
export function day(at: number, locale: string): string {
  return new Intl.DateTimeFormat(locale, { day: 'numeric', month: 'short', timeZone: 'UTC' }).format(at);
}

export function span(from: number, to: number, locale: string): string {
  return `${day(from, locale)} – ${day(to, locale)}`;
}

/** Lines of a chart through what is known, in its own units: x from 0 to 1, y from 0 at the bottom to 1. */
export function lines(
  points: readonly (number | null)[],
  target: number,
): { paths: [number, number][][]; target: number } {
  const known = points.filter((point) => point !== null);
  const low = Math.min(target, ...known);
  const high = Math.max(target, ...known);
  const room = Math.max(high - low, Math.abs(high) * 0.05, 1e-9) * 0.15;
  const y = (value: number) => (value - low + room) / (high - low + 2 * room);
  const paths: [number, number][][] = [];
  let path: [number, number][] = [];
  points.forEach((point, at) => {
    if (point === null) {
      path = [];
      return;
    }
    if (path.length === 0) paths.push(path);
    path.push([points.length > 1 ? at / (points.length - 1) : 0.5, y(point)]);
  });
  return { paths, target: y(target) };
}
