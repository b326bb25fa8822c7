/** What a message says, once the worker has opened it. */
export type Content =
  | { type: 'text'; body: string }
  /** Written by a version that knows more than this one. */
  | { type: 'newer' }
  | { type: 'unreadable'; reason: string };

/** What the worker says of one envelope. */
export type Opened = { text: string } | { error: string };

export function contentOf(opened: Opened): Content {
  if ('error' in opened) {
    return opened.error === 'unsupported_version'
      ? { type: 'newer' }
      : { type: 'unreadable', reason: opened.error };
  }
  try {
    const plain = JSON.parse(opened.text) as { type?: unknown; body?: unknown } | null;
    if (plain?.type === 'text' && typeof plain.body === 'string') return { type: 'text', body: plain.body };
    if (typeof plain?.type === 'string' && plain.type !== 'text') return { type: 'newer' };
  } catch {
    // Falls through: sealed by the other side, but not in our words.
  }
  return { type: 'unreadable', reason: 'not_understood' };
}

export function plainText(body: string): string {
  return JSON.stringify({ type: 'text', body });
}
