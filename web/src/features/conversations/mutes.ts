import { t } from '../../i18n/index.svelte';
import { ALWAYS } from '../../lib/preferences.svelte';

const HOUR = 3_600_000;

/** For how long one can be left in peace. */
export const MUTES = [
  { label: () => t.list.mutes.hour, until: (now: number) => now + HOUR },
  { label: () => t.list.mutes.hours, until: (now: number) => now + 8 * HOUR },
  { label: () => t.list.mutes.week, until: (now: number) => now + 7 * 24 * HOUR },
  { label: () => t.list.mutes.always, until: () => ALWAYS },
];
