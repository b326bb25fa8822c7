import { strFromU8, unzipSync } from 'fflate';
import { describe, expect, it } from 'vitest';
import type { Me, Message } from '../../lib/api/types';
import type { Content } from '../conversations/content';
import type { Shown } from '../conversations/timeline';
import { Archive } from './archive';
import { Document } from './document';
import { Page, escaped } from './page';
import { recordOf, type Head } from './records';
import { en } from './words/en';

const MARKUP = `<script>alert("1")</script> & 'more'`;
const me: Me = {
  id: 'me',
  handle: 'alice',
  display_name: MARKUP,
  status: '',
  bio: '</title>',
  avatar: null,
  role: 'person',
  created_at: 0,
  privacy: { presence: true, typing: false, receipts: true },
  secured_at: 0,
  renewed_at: 0,
};
const peer = { ...me, id: 'bob', handle: 'bob', display_name: 'Bob' };
const head: Head = {
  me,
  email: { address: 'alice@example.org', pending: null, digest: 'off' },
  settings: { [MARKUP]: { at: 5, value: MARKUP }, gone: { at: 6, value: null } },
  people: [{ ...peer, blocked: true, verified_at: '2026-11-29T09:00:00.000Z' }],
  made_at: '2026-11-29T10:00:00.000Z',
  server: 'https://example.org',
};
const shown = (seq: number, content: Content, over: Partial<Message> = {}): Shown => ({
  message: {
    conversation: 'c',
    seq,
    rev: seq,
    id: `m${seq}`,
    sender: 'bob',
    epoch: 'e',
    envelope: '',
    sent_at: seq * 1_000,
    ...over,
  },
  content,
  reactions: [],
});
const handleOf = (account: string) => (account === 'bob' ? 'bob' : 'alice');

describe('a record', () => {
  it('says what a message says, what it said before until when, and who reacted', () => {
    const edited = shown(2, { type: 'text', body: 'third' }, { edit: { id: 'x', at: 9_000, count: 2 } });
    edited.reactions = [{ sender: 'me', emoji: '👍' }];
    const versions = [
      { at: 2_000, content: { type: 'text', body: 'first' } as const },
      { at: 5_000, content: { type: 'unreadable', reason: 'x' } as const },
    ];
    expect(recordOf(edited, versions, handleOf)).toEqual({
      seq: 2,
      id: 'm2',
      from: 'bob',
      sent_at: '1970-01-01T00:00:02.000Z',
      type: 'text',
      text: 'third',
      edited_at: '1970-01-01T00:00:09.000Z',
      earlier: [
        { until: '1970-01-01T00:00:05.000Z', text: 'first' },
        { until: '1970-01-01T00:00:09.000Z', text: null },
      ],
      reactions: [{ from: 'alice', emoji: '👍' }],
    });
  });

  it('says of what could not be opened why it has no words', () => {
    for (const type of ['deleted', 'expired', 'hidden', 'lost', 'newer'] as const) {
      const record = recordOf(shown(1, { type }), [], handleOf);
      expect([record.type, record.text]).toEqual([type, undefined]);
    }
  });
});

describe('the two files', () => {
  const messages = [
    recordOf(shown(1, { type: 'text', body: MARKUP, reply: { id: 'm0', seq: 7 } }), [], handleOf),
    recordOf(shown(2, { type: 'timer', after: 86_400_000 }), [], handleOf),
    recordOf(shown(3, { type: 'unreadable', reason: 'unknown_epoch' }), [], handleOf),
  ];
  const both = () => {
    const [page, document] = [new Page(en.page, 'en'), new Document()];
    let [html, json] = [page.head(head), document.head(head)];
    for (const id of ['c', 'd']) {
      html += page.begin({ id, with: peer, messages: 3 });
      json += document.begin({ id, with: peer, messages: 3 });
      for (const message of messages) {
        html += page.message(message, false);
        json += document.message(message);
      }
      html += page.end();
      json += document.end();
    }
    return [html + page.foot(), json + document.foot()] as const;
  };

  it('show what people wrote as text, wherever it stands', () => {
    const [html] = both();
    expect(html).not.toContain('<script');
    expect(html.match(/<\/title>/g)).toHaveLength(1);
    expect(html).toContain(escaped(MARKUP));
    expect(html).toContain(en.page.unreadable);
    expect(html).toContain('after one day');
    expect(html).toContain('alice@example.org');
    expect(html).toContain("default-src 'none'");
  });

  it('are one whole document for programs', () => {
    const data = JSON.parse(both()[1]) as {
      conversations: { messages: unknown }[];
      profile: object;
      settings: object;
    };
    expect(data.profile).toMatchObject({ email: head.email });
    expect(data.conversations.map(({ messages }) => messages)).toEqual([messages, messages]);
    expect(Object.keys(data.settings)).toEqual([MARKUP]);
    const [empty] = [new Document()];
    expect(JSON.parse(empty.head(head) + empty.foot())).toMatchObject({ conversations: [] });
  });
});

it('an archive holds files that were written side by side', async () => {
  const archive = new Archive();
  const [one, other] = [archive.file('one'), archive.file('other')];
  for (let number = 0; number < 100; number++) {
    one.write(`${number} é `);
    other.write(`${number}, `);
  }
  other.end();
  one.end();
  const files = unzipSync(new Uint8Array(await archive.finish().arrayBuffer()));
  expect(strFromU8(files['one'] ?? new Uint8Array())).toMatch(/^0 é 1 é .*99 é $/);
  expect(strFromU8(files['other'] ?? new Uint8Array())).toMatch(/^0, .*99, $/);
});
