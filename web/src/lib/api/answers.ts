/**
 * What the server sends is its word. Before anything is done with it, it is held to its form here: numbers that are
 * none, or places that go backwards, would stay in what this browser keeps, and outlive the server that sent them.
 */
import { Problem } from '../problem';
import type { Conversation, Epoch, KeyringEntry, Message, ServerFrame, SignedIn } from './types';

type Form = (value: unknown) => boolean;

const has =
  (fields: Record<string, Form>): Form =>
  (value) =>
    typeof value === 'object' &&
    value !== null &&
    Object.entries(fields).every(([name, fits]) => fits((value as Record<string, unknown>)[name]));
const perhaps =
  (form: Form): Form =>
  (value) =>
    value === undefined || value === null || form(value);
const list =
  (form: Form): Form =>
  (value) =>
    Array.isArray(value) && value.every(form);
const text: Form = (value) => typeof value === 'string';
const count: Form = (value) => Number.isSafeInteger(value) && Number(value) >= 0;
/** No date can be made of a later one. */
const time: Form = (value) => count(value) && Number(value) <= 8.64e15;
const truth: Form = (value) => typeof value === 'boolean';

const marks = has({ delivered: count, read: count });
const person = has({
  id: text,
  handle: text,
  display_name: text,
  status: text,
  bio: text,
  gone: perhaps(truth),
});
const epoch = has({ id: text, number: count, first_seq: count, created_at: time });
const accepted = has({
  conversation: text,
  id: text,
  seq: count,
  rev: count,
  sent_at: time,
  expires_at: perhaps(time),
});
const sealed = has({ id: text, sender: text, envelope: text });
const message = has({
  conversation: text,
  id: text,
  sender: text,
  epoch: text,
  seq: count,
  rev: count,
  sent_at: time,
  envelope: perhaps(text),
  edit: perhaps(has({ id: text, at: time, count })),
  deleted_at: perhaps(time),
  expires_at: perhaps(time),
  reactions: perhaps(list(sealed)),
});
const conversation = has({
  id: text,
  peer: person,
  seq: count,
  rev: count,
  active_at: time,
  unread: count,
  mine: marks,
  theirs: marks,
  timer: count,
  timer_seq: count,
  epoch: perhaps(epoch),
  last_message: perhaps(message),
});
/** The rest of it is opened by the keychain, or refused. */
const session = has({ me: person, session: text });
const frames = new Map<string, Form>([
  ['ready', has({ server_time: time })],
  ['accepted', accepted],
  ['message', has({ message })],
  ['receipt', marks],
  ['presence', has({ online: truth, last_seen: perhaps(time) })],
  ['epoch', has({ epoch })],
  ['profile', has({ person })],
  ['erasure', has({ erase_at: perhaps(time) })],
  ['reset_asked', has({ reset_asked: perhaps(has({ asked_at: time, good_from: time })) })],
  ['secured', has({ secured_at: time })],
]);

function expect(holds: boolean): asserts holds {
  if (!holds) throw new Problem('bad_answer');
}

/** Of the kinds that a newer server may know, nothing is expected. */
export function frameOf(frame: unknown): ServerFrame {
  expect(has({ type: text })(frame));
  const known = frame as ServerFrame;
  expect(frames.get(known.type)?.(known) ?? true);
  return known;
}

interface Page {
  messages: Message[];
  next?: number | null;
}

/** Whatever the server says of where they are from: in another conversation's place they do not open. */
const among = (conversation: string, messages: Message[]) =>
  messages.map((message) => ({ ...message, conversation }));

/** Messages in ascending order of `by`, after the one place and before the other. */
export function pageOf(
  conversation: string,
  page: Page,
  by: 'seq' | 'rev',
  { after = 0, before = Infinity }: { after?: number; before?: number },
): Page {
  expect(has({ messages: list(message), next: perhaps(count) })(page));
  let last = after;
  for (const each of page.messages) {
    expect(each[by] > last && each[by] < before);
    last = each[by];
  }
  // What has changed meanwhile is left out, and the place is beyond it.
  if (by === 'rev') expect((page.next ?? Infinity) > after);
  return { ...page, messages: among(conversation, page.messages) };
}

export function conversationOf(record: Conversation, id = record.id): Conversation {
  expect(conversation(record) && record.id === id);
  const [last_message = null] = among(id, record.last_message ? [record.last_message] : []);
  return { ...record, last_message };
}

export function sessionOf(answer: SignedIn): SignedIn {
  expect(session(answer));
  return answer;
}

export function epochsOf(page: { epochs: Epoch[]; next?: number | null }, after = 0): typeof page {
  expect(has({ epochs: list(has({ id: text, number: count, body: text, signature: text })) })(page));
  let last = after;
  for (const { number } of page.epochs) {
    expect(number > last);
    last = number;
  }
  expect((page.next ?? Infinity) > after);
  return page;
}

export function keyringOf(
  page: { entries: KeyringEntry[]; next?: string | null },
  from?: string,
): typeof page {
  expect(has({ entries: list(() => true) })(page));
  expect(!page.next || page.next !== from);
  return page;
}
