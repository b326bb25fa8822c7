/** Pure rules of a thread: which message goes where, and what stands between them. */
import type { Conversation, Message } from '../../lib/api/types';
import type { About } from '../../lib/storage';
import type { Content } from './content';
import { sameDay } from './times';

export interface Shown {
  message: Message;
  content: Content;
  reactions: Reaction[];
}

/** One a person. */
export interface Reaction {
  sender: string;
  emoji: string;
}

export interface Pending {
  id: string;
  written_at: number;
  content: Content;
  /** Why it was refused for good; null while it waits. */
  refused: string | null;
}

/** Something done to a message that is there, and not yet on the server. */
export interface Change {
  id: string;
  about: About;
  /** What an edit says. */
  content: Content | null;
  /** What a reaction says. */
  emoji: string | null;
  refused: string | null;
}

/** A change belongs right after the last one held, or it is held already, or something is missing before it. */
export function placeOf(rev: number, held: number): 'next' | 'held' | 'gap' {
  if (rev <= held) return 'held';
  return rev === held + 1 ? 'next' : 'gap';
}

/**
 * Held and incoming messages in the order of `seq`, each once, the higher `rev`
 * winning. What lies before the oldest held is left out: paging back fetches it,
 * and a hole would otherwise look like history.
 */
export function merge(held: readonly Shown[], incoming: readonly Shown[]): Shown[] {
  const oldest = held[0]?.message.seq ?? 0;
  const bySeq = new Map(held.map((shown) => [shown.message.seq, shown]));
  for (const shown of incoming) {
    const { seq, rev } = shown.message;
    const known = bySeq.get(seq);
    if (seq >= oldest && !(known && known.message.rev >= rev)) bySeq.set(seq, shown);
  }
  return [...bySeq.values()].sort((a, b) => a.message.seq - b.message.seq);
}

/**
 * Whether the server takes back what it has said of this place: another message, another sender, other bytes under an id
 * that stands for its bytes, an edit undone, or a deletion.
 */
export function contradicts(next: Message, known: Message): boolean {
  if (next.id !== known.id || next.sender !== known.sender) return true;
  if (!next.envelope) return false;
  if (known.deleted_at) return true;
  if (!known.envelope) return false;
  const edits = (next.edit?.count ?? 0) - (known.edit?.count ?? 0);
  return edits < 0 || (edits === 0 && next.envelope !== known.envelope);
}

/** An id stands for one message: of two places under the same, the first is its own. `ids`: of those before. */
export function withoutRepeats(shown: readonly Shown[], ids = new Set<string>()): Shown[] {
  return shown.map((each) => {
    const { id } = each.message;
    if (!ids.has(id)) {
      ids.add(id);
      return each;
    }
    return { message: each.message, content: { type: 'repeated' }, reactions: [] };
  });
}

/** The longest run without a gap that ends right before `before` (or at the end). */
export function contiguous(messages: readonly Message[], before = Infinity): Message[] {
  let from = messages.length;
  let expected = before === Infinity ? messages.at(-1)?.seq : before - 1;
  while (from > 0 && messages[from - 1]?.seq === expected) {
    from -= 1;
    expected = (expected ?? 0) - 1;
  }
  return messages.slice(from);
}

/** What is counted, and not shown. */
export const isNothing = ({ type }: Content) => type === 'hidden' || type === 'expired' || type === 'lost';

/** What was written before one began anew, at this time, and does not open: one line stands for all of it. */
export function withoutLost(shown: Shown[], renewedAt: number): Shown[] {
  const isLost = ({ message, content }: Shown) =>
    message.sent_at < renewedAt && (content.type === 'unreadable' || content.type === 'deleted');
  return shown.map((each) =>
    isLost(each) ? { message: each.message, content: { type: 'lost' }, reactions: [] } : each,
  );
}

/** Its time is over: the server has said so, or will within a minute. */
export function hasDisappeared({ expires_at, deleted_at }: Message, now: number): boolean {
  return Boolean(expires_at) && Math.max(deleted_at ?? 0, now) >= (expires_at ?? Infinity);
}

/** What should be gone by now says nothing any more, before the server has told so. */
export function withoutExpired(shown: readonly Shown[], now: number): readonly Shown[] {
  if (!shown.some(({ message }) => hasDisappeared(message, now))) return shown;
  return shown.map((each) =>
    hasDisappeared(each.message, now)
      ? { message: each.message, content: { type: 'expired' }, reactions: [] }
      : each,
  );
}

/** What the server says of how long messages stay, and since which. */
export type Timed = Pick<Conversation, 'timer' | 'timer_seq'>;

/** Words alone set no timer: the message counts as one if the server keeps it so, and the message itself as long. */
export function isSet(
  { seq, sent_at, expires_at }: Message,
  after: number,
  { timer, timer_seq }: Timed,
): boolean {
  if (after > (expires_at ?? sent_at) - sent_at) return false;
  return seq < timer_seq || (seq === timer_seq && after === timer);
}

/** A message that claims a timer that is none says nothing that one could rely on. */
export function withoutFalseTimers(shown: readonly Shown[], record: Timed): readonly Shown[] {
  const isFalse = ({ message, content }: Shown) =>
    content.type === 'timer' && !isSet(message, content.after, record);
  if (!shown.some(isFalse)) return shown;
  const instead: Content = { type: 'unreadable', reason: 'timer_not_set' };
  return shown.map((each) => (isFalse(each) ? { ...each, content: instead } : each));
}

