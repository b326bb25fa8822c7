import { t } from '../../i18n/index.svelte';
import type { Presence } from './presence.svelte';
import { date, daysAgo, hour } from './times';

/** What matters most of it: that they type, that they are there, when they last were. */
export function presenceInWords(presence: Presence, now: number, locale: string): string | null {
  const { typing, online, lastSeen } = presence;
  if (typing) return t.thread.typing;
  if (online) return t.thread.online;
  if (lastSeen === null) return null;
  const words = t.thread.lastSeen;
  const days = daysAgo(lastSeen, now);
  if (days > 1) return words.on(date(lastSeen, now, locale));
  return (days === 1 ? words.yesterday : words.today)(hour(lastSeen, locale));
}
