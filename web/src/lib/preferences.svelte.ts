/**
 * What a person has set, the same in all their browsers: it lies in the vault. Shown at once, kept sealed in this
 * browser until the server has it; where two browsers differ, the later word stands.
 */
import { SvelteMap } from 'svelte/reactivity';
import { clock } from './clock';
import type { Keys } from './keys';
import type { Storage } from './storage';
import type { Vault } from './vault';
import type { Setting } from './vault.calls';

/** A conversation in one's list. What names a message is its `seq`. */
export interface ConversationWishes {
  /** No notice of it before this time, in milliseconds since 1970. */
  muted?: number;
  /** Archived when this was its last message. */
  archived?: number;
  pinned?: boolean;
  /** Out of the list until there is a message after this one. */
  hidden?: number;
  /** To be looked at again, although all of it is read. */
  unread?: boolean;
}

export interface Saved {
  conversation: string;
  seq: number;
  /** When it was saved. */
  at: number;
}

/** Local times of the day, as `HH:MM`; from the evening into the morning, usually. */
export interface QuietHours {
  from: string;
  to: string;
}

export interface NoticeWishes {
  /** Whether a notification shows who writes, and what. */
  words: boolean;
  sound: boolean;
  quiet: QuietHours | null;
}

/** A mute without end. */
export const ALWAYS = 8.64e15;
/** More saved messages than anybody looks through, and far from filling the vault. */
export const MAX_SAVED = 1_000;

/** When to ask next whether the recovery code is still at hand. */
const CODE_REMINDER = 'recovery-code';
const DAY = 24 * 3_600_000;
const CODE_AFTER_SIGN_UP = 30 * DAY;
const CODE_AFTER_A_CHECK = 180 * DAY;
const CODE_AFTER_NOT_NOW = 7 * DAY;

const NOTICES: NoticeWishes = { words: true, sound: true, quiet: null };

// Each wish is an entry of its own, so that two browsers that set two of them at once lose neither.
const OF_CONVERSATION = ['muted', 'archived', 'pinned', 'hidden', 'unread'] as const;
const OF_NOTICES = ['words', 'sound', 'quiet'] as const;

type Entries = [key: string, setting: Setting][];

interface Tools {
  vault: Vault;
  keys: Keys;
  storage: Storage;
  /** For the other tabs: something was set here. */
  changed: () => void;
}

export class Preferences {
  private readonly settings = new SvelteMap<string, Setting>();
  readonly saved: Saved[] = $derived.by(() => this.everySaved());

  /** Of two wishes in the same millisecond, the second is the later one. */
  private lastAt = 0;

  constructor(private readonly tools: Tools) {}

  /** From the vault, and what was set here and has not reached the server. */
  async restore(): Promise<void> {
    const { vault, storage } = this.tools;
    const due = await storage.dueSettings().catch(() => []);
    const sealed = due.map(({ key, sealed }) => ({ label: `setting/${key}` as const, sealed }));
    const opened = due.length > 0 ? await vault.openTexts(sealed) : [];
    const settings = opened.flatMap((each, at): [string, Setting][] => {
      const key = due[at]?.key;
      return key !== undefined && 'text' in each ? [[key, JSON.parse(each.text) as Setting]] : [];
    });
    if (settings.length > 0) await vault.takeSettings(Object.fromEntries(settings));
    await this.show();
  }

  private async show(): Promise<void> {
    for (const [key, setting] of Object.entries(await this.tools.vault.settings())) {
      if (setting.at >= (this.settings.get(key)?.at ?? 0)) this.settings.set(key, setting);
    }
  }

  /** What another browser set, and what could not be saved. `version`: of the vault that was announced. */
  async refresh(version?: number): Promise<void> {
    await this.tools.keys.refreshVault(version);
    await this.show();
    await this.save();
  }

  /** What another tab of this browser has set. */
  async changedElsewhere(): Promise<void> {
    await this.restore();
  }

  private async save(): Promise<void> {
    const { keys, storage } = this.tools;
    const due = await storage.dueSettings().catch(() => []);
    if (due.length === 0) return;
    await keys.saveVault();
    for (const each of due) await storage.dropSetting(each);
    await this.show();
  }

  /** `null` takes it back. */
  private set(key: string, value: unknown): Promise<void> {
    return this.take([[key, { at: this.laterThan([key]), value }]]);
  }

  private laterThan(keys: string[]): number {
    const held = keys.map((key) => (this.settings.get(key)?.at ?? 0) + 1);
    this.lastAt = Math.max(clock.now(), this.lastAt + 1, ...held);
    return this.lastAt;
  }

