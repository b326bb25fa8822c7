import { t } from '../../i18n/index.svelte';
import { Problem } from '../../lib/problem';
import { askFor, confirms, groupsOf } from './recovery';

export type Step = 'form' | 'code' | 'confirm';

/**
 * A recovery code on its way to count: a form → the code, shown once → one group of it typed back. Whatever it is for
 * happens only after the last step, so that nobody has a code that they do not have.
 */
export abstract class NewCode {
  step: Step = $state('form');
  code = $state('');
  asked = $state(0);
  typedGroup = $state('');
  busy = $state(false);
  problem: Problem | null = $state.raw(null);
  private groupWrong = $state(false);

  /** Whose code it is. */
  abstract handle: string;

  groupError = $derived.by(() => (this.groupWrong ? t.recovery.wrongGroup(this.asked + 1) : ''));
  groups = $derived(groupsOf(this.code));

  confirm(): void {
    this.asked = askFor(this.groups);
    this.typedGroup = '';
    this.groupWrong = false;
    this.problem = null;
    this.step = 'confirm';
  }

  /** The browser's Back and Forward. */
  returnTo(step: Step): void {
    if (step === 'form' || this.code !== '') this.step = step;
  }

  /** The form was changed: the keys made from it before are not for it. */
  changed(): void {
    this.code = '';
  }

  /** The person has shown that the code is kept: now it may count. False when something is wrong. */
  async finish(): Promise<boolean> {
    if (this.busy) return true;
    this.groupWrong = !confirms(this.typedGroup, this.groups[this.asked] ?? '');
    if (this.groupWrong) return false;
    this.problem = null;
    return this.working(() => this.count());
  }

  /** Makes the code count. */
  protected abstract count(): Promise<void>;

  protected async working(task: () => Promise<void>): Promise<boolean> {
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

  /** Each refusal goes to where it can be put right; the code shown stays good where it can. */
  protected explain(problem: Problem): void {
    this.problem = problem;
  }
}
