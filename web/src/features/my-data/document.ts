/** The same for programs, piece by piece: one JSON document. */
import { time, type ConversationRecord, type Head, type MessageRecord } from './records';

export class Document {
  private firstConversation = true;
  private firstMessage = true;

  head({ me, email, settings, people, made_at, server }: Head): string {
    const { id, handle, display_name, status, bio, created_at, privacy } = me;
    const profile = { id, handle, display_name, status, bio, email, created_at: time(created_at), privacy };
    const set = Object.entries(settings).filter(([, { value }]) => value !== null);
    const head = {
      format: 'entre-nous/my-data',
      version: 1,
      made_at,
      server,
      profile,
      settings: Object.fromEntries(set.map(([name, { at, value }]) => [name, { set_at: time(at), value }])),
      people,
    };
    return `${JSON.stringify(head, null, 1).slice(0, -2)},\n "conversations": [`;
  }

  begin({ id, with: { id: account, handle, display_name } }: ConversationRecord): string {
    const comma = this.firstConversation ? '' : ',';
    this.firstConversation = false;
    this.firstMessage = true;
    const head = JSON.stringify({ id, with: { id: account, handle, display_name } });
    return `${comma}\n  ${head.slice(0, -1)},"messages":[`;
  }

  message(record: MessageRecord): string {
    const comma = this.firstMessage ? '' : ',';
    this.firstMessage = false;
    return `${comma}\n   ${JSON.stringify(record)}`;
  }

  end(): string {
    return ']}';
  }

  foot(): string {
    return '\n ]\n}\n';
  }
}
