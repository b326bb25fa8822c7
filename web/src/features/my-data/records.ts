/** What the file says, before it is written in one form or the other. */
import type { Me, Message, OwnAddress, Person } from '../../lib/api/types';
import type { Setting } from '../../lib/vault.calls';
import type { Content } from '../conversations/content';
import type { Shown } from '../conversations/timeline';

export interface ContactRecord extends Pick<Person, 'id' | 'handle' | 'display_name' | 'status' | 'bio'> {
  blocked: boolean;
  /** When the safety numbers were compared. */
  verified_at: string | null;
}

export interface Head {
  me: Me;
  email: OwnAddress;
  settings: Record<string, Setting>;
  people: ContactRecord[];
  made_at: string;
  server: string;
}

export interface ConversationRecord {
  id: string;
  with: Person;
  messages: number;
}

export interface MessageRecord {
  seq: number;
  id: string;
  /** A handle. */
  from: string;
  sent_at: string;
  /** What it says; in the place of its words, why there are none. */
  type: Content['type'];
  text?: string;
  /** Of a message that sets how long messages stay: milliseconds, 0 for ever. */
  after?: number;
  in_reply_to?: number;
  forwarded?: true;
  edited_at?: string;
  /** The oldest first; `until`: when other words took their place. */
  earlier?: { until: string; text: string | null }[];
  reactions?: { from: string; emoji: string }[];
}

export const time = (at: number) => new Date(at).toISOString();

export interface Version {
  /** When it was written. */
  at: number;
  content: Content;
}

/** `handleOf`: of an account. */
export function recordOf(
  { message, content, reactions }: Shown,
  versions: Version[],
  handleOf: (account: string) => string,
): MessageRecord {
  const { seq, id, sender, sent_at, edit } = message;
  return {
    seq,
    id,
    from: handleOf(sender),
    sent_at: time(sent_at),
    type: content.type,
    ...wordsOf(content),
    ...(edit && content.type !== 'deleted' && { edited_at: time(edit.at) }),
    ...(versions.length > 0 && { earlier: earlier(message, versions) }),
    ...(reactions.length > 0 && {
      reactions: reactions.map(({ sender, emoji }) => ({ from: handleOf(sender), emoji })),
    }),
  };
}

function wordsOf(content: Content): Partial<MessageRecord> {
  if (content.type === 'timer') return { after: content.after };
  if (content.type !== 'text') return {};
  const { body, reply, forwarded } = content;
  return { text: body, ...(reply && { in_reply_to: reply.seq }), ...(forwarded && { forwarded }) };
}

function earlier({ edit }: Message, versions: Version[]): MessageRecord['earlier'] {
  return versions.map(({ content }, number) => ({
    until: time(versions[number + 1]?.at ?? edit?.at ?? 0),
    text: content.type === 'text' ? content.body : null,
  }));
}
