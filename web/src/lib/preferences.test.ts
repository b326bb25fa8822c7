import 'fake-indexeddb/auto';
import { beforeEach, expect, it, vi } from 'vitest';
import type { Keys } from './keys';
import { isQuiet, MAX_SAVED, Preferences } from './preferences.svelte';
import { Problem } from './problem';
import { Storage } from './storage';
import type { Vault } from './vault';
import type { Setting } from './vault.calls';

const storage = new Storage('preferences');
/** The vault on the server. */
let served: Record<string, Setting>;
let online: boolean;

/** The vault as one browser holds it. */
function browser() {
  let held: Record<string, Setting> = { ...served };
  const later = (a: Record<string, Setting>, b: Record<string, Setting>) => {
    const all = { ...a };
    for (const [key, setting] of Object.entries(b)) if (setting.at > (all[key]?.at ?? -1)) all[key] = setting;
    return all;
  };
  const vault = {
    settings: () => Promise.resolve(held),
    takeSettings: (settings: Record<string, Setting>) => {
      held = later(held, settings);
      return Promise.resolve();
    },
    sealText: (_: string, text: string) => Promise.resolve(btoa(text)),
    openTexts: (kept: { sealed: string }[]) =>
      Promise.resolve(kept.map(({ sealed }) => ({ text: atob(sealed) }))),
  } as unknown as Vault;
  const keys = {
    saveVault: () => {
      if (!online) return Promise.reject(new Problem('offline'));
      served = later(served, held);
      return Promise.resolve();
    },
    refreshVault: () => {
      if (!online) return Promise.reject(new Problem('offline'));
      held = later(held, served);
      return Promise.resolve();
    },
  } as unknown as Keys;
  return new Preferences({ vault, keys, storage, changed: vi.fn() });
}

beforeEach(async () => {
  await storage.deleteEverything();
  served = {};
  online = true;
});

it('shows a wish at once, and takes it back', async () => {
  const here = browser();
  const done = here.change('one', { pinned: true });
  expect(here.of('one')).toEqual({ pinned: true });
  await done;
  await here.change('one', { muted: 5 });
  expect(here.of('one')).toEqual({ pinned: true, muted: 5 });
  await here.change('one', { pinned: false, muted: undefined });
  expect(here.of('one')).toEqual({});
  expect(served['conversation/one/pinned']?.value).toBeNull();
  expect(served['conversation/one/muted']?.value).toBeNull();
});

it('keeps what was set without a line over a reload, sealed, and saves it with the next line', async () => {
  online = false;
  await browser().change('one', { archived: 7 });
  expect(served).toEqual({});
  const [due] = await storage.dueSettings();
  expect(due?.key).toBe('conversation/one/archived');
  expect(due?.sealed).not.toContain('archived');

  const reloaded = browser();
  await reloaded.restore();
  expect(reloaded.of('one')).toEqual({ archived: 7 });
  online = true;
  await reloaded.refresh();
  expect(served['conversation/one/archived']?.value).toBe(7);
  expect(await storage.dueSettings()).toEqual([]);
});

it('takes in what another browser set, where that is later', async () => {
  const here = browser();
  const there = browser();
  await here.change('one', { pinned: true });
  await there.refresh();
  expect(there.of('one')).toEqual({ pinned: true });
  await there.change('one', { pinned: false });
  await here.refresh();
  expect(here.of('one')).toEqual({});
});

it('loses neither of two wishes that two browsers set at once', async () => {
  const here = browser();
  const there = browser();
  await here.change('one', { pinned: true, archived: undefined });
  await there.change('one', { muted: 5, archived: undefined });
  await here.setNotices({ sound: false });
  await there.setNotices({ quiet: { from: '22:00', to: '07:00' } });
  // Each has written without having seen the other's.
  expect(there.of('one')).toEqual({ muted: 5 });
  await Promise.all([here.refresh(), there.refresh()]);
  for (const each of [here, there, browser()]) {
    await each.restore();
    expect(each.of('one')).toEqual({ pinned: true, muted: 5 });
    expect(each.notices).toEqual({ words: true, sound: false, quiet: { from: '22:00', to: '07:00' } });
  }
});

it('lists saved messages, the latest first, and takes no more than there is room for', async () => {
  const here = browser();
  await here.keepMessage('one', 3, true);
  await here.keepMessage('two', 9, true);
  expect(here.saved.map(({ conversation, seq }) => [conversation, seq])).toEqual([
    ['two', 9],
    ['one', 3],
  ]);
  await here.keepMessage('one', 3, false);
  expect(here.isSaved('one', 3)).toBe(false);
  const entries = Array.from({ length: MAX_SAVED }, (_, at) => [`saved/one/${at}`, { at, value: true }]);
  served = Object.fromEntries(entries) as Record<string, Setting>;
  const full = browser();
  await full.restore();
  expect(await full.keepMessage('one', 5_000, true)).toBe(false);
  expect(await full.keepMessage('one', 5, false)).toBe(true);
});

it('knows the quiet hours, over midnight too', () => {
  const at = (time: string) => new Date(`2026-03-04T${time}:00`);
  const night = { from: '22:00', to: '07:00' };
  expect(
    ['21:59', '22:00', '23:30', '00:00', '06:59', '07:00'].map((time) => isQuiet(night, at(time))),
  ).toEqual([false, true, true, true, true, false]);
  const noon = { from: '12:00', to: '13:30' };
  expect(['11:59', '12:00', '13:29', '13:30'].map((time) => isQuiet(noon, at(time)))).toEqual([
    false,
    true,
    true,
    false,
  ]);
  expect(isQuiet(null, at('23:00'))).toBe(false);
});
