/** The signed-in browsers of a person, and those among them that this one has not told of yet. */
import { api } from './api/client';
import type { OwnSession } from './api/types';

/** The last log-in that was told of here. */
const TOLD = 'log-in-told';

export const forgetLogIns = () => localStorage.removeItem(TOLD);

export class Sessions {
  /** The last used first; null until the server has said. */
  all: OwnSession[] | null = $state.raw(null);
  private told = $state(Number(localStorage.getItem(TOLD) ?? 0));

  /** The latest log-in elsewhere since this browser logged in, unless one was told of it. */
  readonly latest: OwnSession | null = $derived.by(() => {
    const here = this.all?.find(({ current }) => current);
    if (!here) return null;
    const later = (this.all ?? []).filter(
      ({ current, created_at }) => !current && created_at > Math.max(here.created_at, this.told),
    );
    return later.sort((a, b) => b.created_at - a.created_at)[0] ?? null;
  });

  async refresh(): Promise<void> {
    this.all = (await api.sessions()).sessions;
  }

  /** One has seen what was told. */
  dismiss(): void {
    this.told = Math.max(this.told, ...(this.all ?? []).map(({ created_at }) => created_at));
    localStorage.setItem(TOLD, String(this.told));
  }

  async end(session: string): Promise<void> {
    await api.endSession(session);
    this.all = this.all?.filter(({ id }) => id !== session) ?? null;
  }

  /** Those are ended at the server. */
  othersEnded(): void {
    this.all = this.all?.filter(({ current }) => current) ?? null;
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
