/** What is to be seen of the other person at this moment; nothing of who hides it. */
import { t } from '../../i18n/index.svelte';
import type { Presence as Told } from '../../lib/api/types';
import { date, daysAgo, hour } from './times';

/** Who types says so every three seconds. */
const TYPING = 5_000;

export class Presence {
  typing = $state(false);
  online = $state(false);
  lastSeen: number | null = $state(null);
  private timer: ReturnType<typeof setTimeout> | undefined;

  told({ online, last_seen }: Told): void {
    this.online = online;
    this.lastSeen = last_seen ?? null;
  }

  types(): void {
    this.wrote();
    this.typing = true;
    this.timer = setTimeout(() => (this.typing = false), TYPING);
  }

  /** What was typed is here. */
  wrote(): void {
    clearTimeout(this.timer);
    this.typing = false;
  }

  /** Nobody looks any more. */
  forget(): void {
    this.told({ online: false });
  }

  inWords(now: number, locale: string): string | null {
    if (this.typing) return t.thread.typing;
    if (this.online) return t.thread.online;
    if (this.lastSeen === null) return null;
    const { lastSeen } = t.thread;
    const days = daysAgo(this.lastSeen, now);
    if (days > 1) return lastSeen.on(date(this.lastSeen, now, locale));
    return (days === 1 ? lastSeen.yesterday : lastSeen.today)(hour(this.lastSeen, locale));
  }
}
