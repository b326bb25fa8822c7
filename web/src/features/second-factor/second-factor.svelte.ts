import { t } from '../../i18n/index.svelte';
import { Problem } from '../../lib/problem';
import type { Session } from '../../lib/session.svelte';
import { newSecret } from './secret';
import { w } from './words';

export type Doing = 'on' | 'off' | 'codes';
type Step = 'password' | 'app' | 'codes';

/** What one does with one's second factor: the password → the app and its first code → the backup codes, as far as it goes. */
export class SecondFactorChange {
  step: Step = $state('password');
  password = $state('');
  typed = $state('');
  busy = $state(false);
  problem: Problem | null = $state.raw(null);
  codes: string[] = $state.raw([]);
  readonly secret = newSecret();
  readonly handle: string;
  private tried = $state(false);
  private wrong = $state(false);

  constructor(
    private readonly session: Session,
    readonly doing: Doing,
    private readonly done: (words: string) => void,
  ) {
    this.handle = session.me?.handle ?? '';
  }

  passwordError = $derived.by(() => (this.tried && this.password === '' ? t.fields.passwordMissing : ''));
  codeError = $derived.by(() => {
    if (this.wrong) return t.errors.wrong_second_factor;
    return this.tried && this.typed.trim() === '' ? t.secondFactor.missing : '';
  });

  /** The code was changed: what was said of it is over. */
  changed(): void {
    this.wrong = false;
  }

  /** With the password. False when something is wrong. */
  async prove(): Promise<boolean> {
    if (this.busy) return true;
    this.tried = true;
    if (this.passwordError) return false;
    const { credentials } = this.session;
    return this.working(async () => {
      if (this.doing === 'off') {
        await credentials.turnOffSecondFactor(this.password);
        this.done(this.session.sessions.secondFactor?.on ? w.line.appRemoved : w.line.turnedOff);
      } else if (this.doing === 'codes') {
        this.show(await credentials.replaceBackupCodes(this.password));
      } else {
        await credentials.checkPassword(this.password);
        this.tried = false;
        this.step = 'app';
      }
    });
  }

  /** With the first code from the app: now it counts. False when something is wrong. */
  async turnOn(): Promise<boolean> {
    if (this.busy) return true;
    this.tried = true;
    if (this.codeError) return false;
    const { password, secret, typed } = this;
    return this.working(async () => {
      this.show(await this.session.credentials.turnOnSecondFactor(password, secret.sealable, typed));
    });
  }

  /** The codes are in a safe place. */
  kept(): void {
    this.done(this.doing === 'on' ? w.line.turnedOn : w.line.replaced);
  }

  private show(codes: string[]): void {
    this.codes = codes;
    this.step = 'codes';
  }

  private async working(task: () => Promise<void>): Promise<boolean> {
    this.busy = true;
    this.problem = null;
    try {
      await task();
      return true;
    } catch (thrown) {
      const problem = Problem.from(thrown);
      if (problem.code === 'wrong_second_factor') this.wrong = true;
      else this.problem = problem;
      return false;
    } finally {
      this.busy = false;
    }
  }
}
