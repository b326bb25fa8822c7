import { t } from '../../i18n/index.svelte';
import { problemText } from '../../i18n/problem-text';
import { passing } from '../../lib/outbox';
import { Problem } from '../../lib/problem';
import type { Session } from '../../lib/session.svelte';
import { NewCode } from './new-code.svelte';
import { handleProblem, newPasswordProblem } from './rules';

/** The way back in with the recovery code: another password, and another code, which count after the last step. */
export class Recover extends NewCode {
  handle = $state('');
  oldCode = $state('');
  password = $state('');
  /** The account has a second factor, which will be turned off. */
  secondFactor = $state(false);
  /** It has passkeys, which will be removed. */
  passkeys = $state(false);
  private codeProblem: Problem | null = $state.raw(null);
  private tried = $state(false);
  private left = false;
  private unanswered = false;

  constructor(private readonly session: Session) {
    super();
  }

  handleError = $derived.by(() => (this.tried ? handleProblem(this.handle) : ''));
  passwordError = $derived.by(() => (this.tried ? newPasswordProblem(this.password) : ''));
  codeError = $derived.by(() => {
    if (this.codeProblem) return problemText(this.codeProblem);
    return this.tried && this.oldCode.trim() === '' ? t.fields.recoveryCodeMissing : '';
  });

  override changed(): void {
    super.changed();
    this.codeProblem = null;
  }

  /** The form is complete: open the account here, and show the next code. False when something is wrong. */
  async prepare(): Promise<boolean> {
    if (this.busy) return true;
    this.tried = true;
    this.problem = null;
    this.codeProblem = null;
    if (this.handleError || this.codeError || this.passwordError) return false;
    return this.working(async () => {
      const { handle, oldCode, password } = this;
      const made = await this.session.prepareRecovery({ handle, code: oldCode, password });
      this.code = made.code;
      this.secondFactor = made.secondFactor;
      this.passkeys = made.passkeys;
      if (this.left) this.session.abandon();
      this.step = 'code';
    });
  }

  leave(): void {
    this.left = true;
    this.session.abandon();
  }

  protected async count(): Promise<void> {
    try {
      await this.session.finish();
      this.session.preferences.codeSeen();
    } catch (thrown) {
      const problem = Problem.from(thrown);
      // What an earlier press asked for was done, and only its answer lost: the code is used up.
      if (this.unanswered && problem.code === 'wrong_recovery_code') {
        // It has turned off the second factor, too: no code is asked for.
        await this.session.logIn(this.handle, this.password);
        return;
      }
      this.unanswered ||= passing(problem);
      throw thrown;
    }
  }

  protected override explain(problem: Problem): void {
    if (problem.code !== 'bad_recovery_code' && problem.code !== 'wrong_recovery_code')
      return super.explain(problem);
    this.codeProblem = problem;
    this.step = 'form';
  }
}
