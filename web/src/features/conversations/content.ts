/** What a message says, once the worker has opened it. */
export type Content =
  | Text
  /** From now on messages disappear after so many milliseconds; with 0 no longer. */
  | Timer
  /** Its time is over. */
  | { type: 'expired' }
  /** Its sender took it back, with all it ever said. */
  | { type: 'deleted' }
  /** From before one began anew: nobody has its key any more. It is counted and not shown. */
  | { type: 'lost' }
  /** Its sender is blocked: it is counted and not shown. */
  | { type: 'hidden' }
  /** The server shows an earlier message in another place. */
  | { type: 'repeated' }
  /** Written by a version that knows more than this one. */
  | { type: 'newer' }
  | { type: 'unreadable'; reason: string };

export interface Timer {
  type: 'timer';
  after: number;
}

export interface Text {
  type: 'text';
  body: string;
  /** The message that this one answers. */
  reply?: Reply;
  /** Written elsewhere, and passed on. */
  forwarded?: true;
}

/** A message, and its place, by which it is found. */
export interface Reply {
  id: string;
  seq: number;
}

/** What the worker says of one envelope. */
export type Opened = { text: string } | { error: string };

export function contentOf(opened: Opened): Content {
  const words = wordsOf(opened);
  if ('reason' in words) {
    return words.reason === 'unsupported_version'
      ? { type: 'newer' }
      : { type: 'unreadable', reason: words.reason };
  }
  const { type, body, reply, forwarded, after } = words;
  if (type === 'timer' && Number.isSafeInteger(after) && Number(after) >= 0) {
    return { type, after: Number(after) };
  }
  if (type !== 'text') return { type: 'newer' };
  if (typeof body !== 'string') return { type: 'unreadable', reason: 'not_understood' };
  return {
    type,
    body,
    ...(isReply(reply) && { reply: { id: reply.id, seq: reply.seq } }),
    ...(forwarded === true && { forwarded }),
  };
}

/** The emoji of a reaction; null when it does not open, or says something else. */
export function emojiOf(opened: Opened): string | null {
  const words = wordsOf(opened);
  if ('reason' in words || words.type !== 'reaction') return null;
  const { emoji } = words;
  // No sentence takes the place of an emoji.
  return typeof emoji === 'string' && emoji !== '' && emoji.length <= 40 ? emoji : null;
}

type Words =
  | { type: string; body?: unknown; reply?: unknown; forwarded?: unknown; after?: unknown; emoji?: unknown }
  | { reason: string };

function wordsOf(opened: Opened): Words {
  if ('error' in opened) return { reason: opened.error };
  try {
    const plain = JSON.parse(opened.text) as { type?: unknown } | null;
    if (typeof plain?.type === 'string') return { ...plain, type: plain.type };
  } catch {
    // Falls through: sealed by the other side, but not in our words.
  }
  return { reason: 'not_understood' };
}

function isReply(reply: unknown): reply is Reply {
  const { id, seq } = (reply ?? {}) as Partial<Record<keyof Reply, unknown>>;
  return typeof id === 'string' && Number.isSafeInteger(seq);
}

export const textOf = (body: string, reply: Reply | null = null, forwarded = false): Text => ({
  type: 'text',
  body,
  ...(reply && { reply }),
  ...(forwarded && { forwarded }),
});

/** As it is sealed. */
export const plainText = (said: Text | Timer | { type: 'reaction'; emoji: string }): string =>
  JSON.stringify(said);
