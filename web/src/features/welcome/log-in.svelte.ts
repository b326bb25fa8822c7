import { t } from '../../i18n/index.svelte';
import { Problem } from '../../lib/problem';
import type { Pending, Session } from '../../lib/session.svelte';
import { handleProblem } from './rules';

/** The log-in form: handle and password, and then a code where the account has a second factor. */
export class LogIn {
  handle = $state('');
  password = $state('');
  code = $state('');
  busy = $state(false);
  problem: Problem | null = $state.raw(null);
  private tried = $state(false);
  private wrong = $state(false);
  /** The password was good, and this waits for the code. */
  pending: Pending | null = $state.raw(null);

  constructor(private readonly session: Session) {}

  handleError = $derived.by(() => (this.tried ? handleProblem(this.handle) : ''));
  passwordError = $derived.by(() => (this.tried && this.password === '' ? t.fields.passwordMissing : ''));
  codeError = $derived.by(() => {
    if (this.wrong) return t.errors.wrong_second_factor;
    return this.tried && this.code.trim() === '' ? t.secondFactor.missing : '';
  });

  codeChanged(): void {
    this.tried = false;
    this.wrong = false;
  }

  /** Back to handle and password. */
  begin(): void {
    this.pending = null;
    this.code = '';
    this.problem = null;
    this.codeChanged();
  }

  /** True when signed in, or when the code is what is wanted next. */
  async submit(): Promise<boolean> {
    if (this.busy) return false;
    this.tried = true;
    if (this.handleError || this.passwordError) {
      this.problem = null;
      return false;
    }
    return this.working(async () => {
      this.pending = await this.session.logIn(this.handle, this.password);
      this.tried = false;
    });
  }

  /** With the code. True when signed in. */
  async answer(): Promise<boolean> {
    if (this.busy || !this.pending) return false;
    this.tried = true;
    if (this.codeError) return false;
    const { pending, code } = this;
    return this.working(() => pending.name(code));
  }

  /** In the place of the code, or of the password as well. True when signed in. */
  async usePasskey(): Promise<boolean> {
    if (this.busy) return false;
    this.tried = false;
    return this.working(() =>
      (this.pending ?? { usePasskey: () => this.session.logInWithPasskey() }).usePasskey(),
    );
  }

  private async working(task: () => Promise<void>): Promise<boolean> {
    this.problem = null;
    this.busy = true;
    try {
      await task();
      return true;
    } catch (thrown) {
      this.explain(Problem.from(thrown));
      return false;
    } finally {
      this.busy = false;
    }
  }

  private explain(problem: Problem): void {
    if (problem.code === 'wrong_second_factor') {
      this.wrong = true;
      return;
    }
    // Too late, or the password has been changed meanwhile: from the beginning.
    if (problem.code === 'login_expired' || problem.code === 'wrong_credentials') this.begin();
    this.problem = problem;
  }
}
