/** Of whom the safety number was compared, and whose it is that shows now: what a person sees of the pins in the vault. */
import { SvelteMap } from 'svelte/reactivity';
import type { Conversation, Person } from './api/types';
import { clock } from './clock';
import type { Keys, ShownKeys } from './keys';
import type { Vault } from './vault';

export class Trust {
  /** By account, as far as anybody has asked for it. */
  private readonly verified = new SvelteMap<string, number | null>();

  constructor(
    private readonly vault: Vault,
    private readonly keys: Keys,
  ) {}

  /** Since when; null where the numbers were not compared, or where it is not known yet. */
  verifiedAt(account: string): number | null {
    return this.verified.get(account) ?? null;
  }

  /** As the vault has it now; of all that are shown somewhere, or of these too. */
  async look(accounts: string[] = []): Promise<void> {
    const all = [...new Set([...this.verified.keys(), ...accounts])];
    const times = await this.vault.verifiedAt(all);
    all.forEach((account, at) => this.verified.set(account, times[at] ?? null));
  }

  async number(person: Person): Promise<string> {
    const number = await this.keys.safetyNumber(person);
    await this.look([person.id]);
    return number;
  }

  /** Rejects when the server has not got it yet; it gets it with the next thing that is written in the vault. */
  async mark({ id }: Person, verified: boolean): Promise<void> {
    await this.vault.markVerified(id, verified, clock.now());
    await this.look([id]);
    await this.keys.saveVault();
  }

  async accept(person: Person, shown: ShownKeys, between: Conversation): Promise<void> {
    try {
      await this.keys.accept(person, shown, between);
    } finally {
      await this.look([person.id]);
    }
  }
}
