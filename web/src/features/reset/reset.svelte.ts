import { api } from '../../lib/api/client';
import type { Person } from '../../lib/api/types';
import { passing } from '../../lib/outbox';
import { Problem } from '../../lib/problem';
import type { Session } from '../../lib/session.svelte';
import { NewCode } from '../welcome/new-code.svelte';
import { newPasswordProblem } from '../welcome/rules';
import { w } from './words';

/** Everything lost: with a link, the same account begins anew, which counts after the last step. */
export class Reset extends NewCode {
  handle = $state('');
  password = $state('');
  understood = $state(false);
  /** Whose link it is, once the server has said so. */
  person: Person | null = $state.raw(null);
  /** Why the link cannot be used. */
  refused: Problem | null = $state.raw(null);
  private tried = $state(false);
  private left = false;
  private unanswered = false;

  constructor(
    private readonly session: Session,
    private readonly token: string,
  ) {
    super();
  }

  passwordError = $derived.by(() => (this.tried ? newPasswordProblem(this.password) : ''));
  understoodError = $derived.by(() => (this.tried && !this.understood ? w.notUnderstood : ''));

  async look(): Promise<void> {
    this.refused = null;
    try {
      this.person = (await api.resetStart({ token: this.token })).person;
      this.handle = this.person.handle;
    } catch (thrown) {
      this.refused = Problem.from(thrown);
    }
  }

  /** The form is complete: make the keys here, and show the code. False when something is wrong. */
  async prepare(): Promise<boolean> {
    if (this.busy) return true;
    this.tried = true;
    this.problem = null;
    if (this.passwordError || this.understoodError) return false;
    return this.working(async () => {
      this.code = await this.session.prepareReset(this.token, this.password);
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
    } catch (thrown) {
      const problem = Problem.from(thrown);
      // What an earlier press asked for was done, and only its answer lost: the link is used up.
      if (this.unanswered && problem.code === 'reset_expired') {
        await this.session.logIn(this.handle, this.password);
      } else {
        this.unanswered ||= passing(problem);
        throw thrown;
      }
    }
    this.session.preferences.codeSeen();
  }

  protected override explain(problem: Problem): void {
    super.explain(problem);
    // Keys that were made for what the account no longer is: others are made, with another code.
    if (problem.code !== 'vault_conflict' && problem.code !== 'bad_key_bundle') return;
    this.changed();
    this.step = 'form';
  }
}
