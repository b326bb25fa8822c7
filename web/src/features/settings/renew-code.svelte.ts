import type { NewRecoveryCode } from '../../generated/wasm/wasm.js';
import { t } from '../../i18n/index.svelte';
import { passing } from '../../lib/outbox';
import { Problem } from '../../lib/problem';
import type { Session } from '../../lib/session.svelte';
import { NewCode } from '../welcome/new-code.svelte';

/** Another recovery code in the place of the one there is: the password → the code → one group of it typed. */
export class RenewCode extends NewCode {
  handle: string;
  password = $state('');
  /** An answer was lost: nobody here knows which of the two codes counts. */
  unsure = $state(false);
  private tried = $state(false);
  private made: NewRecoveryCode | null = null;

  constructor(
    private readonly session: Session,
    private readonly done: () => void,
  ) {
    super();
    this.handle = session.me?.handle ?? '';
  }

  passwordError = $derived.by(() => (this.tried && this.password === '' ? t.fields.passwordMissing : ''));

  /** Shows the code to whoever knows the password. False when something is wrong. */
  async prepare(): Promise<boolean> {
    if (this.busy) return true;
    this.tried = true;
    this.problem = null;
    if (this.passwordError) return false;
    return this.working(async () => {
      await this.session.credentials.checkPassword(this.password);
      this.made = await this.session.credentials.prepareCode();
      this.code = this.made.code;
      this.step = 'code';
    });
  }

  protected async count(): Promise<void> {
    if (!this.made) throw new Problem('bad_opaque');
    try {
      // Twice is once.
      await this.session.credentials.replaceCode(this.made, this.password);
    } catch (thrown) {
      this.unsure ||= passing(Problem.from(thrown));
      throw thrown;
    }
    this.session.preferences.codeSeen();
    this.done();
  }
}
