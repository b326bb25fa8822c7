/** What is to be seen of the other person at this moment; nothing of who hides it. */
import type { Presence as Told } from '../../lib/api/types';

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
}
