/** The signed-in browsers of a person, and those among them that this one has not told of yet. */
import { api } from './api/client';
import type { OwnPasskey, OwnPasskeys, OwnSession, OwnSessions, ResetAsked, SecondFactor } from './api/types';

/** The last log-in that was told of here, the last change of the second factor, and the last passkey. */
const TOLD = 'log-in-told';
const FACTOR_TOLD = 'second-factor-told';
const PASSKEY_TOLD = 'passkey-told';

export const forgetLogIns = () =>
  [TOLD, FACTOR_TOLD, PASSKEY_TOLD].forEach((key) => localStorage.removeItem(key));

export class Sessions {
  /** The last used first; null until the server has said. */
  all: OwnSession[] | null = $state.raw(null);
  /** What log-ins ask for beside the password; null until the server has said. */
  secondFactor: SecondFactor | null = $state.raw(null);
  /** Those one has; null until the server has said. */
  passkeys: OwnPasskey[] | null = $state.raw(null);
  private passkeyTold = $state(Number(localStorage.getItem(PASSKEY_TOLD) ?? 0));
  /** Somebody has asked by mail to begin the account anew, and nobody here has said that it is theirs. */
  resetAsked: ResetAsked | null = $state.raw(null);
  private mine = 0;
  private factorTold = $state(Number(localStorage.getItem(FACTOR_TOLD) ?? 0));
  /** Heard of as they began, also if they have ended since. */
  private heard: readonly OwnSession[] = $state.raw([]);
  private told = $state(Number(localStorage.getItem(TOLD) ?? 0));

  /** The latest log-in elsewhere since this browser logged in, unless one was told of it. */
  readonly latest: OwnSession | null = $derived.by(() => {
    const here = this.all?.find(({ current }) => current);
    if (!here) return null;
    const later = [...this.heard, ...(this.all ?? [])].filter(
      ({ id, current, created_at }) =>
        id !== here.id && !current && created_at > Math.max(here.created_at, this.told),
    );
    return later.sort((a, b) => b.created_at - a.created_at)[0] ?? null;
  });

  /** Turned on or off since this browser logged in (which a recovery does), unless one was told of it or did it here. */
  readonly factorNews: SecondFactor | null = $derived.by(() => {
    const here = this.all?.find(({ current }) => current);
    const { secondFactor: factor } = this;
    if (!here || !factor) return null;
    return factor.changed_at > this.factorTold && factor.changed_at >= here.created_at ? factor : null;
  });

  /** Added since this browser logged in, unless one was told of it or did it here. */
  readonly passkeyNews: OwnPasskey | null = $derived.by(() => {
    const here = this.all?.find(({ current }) => current);
    const latest = this.passkeys?.at(-1);
    if (!here || !latest) return null;
    return latest.created_at > Math.max(here.created_at, this.passkeyTold) ? latest : null;
  });

  /** Returns when the account was last secured, and when it will be erased. */
  async refresh(): Promise<Pick<OwnSessions, 'secured_at' | 'erase_at'>> {
    const { sessions, second_factor, passkeys, reset_asked, ...account } = await api.sessions();
    this.heardOfReset(reset_asked ?? null);
    this.all = sessions;
    this.secondFactor = second_factor;
    this.passkeys = passkeys;
    return account;
  }

  heardOfReset(asked: ResetAsked | null): void {
    this.resetAsked = asked && asked.asked_at > this.mine ? asked : null;
  }

  /** Until the page is loaded again. */
  resetIsMine(): void {
    this.mine = this.resetAsked?.asked_at ?? this.mine;
    this.resetAsked = null;
  }

  async callOffReset(): Promise<void> {
    await api.callOffReset();
    this.resetAsked = null;
  }

  begun(session: OwnSession): void {
    this.heard = [...this.heard, session];
    this.all &&= [session, ...this.all.filter(({ id }) => id !== session.id)];
  }

  /** One has seen what was told. */
  dismiss(): void {
    const seen = [...this.heard, ...(this.all ?? [])].map(({ created_at }) => created_at);
    this.told = Math.max(this.told, ...seen);
    localStorage.setItem(TOLD, String(this.told));
  }

  /** By this page itself. */
  changedSecondFactor(factor: SecondFactor): void {
    this.secondFactor = factor;
    this.dismissFactorNews();
  }

  /** By this page itself. */
  changedPasskeys(own: OwnPasskeys): void {
    this.passkeysAre(own);
    this.dismissPasskeyNews();
    this.dismissFactorNews();
  }

  /** Here, or in another page. */
  passkeysAre({ passkeys, second_factor }: OwnPasskeys): void {
    this.passkeys = passkeys;
    this.secondFactor = second_factor;
  }

  dismissPasskeyNews(): void {
    this.passkeyTold = this.passkeys?.at(-1)?.created_at ?? 0;
    localStorage.setItem(PASSKEY_TOLD, String(this.passkeyTold));
  }

  dismissFactorNews(): void {
    this.factorTold = this.secondFactor?.changed_at ?? 0;
    localStorage.setItem(FACTOR_TOLD, String(this.factorTold));
  }

  async end(session: string): Promise<void> {
    await api.endSession(session);
    this.all = this.all?.filter(({ id }) => id !== session) ?? null;
    // Whoever has ended it knows of it.
    this.heard = this.heard.filter(({ id }) => id !== session);
  }

  /** Those are ended at the server. */
  othersEnded(): void {
    this.all = this.all?.filter(({ current }) => current) ?? null;
    this.heard = [];
  }
}

interface Browser {
  name: string;
  system: string;
}

/** By what each browser puts into its User-Agent; the first that fits, since most name others as well. */
const NAMES: [pattern: RegExp, name: string][] = [
  [/Edg(?:e|A|iOS)?\//, 'Edge'],
  [/OPR\//, 'Opera'],
  [/SamsungBrowser\//, 'Samsung Internet'],
  [/(?:Firefox|FxiOS)\//, 'Firefox'],
  [/(?:Chrome|CriOS|Chromium)\//, 'Chrome'],
  [/Safari\//, 'Safari'],
];
const SYSTEMS: [pattern: RegExp, name: string][] = [
  [/iPhone/, 'iPhone'],
  [/iPad/, 'iPad'],
  [/Android/, 'Android'],
  [/CrOS/, 'ChromeOS'],
  [/Windows/, 'Windows'],
  [/Mac OS X|Macintosh/, 'macOS'],
  [/Linux/, 'Linux'],
];

/** Null for what is no browser that we know. */
export function browserOf(agent: string): Browser | null {
  const find = (among: [RegExp, string][]) => among.find(([pattern]) => pattern.test(agent))?.[1];
  const [name, system] = [find(NAMES), find(SYSTEMS)];
  return name && system ? { name, system } : null;
}
