import { t } from '../../i18n/index.svelte';
import { Problem } from '../../lib/problem';
import type { Session } from '../../lib/session.svelte';
import { handleProblem } from './rules';

/** The log-in form. */
export class LogIn {
  handle = $state('');
  password = $state('');
  busy = $state(false);
  problem: Problem | null = $state.raw(null);
  private tried = $state(false);

  constructor(private readonly session: Session) {}

  handleError = $derived.by(() => (this.tried ? handleProblem(this.handle) : ''));
  passwordError = $derived.by(() => (this.tried && this.password === '' ? t.fields.passwordMissing : ''));

  /** True when signed in. */
  async submit(): Promise<boolean> {
    if (this.busy) return false;
    this.tried = true;
    this.problem = null;
    if (this.handleError || this.passwordError) return false;
    this.busy = true;
    try {
      await this.session.logIn(this.handle, this.password);
      return true;
    } catch (thrown) {
      this.problem = Problem.from(thrown);
      return false;
    } finally {
      this.busy = false;
    }
  }
}
