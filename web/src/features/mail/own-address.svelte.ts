import { language, t } from '../../i18n/index.svelte';
import { api } from '../../lib/api/client';
import type { OwnAddress } from '../../lib/api/types';
import { Problem } from '../../lib/problem';
import type { Session } from '../../lib/session.svelte';
import { w } from './words';

export type Doing = 'set' | 'remove';

/** One's own e-mail address, as the server has it; without an answer there is none to show. */
export class OwnMail {
  now: OwnAddress | null = $state.raw(null);
  problem: Problem | null = $state.raw(null);

  constructor() {
    void this.load();
  }

  async load(): Promise<void> {
    try {
      this.now = await api.ownAddress();
    } catch {
      // The settings are more than this.
    }
  }

  async choose(digest: OwnAddress['digest']): Promise<void> {
    this.problem = null;
    try {
      this.now = await api.changeDigest({ digest, language: language.code });
    } catch (thrown) {
      this.problem = Problem.from(thrown);
    }
  }
}

/** Setting one's address, or taking it away: with the password. */
export class AddressChange {
  address = $state('');
  password = $state('');
  busy = $state(false);
  problem: Problem | null = $state.raw(null);
  private tried = $state(false);

  constructor(
    private readonly session: Session,
    readonly doing: Doing,
    private readonly done: (now: OwnAddress) => void,
  ) {}

  passwordError = $derived.by(() => (this.tried && this.password === '' ? t.fields.passwordMissing : ''));
  addressError = $derived.by(() => {
    if (this.problem?.code === 'bad_address') return t.errors.bad_address;
    return this.tried && this.doing === 'set' && this.address.trim() === '' ? w.set.missing : '';
  });

  /** Something was typed: what was said of it is over. */
  changed(): void {
    this.problem = null;
  }

  /** False when something is wrong. */
  async submit(): Promise<boolean> {
    if (this.busy) return true;
    this.tried = true;
    this.problem = null;
    if (this.addressError || this.passwordError) return false;
    this.busy = true;
    try {
      const { credentials } = this.session;
      const { address, password } = this;
      this.done(
        this.doing === 'set'
          ? await credentials.setAddress(password, address, language.code)
          : await credentials.removeAddress(password),
      );
      return true;
    } catch (thrown) {
      this.problem = Problem.from(thrown);
      return false;
    } finally {
      this.busy = false;
    }
  }
}
