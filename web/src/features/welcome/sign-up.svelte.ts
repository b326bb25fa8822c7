import { t } from '../../i18n/index.svelte';
import { problemText } from '../../i18n/problem-text';
import { api } from '../../lib/api/client';
import { organisation } from '../../lib/organisation.svelte';
import { Problem } from '../../lib/problem';
import type { Session } from '../../lib/session.svelte';
import { NewCode } from './new-code.svelte';
import { displayNameProblem, handleProblem, newPasswordProblem } from './rules';

const PAUSE_MS = 350;

/**
 * From the form to the account, which exists only after the last step, so that nobody has one without its code.
 */
export class SignUp extends NewCode {
  displayName = $state('');
  handle = $state('');
  password = $state('');
  setupCode = $state('');
  availability: 'unknown' | 'checking' | 'free' | 'taken' = $state('unknown');
  setupCodeProblem: Problem | 'missing' | null = $state.raw(null);
  setupCodeRefused = $state(false);
  private tried = $state(false);
  private timer: ReturnType<typeof setTimeout> | undefined;
  private asking: AbortController | undefined;
  private left = false;

  constructor(private readonly session: Session) {
    super();
  }

  displayNameError = $derived.by(() => (this.tried ? displayNameProblem(this.displayName) : ''));
  passwordError = $derived.by(() => (this.tried ? newPasswordProblem(this.password) : ''));
  handleError = $derived.by(() => {
    if (this.availability === 'taken') return t.errors.handle_taken;
    const problem = handleProblem(this.handle);
    // While it is still being typed, only a wrong character is worth a word.
    return this.tried || problem === t.fields.handleCharacters
      ? this.handle || this.tried
        ? problem
        : ''
      : '';
  });
  setupCodeError = $derived.by(() => {
    if (this.setupCodeProblem === 'missing') return t.fields.setupCodeMissing;
    return this.setupCodeProblem ? problemText(this.setupCodeProblem) : '';
  });

  /** Asks once the typing pauses; an answer about an older handle is dropped. */
  handleTyped(): void {
    clearTimeout(this.timer);
    this.asking?.abort();
    this.availability = 'unknown';
    if (handleProblem(this.handle)) return;
    this.timer = setTimeout(() => void this.askAvailability(), PAUSE_MS);
  }

  private async askAvailability(): Promise<void> {
    const asking = (this.asking = new AbortController());
    this.availability = 'checking';
    try {
      const { available } = await api.handle(this.handle, asking.signal);
      if (!asking.signal.aborted) this.availability = available ? 'free' : 'taken';
    } catch {
      // Only a help while typing: the sign-up itself decides.
      if (!asking.signal.aborted) this.availability = 'unknown';
    }
  }

  /** The form is complete: make the keys and show the code. False when something is wrong. */
  async prepare(): Promise<boolean> {
    if (this.busy) return true;
    this.tried = true;
    this.problem = null;
    const missing = organisation.setupCodeNeeded && this.setupCode.trim() === '';
    this.setupCodeProblem = missing ? 'missing' : null;
    if (this.displayNameError || this.handleError || this.passwordError || missing) return false;
    return this.working(async () => {
      this.code = await this.session.prepareSignUp({
        handle: this.handle,
        displayName: this.displayName.trim(),
        password: this.password,
      });
      if (this.left) this.session.abandon();
      this.step = 'code';
    });
  }

  /** The page is left: nothing of it goes on. */
  leave(): void {
    this.left = true;
    clearTimeout(this.timer);
    this.asking?.abort();
    this.session.abandon();
  }

  protected async count(): Promise<void> {
    this.setupCodeProblem = null;
    await this.session.finish({ setupCode: this.setupCode.trim() || undefined });
  }

  protected override explain(problem: Problem): void {
    if (problem.code === 'handle_taken') {
      this.availability = 'taken';
      this.step = 'form';
    } else if (problem.code === 'registration_expired') {
      this.problem = problem;
      this.step = 'form';
    } else if (problem.code === 'wrong_setup_code') {
      this.setupCodeRefused = true;
      this.setupCodeProblem = problem;
    } else {
      super.explain(problem);
    }
  }
}