/** What is held, as it will be when all that waits is on the server. */
export function withChanges(
  shown: readonly Shown[],
  changes: readonly Change[],
  me: string,
): readonly Shown[] {
  const waiting = changes.filter(({ refused }) => refused === null);
  if (waiting.length === 0) return shown;
  return shown.map((each) =>
    waiting
      .filter(({ about }) => about.target === each.message.id)
      .reduce((now, change) => changed(now, change, me), each),
  );
}

function changed(shown: Shown, { about, content, emoji }: Change, me: string): Shown {
  const { message, reactions } = shown;
  if (about.kind === 'deletion') return { message, content: { type: 'deleted' }, reactions: [] };
  if (about.kind === 'edit') {
    const edit = { id: '', at: message.sent_at, count: (message.edit?.count ?? 0) + 1 };
    return { ...shown, message: { ...message, edit }, content: content ?? shown.content };
  }
  const others = reactions.filter(({ sender }) => sender !== me);
  return { ...shown, reactions: emoji ? [...others, { sender: me, emoji }] : others };
}

export interface BubbleItem {
  kind: 'bubble';
  key: string;
  mine: boolean;
  at: number;
  content: Content;
  /** Null until the server has it. */
  seq: number | null;
  /** When it was last edited. */
  edited: number | null;
  reactions: Reaction[];
  refused: string | null;
  /** Opens a group: the one before is of someone else, of another day or of long ago. */
  first: boolean;
}

export type Item =
  | { kind: 'start'; key: string }
  | { kind: 'day'; key: string; at: number }
  | { kind: 'new'; key: string }
  | { kind: 'lost'; key: string }
  /** Here so many messages are missing, which the server does not give. */
  | { kind: 'gap'; key: string; count: number }
  | { kind: 'timer'; key: string; mine: boolean; after: number; seq: number | null }
  | BubbleItem;

const GROUP_WITHIN = 5 * 60_000;

/**
 * Everything in a thread from top to bottom. `newAfter`: the last `seq` read before the thread was opened. What stands
 * between two messages is drawn when both are held: the first that happens to be here is not the first of its day, nor
 * the first new one, and older messages are then only added above.
 */
export function itemsOf(
  shown: readonly Shown[],
  pending: readonly Pending[],
  me: string,
  newAfter: number | null,
): Item[] {
  const items: Item[] = [];
  let last: BubbleItem | null = null;
  let any = false;
  let afterLine = false;
  let day = 0;
  const first = shown[0]?.message.seq ?? 1;
  const begins = first === 1;
  let newSaid = newAfter === null || (!begins && first > newAfter);
  const add = (bubble: Omit<BubbleItem, 'kind' | 'first'>) => {
    // What has waited since yesterday stands below what came today, and is of today there.
    const itsDay = bubble.seq === null ? Math.max(day, bubble.at) : bubble.at;
    const newDay = any ? !sameDay(day, itsDay) : begins;
    any = true;
    day = itsDay;
    if (newDay) items.push({ kind: 'day', key: `day-${bubble.key}`, at: bubble.at });
    const isNew = !newSaid && !bubble.mine && bubble.seq !== null && bubble.seq > (newAfter ?? 0);
    if (isNew) items.push({ kind: 'new', key: 'new' });
    newSaid ||= isNew;
    const far = last ? last.mine !== bubble.mine || bubble.at - last.at > GROUP_WITHIN : begins || afterLine;
    afterLine = false;
    if (bubble.content.type === 'timer') {
      const { key, mine, seq, content } = bubble;
      items.push({ kind: 'timer', key, mine, seq, after: content.after });
      last = null;
      afterLine = true;
      return;
    }
    last = { kind: 'bubble', ...bubble, first: newDay || isNew || far };
    items.push(last);
  };
  const lastLost = shown.findLast(({ content }) => content.type === 'lost');
  let next = first;
  for (const each of shown) {
    const { message, content, reactions } = each;
    const missing = message.seq - next;
    if (missing > 0) items.push({ kind: 'gap', key: `gap-${message.seq}`, count: missing });
    next = message.seq + 1;
    if (each === lastLost) items.push({ kind: 'lost', key: 'lost' });
    if (isNothing(content)) continue;
    const { id, sent_at: at, seq, edit } = message;
    const key = content.type === 'repeated' ? `${id}@${seq}` : id;
    const mine = message.sender === me;
    add({ key, mine, at, content, seq, edited: edit?.at ?? null, reactions, refused: null });
  }
  const arrived = new Set(shown.map(({ message }) => message.id));
  for (const { id, written_at, content, refused } of pending) {
    const nothing = { seq: null, edited: null, reactions: [] };
    if (!arrived.has(id)) add({ key: id, mine: true, at: written_at, content, ...nothing, refused });
  }
  return items;
}

/** Older messages came in above, which is when a list keeps its place from the end; not when others took their place. */
export function grewAtTop(before: readonly Item[], after: readonly Item[]): boolean {
  const was = oldest(before);
  const joins = () => after.some((item) => item.kind === 'bubble' && item.seq === was);
  return was !== null && (oldest(after) ?? was) < was && joins();
}

const oldest = (items: readonly Item[]) =>
  items.find((item): item is BubbleItem => item.kind === 'bubble')?.seq ?? null;