  /** Rejects only when this browser cannot keep it. */
  private async take(entries: Entries): Promise<void> {
    const { vault, storage, changed } = this.tools;
    for (const [key, setting] of entries) this.settings.set(key, setting);
    await vault.takeSettings(Object.fromEntries(entries));
    for (const [key, setting] of entries) {
      const sealed = await vault.sealText(`setting/${key}`, JSON.stringify(setting));
      await storage.keepSetting({ key, at: setting.at, sealed });
    }
    changed();
    // Without the network it waits for the next line.
    await this.save().catch(() => undefined);
  }

  private value(key: string): unknown {
    return this.settings.get(key)?.value ?? null;
  }

  /** All that is wished under this key. */
  private wishes<Wishes extends object>(under: string, names: readonly (keyof Wishes & string)[]): Wishes {
    const wished = names.map((name) => [name, this.value(`${under}/${name}`)]);
    return Object.fromEntries(wished.filter(([, value]) => value !== null)) as Wishes;
  }

  /** Sets what differs: a wish that nobody touched here is not to overrule another browser. */
  private async wish<Wishes extends object>(
    under: string,
    names: readonly (keyof Wishes & string)[],
    wishes: Partial<Wishes>,
  ): Promise<void> {
    const before: Partial<Wishes> = this.wishes(under, names);
    const differs = (name: keyof Wishes) =>
      JSON.stringify(wishes[name] ?? null) !== JSON.stringify(before[name] ?? null);
    const changed = names.filter((name) => name in wishes && differs(name));
    if (changed.length === 0) return;
    const at = this.laterThan(changed.map((name) => `${under}/${name}`));
    await this.take(changed.map((name) => [`${under}/${name}`, { at, value: wishes[name] ?? null }]));
  }

  // Conversations

  of(conversation: string): ConversationWishes {
    return this.wishes<ConversationWishes>(`conversation/${conversation}`, OF_CONVERSATION);
  }

  change(conversation: string, wishes: ConversationWishes): Promise<void> {
    const kept = Object.entries(wishes).map(([name, wish]) => [name, wish === false ? undefined : wish]);
    return this.wish<ConversationWishes>(
      `conversation/${conversation}`,
      OF_CONVERSATION,
      Object.fromEntries(kept) as ConversationWishes,
    );
  }

  // Saved messages

  private everySaved(): Saved[] {
    const saved = [...this.settings].flatMap(([key, { at, value }]): Saved[] => {
      const [kind, conversation, seq] = key.split('/');
      return kind === 'saved' && conversation && value !== null
        ? [{ conversation, seq: Number(seq), at }]
        : [];
    });
    return saved.sort((a, b) => b.at - a.at);
  }

  isSaved(conversation: string, seq: number): boolean {
    return this.value(`saved/${conversation}/${seq}`) !== null;
  }

  /** False when there are too many. */
  async keepMessage(conversation: string, seq: number, kept: boolean): Promise<boolean> {
    if (kept && this.saved.length >= MAX_SAVED) return false;
    await this.set(`saved/${conversation}/${seq}`, kept ? true : null);
    return true;
  }

  // Notices

  get notices(): NoticeWishes {
    return { ...NOTICES, ...this.wishes<Partial<NoticeWishes>>('notices', OF_NOTICES) };
  }

  setNotices(wishes: Partial<NoticeWishes>): Promise<void> {
    return this.wish<NoticeWishes>('notices', OF_NOTICES, wishes);
  }

  // The recovery code

  /** From when one is to be asked whether it is still at hand. `signedUpAt`: milliseconds since 1970. */
  remindOfCodeAt(signedUpAt: number): number {
    return (this.value(CODE_REMINDER) as number | null) ?? signedUpAt + CODE_AFTER_SIGN_UP;
  }

  /** It was, just now. */
  codeSeen(): void {
    void this.set(CODE_REMINDER, clock.now() + CODE_AFTER_A_CHECK).catch(() => undefined);
  }

  /** It was no good moment to ask. */
  postponeCode(): void {
    void this.set(CODE_REMINDER, clock.now() + CODE_AFTER_NOT_NOW).catch(() => undefined);
  }
}

/** Whether the time of day lies between the two, over midnight where they say so. */
export function isQuiet(hours: QuietHours | null, at: Date): boolean {
  if (!hours) return false;
  const [from, to] = [minutesOf(hours.from), minutesOf(hours.to)];
  const now = at.getHours() * 60 + at.getMinutes();
  return from <= to ? now >= from && now < to : now >= from || now < to;
}

function minutesOf(time: string): number {
  const [hours = 0, minutes = 0] = time.split(':').map(Number);
  return hours * 60 + minutes;
}
