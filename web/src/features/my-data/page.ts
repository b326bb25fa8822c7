/** The page to read, piece by piece: no scripts, nothing from elsewhere, and what people wrote is only ever text. */
import { fullTime } from '../conversations/times';
import type { ConversationRecord, Head, MessageRecord } from './records';
import type { MyDataTexts } from './words/en';

const STYLE = `
:root { color-scheme: light dark; font: 1rem/1.5 system-ui, sans-serif; }
body { max-width: 46rem; margin: 2rem auto; padding: 0 1rem; }
h2 { margin-top: 2.5rem; }
dl { display: grid; grid-template-columns: minmax(8rem, auto) 1fr; gap: 0.25rem 1rem; }
dd { margin: 0; }
dd, h3, .text { white-space: pre-wrap; overflow-wrap: anywhere; }
article { margin: 0.75rem 0; padding: 0.5rem 0.9rem; border-left: 3px solid #888; }
article.mine { border-color: #24605f; }
article p, article header { margin: 0; }
header, .note, ol.earlier { font-size: 0.875rem; opacity: 0.85; }
ol.earlier { margin: 0.25rem 0 0; }
table { border-collapse: collapse; }
td { padding: 0.15rem 1rem 0.15rem 0; vertical-align: top; overflow-wrap: anywhere; }
`;

export const escaped = (text: string): string =>
  text
    .replace(/&/g, '&amp;')
    .replace(/</g, '&lt;')
    .replace(/>/g, '&gt;')
    .replace(/"/g, '&quot;')
    .replace(/'/g, '&#39;');

const DAY = 24 * 3_600_000;

export class Page {
  constructor(
    private readonly words: MyDataTexts['page'],
    private readonly locale: string,
  ) {}

  private date = (at: string): string => fullTime(Date.parse(at), this.locale);

  head({ me, email, settings, people, made_at, server }: Head): string {
    const { words } = this;
    const title = escaped(words.title(me.display_name));
    const shared = (['presence', 'typing', 'receipts'] as const).filter((what) => me.privacy[what]);
    const profile: [string, string][] = [
      [words.displayName, me.display_name],
      [words.handle, `@${me.handle}`],
      [words.status, me.status],
      [words.bio, me.bio],
      [words.email, email.address ?? words.none],
      [words.created, this.date(new Date(me.created_at).toISOString())],
      [words.shares, shared.map((what) => words[what]).join(', ') || words.nothing],
    ];
    const set = Object.entries(settings).filter(([, { value }]) => value !== null);
    return `<!doctype html>
<html lang="${escaped(this.locale)}">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title}</title>
<style>${STYLE}</style>
</head>
<body>
<main>
<h1>${title}</h1>
<p>${escaped(words.made(this.date(made_at), server))}</p>
<h2>${escaped(words.profile)}</h2>
<dl>${profile.map(([name, value]) => `<dt>${escaped(name)}</dt><dd>${escaped(value)}</dd>`).join('\n')}</dl>
<h2>${escaped(words.settings)}</h2>
${set.length === 0 ? `<p>${escaped(words.noSettings)}</p>` : `<table>${set.map(this.setting).join('\n')}</table>`}
<h2>${escaped(words.people)}</h2>
<ul>${people.map((person) => `<li>${escaped(this.person(person))}</li>`).join('\n')}</ul>
<h2>${escaped(words.conversations)}</h2>
`;
  }

  private setting = ([name, { at, value }]: [string, Head['settings'][string]]): string => {
    const cells = [name, JSON.stringify(value), this.date(new Date(at).toISOString())];
    return `<tr>${cells.map((cell) => `<td>${escaped(cell)}</td>`).join('')}</tr>`;
  };

  private person({ display_name, handle, blocked, verified_at }: Head['people'][number]): string {
    const marks = [
      blocked ? this.words.blocked : '',
      verified_at ? this.words.verified(this.date(verified_at)) : '',
    ].filter((mark) => mark !== '');
    return `${display_name} (@${handle})${marks.map((mark) => `, ${mark}`).join('')}`;
  }

  begin({ with: peer, messages }: ConversationRecord): string {
    const name = `${peer.display_name} (@${peer.handle})`;
    return `<section>\n<h3>${escaped(name)}</h3>\n<p class="note">${escaped(this.words.messages(messages))}</p>\n`;
  }

  message(record: MessageRecord, mine: boolean): string {
    const { words } = this;
    const { seq, from, sent_at, edited_at, forwarded, in_reply_to, reactions = [], earlier = [] } = record;
    const notes = [
      edited_at ? words.edited(this.date(edited_at)) : '',
      forwarded ? words.forwarded : '',
      in_reply_to ? words.replyTo(in_reply_to) : '',
    ].filter((note) => note !== '');
    const about = [`${seq}`, `@${from}`, this.date(sent_at), ...notes].map(escaped).join(' · ');
    const reacted = reactions.map(({ from, emoji }) => `${escaped(emoji)} @${escaped(from)}`).join(', ');
    const before = earlier.map(
      ({ until, text }) =>
        `<li>${escaped(words.before(this.date(until)))} <span class="text">${escaped(text ?? words.unreadable)}</span></li>`,
    );
    return `<article${mine ? ' class="mine"' : ''}>
<header>${about}</header>
${this.said(record)}
${reacted && `<p class="note">${reacted}</p>`}${before.length > 0 ? `<ol class="earlier">${before.join('')}</ol>` : ''}
</article>
`;
  }

  private said({ type, text, after = 0 }: MessageRecord): string {
    const { words } = this;
    if (type === 'text') return `<p class="text">${escaped(text ?? '')}</p>`;
    const timer = after > 0 ? words.timer(words.days(after / DAY)) : words.timerOff;
    return `<p><em>${escaped(type === 'timer' ? timer : words[type])}</em></p>`;
  }

  end(): string {
    return '</section>\n';
  }

  foot(): string {
    return '</main>\n</body>\n</html>\n';
  }
}
