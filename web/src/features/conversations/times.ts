/** Times in the person's language and time zone, as short as they can be understood. */

const formats = new Map<string, Intl.DateTimeFormat>();

function format(locale: string, options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
  const key = locale + JSON.stringify(options);
  let made = formats.get(key);
  // Making one costs a hundred times as much as using it.
  if (!made) formats.set(key, (made = new Intl.DateTimeFormat(locale, options)));
  return made;
}

/** Days between two moments by the local calendar: 1 when `at` was yesterday. */
export function daysAgo(at: number, now: number): number {
  return Math.round((midnight(now) - midnight(at)) / 86_400_000);
}

const midnight = (at: number) => new Date(at).setHours(0, 0, 0, 0);

export function sameDay(a: number, b: number): boolean {
  return midnight(a) === midnight(b);
}

const capitalised = (text: string) => text.charAt(0).toLocaleUpperCase() + text.slice(1);

function relativeDay(days: number, locale: string): string {
  return capitalised(new Intl.RelativeTimeFormat(locale, { numeric: 'auto' }).format(-days, 'day'));
}

export function hour(at: number, locale: string): string {
  return format(locale, { hour: '2-digit', minute: '2-digit' }).format(at);
}

/** In the list: "14:32", "Yesterday", "Tue", "12 Nov", "12/11/2024". */
export function rowTime(at: number, now: number, locale: string): string {
  const days = daysAgo(at, now);
  if (days <= 0) return hour(at, locale);
  if (days === 1) return relativeDay(1, locale);
  if (days < 7) return capitalised(format(locale, { weekday: 'short' }).format(at));
  return sameYear(at, now)
    ? format(locale, { day: 'numeric', month: 'short' }).format(at)
    : format(locale, { dateStyle: 'short' }).format(at);
}

/** Between the days of a thread: "Today", "Yesterday", "Tuesday 17 November", with the year when it is another. */
export function dayLabel(at: number, now: number, locale: string): string {
  const days = daysAgo(at, now);
  if (days === 0 || days === 1) return relativeDay(days, locale);
  const year = sameYear(at, now) ? undefined : ('numeric' as const);
  return capitalised(format(locale, { weekday: 'long', day: 'numeric', month: 'long', year }).format(at));
}

/** "3 March", with the year when it is another. */
export function date(at: number, now: number, locale: string): string {
  const year = sameYear(at, now) ? undefined : ('numeric' as const);
  return format(locale, { day: 'numeric', month: 'long', year }).format(at);
}

/** Everything, for the tooltip and the screen reader. */
export function fullTime(at: number, locale: string): string {
  return format(locale, { dateStyle: 'full', timeStyle: 'short' }).format(at);
}

/** "29 Nov 2026, 10:34". */
export function dayAndTime(at: number, locale: string): string {
  return format(locale, { dateStyle: 'medium', timeStyle: 'short' }).format(at);
}

/** "Wednesday 25 November at 09:00", with the year when it is another. */
export function moment(at: number, now: number, locale: string): string {
  const year = sameYear(at, now) ? undefined : ('numeric' as const);
  const parts = {
    weekday: 'long',
    day: 'numeric',
    month: 'long',
    hour: '2-digit',
    minute: '2-digit',
  } as const;
  return format(locale, { ...parts, year }).format(at);
}

/** The time zone here at that moment, in words. */
export function timeZone(at: number, locale: string): string {
  const parts = format(locale, { timeZoneName: 'long' }).formatToParts(at);
  return parts.find(({ type }) => type === 'timeZoneName')?.value ?? '';
}

const two = (n: number) => String(n).padStart(2, '0');

/** As a field for a day has it. */
export function dayInField(at: number): string {
  const day = new Date(at);
  return `${day.getFullYear()}-${two(day.getMonth() + 1)}-${two(day.getDate())}`;
}

/** As a field for a day and a time has it. */
export function inField(at: number): string {
  const day = new Date(at);
  return `${dayInField(at)}T${two(day.getHours())}:${two(day.getMinutes())}`;
}

/** In an hour, tomorrow and on Monday at nine; not twice the same. */
export function soon(now: number): { in: 'hour' | 'tomorrow' | 'monday'; at: number }[] {
  const nine = (days: number) => {
    const day = new Date(now);
    day.setDate(day.getDate() + days);
    return day.setHours(9, 0, 0, 0);
  };
  const toMonday = (8 - new Date(now).getDay()) % 7 || 7;
  const choices = [
    { in: 'hour' as const, at: now + 3_600_000 },
    { in: 'tomorrow' as const, at: nine(1) },
  ];
  return toMonday === 1 ? choices : [...choices, { in: 'monday', at: nine(toMonday) }];
}

const sameYear = (a: number, b: number) => new Date(a).getFullYear() === new Date(b).getFullYear();

/** The browser's own variant of the language (12 or 24 hours, order of the date) where it has one. */
export function localeOf(language: string, wanted: readonly string[] = navigator.languages): string {
  return wanted.find((tag) => tag.toLowerCase().split('-')[0] === language) ?? language;
}
