import type { Privacy } from '../../lib/api/types';
import { Problem } from '../../lib/problem';
import type { Session } from '../../lib/session.svelte';

/** What one shares: each switch is saved at once, one after the other. */
export class PrivacySwitches {
  problem: Problem | null = $state.raw(null);
  /** What the server does not know yet. */
  private wanted: Partial<Privacy> = $state.raw({});
  private turn: Promise<void> = Promise.resolve();

  constructor(
    private readonly session: Pick<Session, 'changePrivacy' | 'refreshPrivacy'>,
    private readonly saved: () => Privacy,
  ) {}

  get shown(): Privacy {
    return { ...this.saved(), ...this.wanted };
  }

  /** Another browser may have changed it while this one was away. */
  refresh(): void {
    this.turn = this.turn.then(() => this.session.refreshPrivacy()).catch(() => undefined);
  }

  set(which: keyof Privacy, on: boolean): void {
    this.problem = null;
    this.wanted = { ...this.wanted, [which]: on };
    this.turn = this.turn.then(() => this.save(which, on));
  }

  private async save(which: keyof Privacy, on: boolean): Promise<void> {
    try {
      await this.session.changePrivacy({ [which]: on });
    } catch (thrown) {
      this.problem = Problem.from(thrown);
    }
    if (this.wanted[which] !== on) return;
    this.wanted = Object.fromEntries(Object.entries(this.wanted).filter(([name]) => name !== which));
  }
}
