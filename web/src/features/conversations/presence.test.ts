// @vitest-environment happy-dom
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { Conversation as Record, Message } from '../../lib/api/types';
import { language } from '../../i18n/index.svelte';
import { Conversation } from './conversation.svelte';
import { presenceInWords } from './presence-words';
import { Presence } from './presence.svelte';
import type { Tools } from './tools';

const at = (year: number, month: number, day: number, hours = 12, minutes = 0) =>
  new Date(year, month - 1, day, hours, minutes).getTime();
const now = at(2026, 11, 19, 15);

beforeEach(() => vi.useFakeTimers());
afterEach(() => {
  vi.useRealTimers();
  language.choose('en');
});

it.each([
  [at(2026, 11, 19, 14, 2), 'last seen today at 14:02', 'dernière visite aujourd’hui à 14:02'],
  [at(2026, 11, 18, 23, 59), 'last seen yesterday at 23:59', 'dernière visite hier à 23:59'],
  [at(2026, 3, 3), 'last seen on 3 March', 'dernière visite le 3 mars'],
  [at(2025, 3, 3), 'last seen on 3 March 2025', 'dernière visite le 3 mars 2025'],
  // By a clock that is ahead.
  [now + 60_000, 'last seen today at 15:01', 'dernière visite aujourd’hui à 15:01'],
])('%# says when somebody was last seen', (last_seen, english, french) => {
  const presence = new Presence();
  presence.told({ online: false, last_seen });
  expect(presenceInWords(presence, now, 'en-GB')).toBe(english);
  language.choose('fr');
  expect(presenceInWords(presence, now, 'fr')).toBe(french);
});

it('says what matters most: that they type, then that they are there', () => {
  const presence = new Presence();
  expect(presenceInWords(presence, now, 'en-GB')).toBeNull();
  presence.told({ online: true });
  expect(presenceInWords(presence, now, 'en-GB')).toBe('online');
  presence.types();
  expect(presenceInWords(presence, now, 'en-GB')).toBe('typing…');
  presence.forget();
  presence.wrote();
  expect(presenceInWords(presence, now, 'en-GB')).toBeNull();
});

it('shows for five seconds after the last word of it that somebody types', () => {
  const presence = new Presence();
  presence.types();
  vi.advanceTimersByTime(3_000);
  presence.types();
  vi.advanceTimersByTime(4_999);
  expect(presence.typing).toBe(true);
  vi.advanceTimersByTime(1);
  expect(presence.typing).toBe(false);
});

it('shows no more that they type when what they wrote is here; one’s own words say nothing', () => {
  const record = { id: 'c', seq: 5, peer: { id: 'them' } } as unknown as Record;
  const conversation = new Conversation({ me: 'me' } as unknown as Tools, record);
  vi.spyOn(conversation.history, 'inOrder').mockReturnValue(new Promise(() => undefined));
  const arrives = (sender: string, seq: number) => {
    conversation.presence.types();
    void conversation.receive({ sender, seq } as Message);
    return conversation.presence.typing;
  };
  expect(arrives('me', 6)).toBe(true);
  expect(arrives('them', 3)).toBe(true);
  expect(arrives('them', 6)).toBe(false);
});

it('tells of typing only while there is something written', () => {
  const type = vi.fn();
  const tools = { me: 'me', attendance: { type } } as unknown as Tools;
  const conversation = new Conversation(tools, { id: 'c' } as unknown as Record);
  conversation.draft.text = ' ';
  conversation.typed();
  expect(type).not.toHaveBeenCalled();
  conversation.draft.text = 'a';
  conversation.typed();
  expect(type).toHaveBeenCalledExactlyOnceWith('c');
  conversation.draft.stop();
});
