import { t } from '../../i18n/index.svelte';

const DAY = 24 * 3_600_000;

/** How long messages may stay, in milliseconds; 0 for ever. */
export const TIMERS = [0, DAY, 7 * DAY, 28 * DAY] as const;

export const periodOf = (after: number): string => t.timer.days(Math.round(after / DAY));

/** Who has set it; null for oneself. */
export function timerInWords(after: number, by: string | null): string {
  if (by === null) return after > 0 ? t.timer.setByMe(periodOf(after)) : t.timer.endedByMe;
  return after > 0 ? t.timer.set(by, periodOf(after)) : t.timer.ended(by);
}
