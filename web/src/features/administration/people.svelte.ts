import { administration, type Account, type Which } from './api';
import { Pages } from './pages.svelte';

const PAUSE_MS = 250;

export type Act = 'promote' | 'demote' | 'suspend' | 'resume' | 'endSessions' | 'reset' | 'erase' | 'keep';

/** The accounts, as they are searched for and filtered. */
export class People {
  q = $state('');
  which: Which = $state('all');
  registered = $state(0);
  readonly pages: Pages<Account>;
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor() {
    this.pages = new Pages(async (before) => {
      const { q, which } = this;
      const { accounts, registered, next } = await administration.people({
        q,
        which,
        ...(before && { before }),
      });
      this.registered = registered;
      return { items: accounts, next };
    });
  }

  /** Asks once the typing pauses. */
  typed(): void {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => void this.pages.again(), PAUSE_MS);
  }

  choose(which: Which): void {
    this.which = which;
    void this.pages.again();
  }

  /** A link to hand over, where that is what was made. */
  async act({ id }: Account, act: Act): Promise<string | null> {
    if (act === 'reset') {
      const { token } = await administration.resetLink(id);
      return `${location.origin}/reset#${token}`;
    }
    await ACTS[act](id);
    await this.pages.again();
    return null;
  }
}

const ACTS: Record<Exclude<Act, 'reset'>, (account: string) => Promise<unknown>> = {
  promote: (account) => administration.changeRole(account, 'administrator'),
  demote: (account) => administration.changeRole(account, 'person'),
  suspend: (account) => administration.suspend(account),
  resume: (account) => administration.resume(account),
  endSessions: (account) => administration.endSessions(account),
  erase: (account) => administration.erase(account),
  keep: (account) => administration.keep(account),
};

/** Those that one does not press in passing. */
export const isGrave = (act: Act) => ['suspend', 'reset', 'erase'].includes(act);

/** What can be done with an account as it is. */
export function actsOn({ role, suspended_at, sessions, erase_at }: Account): Act[] {
  return [
    ...(sessions > 0 ? (['endSessions'] as const) : []),
    'reset',
    role === 'administrator' ? 'demote' : 'promote',
    suspended_at ? 'resume' : 'suspend',
    erase_at ? 'keep' : 'erase',
  ];
}
