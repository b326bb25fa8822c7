/** What one uses: the latest emoji and a skin tone, kept in this browser until one logs out. */
export const USUAL = ['👍', '❤️', '😂', '😮', '😢', '🙏'];

const RECENT = 'emoji-recent';
const TONE = 'emoji-tone';
const KEPT = 24;

/** The latest first. */
export function recent(): string[] {
  try {
    const kept: unknown = JSON.parse(localStorage.getItem(RECENT) ?? '[]');
    const emoji = Array.isArray(kept) ? kept.filter((each) => typeof each === 'string' && each !== '') : [];
    return (emoji as string[]).slice(0, KEPT);
  } catch {
    return [];
  }
}

export function used(emoji: string): void {
  const latest = [emoji, ...recent().filter((each) => each !== emoji)].slice(0, KEPT);
  keep(RECENT, JSON.stringify(latest));
}

/** 0 for none, then from light to dark. */
export function tone(): number {
  const kept = Number(localStorage.getItem(TONE));
  return Number.isInteger(kept) && kept > 0 && kept <= 5 ? kept : 0;
}

export function chooseTone(tone: number): void {
  keep(TONE, String(tone));
}

export function forgetHabits(): void {
  localStorage.removeItem(RECENT);
  localStorage.removeItem(TONE);
}

function keep(key: string, value: string): void {
  try {
    localStorage.setItem(key, value);
  } catch {
    // No space: then it is not remembered.
  }
}
