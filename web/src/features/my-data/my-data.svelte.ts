/**
 * All that one has here, in a file of one's own. It is fetched as any page fetches it, opened by the worker, and put
 * together in this browser: nothing that is opened goes anywhere but into the file. One page of messages at a time.
 */
import { language } from '../../i18n/index.svelte';
import { api } from '../../lib/api/client';
import type { Conversation, Me } from '../../lib/api/types';
import { clock } from '../../lib/clock';
import type { Keys } from '../../lib/keys';
import type { Vault } from '../../lib/vault';
import { contentOf, type Opened } from '../conversations/content';
import { withoutRepeats, type Shown } from '../conversations/timeline';
import { localeOf } from '../conversations/times';
import { openMessages } from '../conversations/tools';
import { Archive } from './archive';
import { Document } from './document';
import { Page } from './page';
import { recordOf, time, type Head, type Version } from './records';
import { w } from './words';

const CONVERSATIONS = 100;
const MESSAGES = 200;

interface Tools {
  me: () => Me;
  vault: Vault;
  keys: Keys;
  renewedAt: () => number;
}

export class MyData {
  /** Messages; the total is null while it is not known. */
  done = $state(0);
  total: number | null = $state(null);
  cancelled = false;

  constructor(private readonly tools: Tools) {}

  cancel(): void {
    this.cancelled = true;
  }

  /** Rejects when it was cancelled, too. */
  async make(): Promise<Blob> {
    const conversations = await this.conversations();
    this.total = conversations.reduce((sum, { seq }) => sum + seq, 0);
    const archive = new Archive();
    const files = [archive.file(`${w.section.fileName}.html`), archive.file(`${w.section.fileName}.json`)];
    const page = new Page(w.page, localeOf(language.code));
    const document = new Document();
    const write = (...texts: [string, string]) => texts.forEach((text, at) => files[at]?.write(text));
    const head = await this.head(conversations);
    write(page.head(head), document.head(head));
    for (const conversation of conversations) {
      const { id, peer, seq } = conversation;
      const record = { id, with: peer, messages: seq };
      write(page.begin(record), document.begin(record));
      for await (const { shown, versions } of this.messages(conversation)) {
        const said = recordOf(shown, versions, (account) => this.handleOf(account, conversation));
        write(page.message(said, shown.message.sender === this.tools.me().id), document.message(said));
      }
      write(page.end(), document.end());
    }
    this.goOn();
    write(page.foot(), document.foot());
    for (const file of files) file.end();
    return archive.finish();
  }

  private handleOf(account: string, { peer }: Conversation): string {
    return account === peer.id ? peer.handle : this.tools.me().handle;
  }

  private async head(conversations: Conversation[]): Promise<Head> {
    const { vault, me } = this.tools;
    const verified = await vault.verifiedAt(conversations.map(({ peer }) => peer.id));
    return {
      me: me(),
      email: await api.ownAddress(),
      settings: await vault.settings(),
      people: conversations.map(({ peer, blocked }, at) => {
        const { id, handle, display_name, status, bio } = peer;
        const since = verified[at] ?? null;
        return {
          id,
          handle,
          display_name,
          status,
          bio,
          blocked,
          verified_at: since === null ? null : time(since),
        };
      }),
      made_at: time(clock.now()),
      server: location.origin,
    };
  }

  private async conversations(): Promise<Conversation[]> {
    const all: Conversation[] = [];
    let cursor: string | undefined;
    do {
      this.goOn();
      const page = await api.conversations({ cursor, limit: CONVERSATIONS });
      all.push(...page.conversations);
      cursor = page.next ?? undefined;
    } while (cursor);
    return all;
  }

  /** From the first to the last, opened. */
  private async *messages(conversation: Conversation): AsyncGenerator<{ shown: Shown; versions: Version[] }> {
    const ids = new Set<string>();
    for (let after = 0; after < conversation.seq;) {
      this.goOn();
      const { messages } = await api.history(conversation.id, { after, limit: MESSAGES });
      this.goOn();
      if (messages.length === 0) return;
      const opened = await openMessages(this.tools, messages, () => conversation);
      for (const shown of withoutRepeats(opened, ids)) {
        yield { shown, versions: await this.versions(shown) };
      }
      this.done += messages.length;
      after = messages.at(-1)?.seq ?? conversation.seq;
    }
  }

  private async versions({ message, content }: Shown): Promise<Version[]> {
    if (!message.edit || content.type === 'deleted' || content.type === 'lost') return [];
    this.goOn();
    const { versions } = await api.versions(message.conversation, message.id);
    const opened = await this.tools.vault.openVersions(message, versions);
    return versions.map(({ at }, number) => ({ at, content: contentOf(opened[number] as Opened) }));
  }

  private goOn(): void {
    if (this.cancelled) throw new Error('cancelled');
  }
}
