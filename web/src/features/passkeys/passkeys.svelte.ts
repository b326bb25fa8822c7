import { t } from '../../i18n/index.svelte';
import { data, server } from '../../lib/api/client';
import { clock } from '../../lib/clock';
import { organisation } from '../../lib/organisation.svelte';
import { Problem } from '../../lib/problem';
import type { Session } from '../../lib/session.svelte';
import { vault } from '../../lib/vault';
import { make, type Output } from './authenticator';
import { w } from './words';

type Step = 'password' | 'make' | 'confirm' | 'codes';
type Made = Awaited<ReturnType<typeof make>>['made'];

/** What makes a passkey: the password → the browser → where it opens nothing, whether it is wanted anyway → backup codes. */
export class NewPasskey {
  step: Step = $state('password');
  password = $state('');
  name = $state('');
  busy = $state(false);
  problem: Problem | null = $state.raw(null);
  codes: string[] = $state.raw([]);
  readonly handle: string;
  private made: Made | null = null;
  private tried = $state(false);

  constructor(
    private readonly session: Session,
    name: string,
    private readonly done: (words: string) => void,
  ) {
    this.handle = session.me?.handle ?? '';
    this.name = name;
  }

  passwordError = $derived.by(() => (this.tried && this.password === '' ? t.fields.passwordMissing : ''));
  nameError = $derived.by(() => (this.tried && this.name.trim() === '' ? w.name.missing : ''));

  /** With the password. False when something is wrong. */
  async prove(): Promise<boolean> {
    this.tried = true;
    if (this.passwordError) return false;
    return this.working(async () => {
      await this.session.credentials.checkPassword(this.password);
      this.tried = false;
      this.step = 'make';
    });
  }

  /** With the browser, which asks for the finger or the PIN. False when something is wrong. */
  async make(): Promise<boolean> {
    this.tried = true;
    const { me } = this.session;
    if (this.nameError || !me) return false;
    return this.working(async () => {
      const { made, output } = await make(await data(server.POST('/passkeys/start')), me, organisation.name);
      this.made = made;
      if (output) await this.add(made, output);
      else this.step = 'confirm';
    });
  }

  /** It opens nothing, and is wanted all the same. */
  async confirm(): Promise<void> {
    const { made } = this;
    if (!made) return;
    // It was good once: now, or another one is to be made.
    if (!(await this.working(() => this.add(made, null)))) this.step = 'make';
  }

  /** The codes are in a safe place. */
  kept(): void {
    this.done(w.done.second);
  }

  private async add(made: Made, output: Output | null): Promise<void> {
    const slot = output && (await vault.addPasskey(output, clock.now()).finally(() => output.fill(0)));
    const proof = await this.session.credentials.proveAgain(this.password);
    const body = { ...proof, name: this.name, ...made, ...(slot && { slot }) };
    const { codes, ...own } = await data(server.POST('/passkeys', { body }));
    this.session.sessions.changedPasskeys(own);
    this.codes = codes;
    if (codes.length > 0) this.step = 'codes';
    else this.done(slot ? w.done.opens : w.done.second);
  }

  private async working(task: () => Promise<void>): Promise<boolean> {
    if (this.busy) return true;
    this.busy = true;
    this.problem = null;
    try {
      await task();
      return true;
    } catch (thrown) {
      this.problem = Problem.from(thrown);
      return false;
    } finally {
      this.busy = false;
    }
  }
}

const of = (passkey: string) => ({ params: { path: { passkey } } });

export async function rename(session: Session, passkey: string, name: string): Promise<void> {
  const own = await data(server.PATCH('/passkeys/{passkey}', { ...of(passkey), body: { name } }));
  session.sessions.changedPasskeys(own);
}

/** With what it opens. */
export async function remove(session: Session, passkey: string, password: string): Promise<void> {
  const body = await session.credentials.proveAgain(password);
  session.sessions.changedPasskeys(
    await data(server.POST('/passkeys/{passkey}/remove', { ...of(passkey), body })),
  );
}
