/** One's own messages that wait for their time at the server, sealed; here they are opened to be shown and changed. */
import { api } from '../../lib/api/client';
import type { Message, Scheduled as Record, ServerFrame } from '../../lib/api/types';
import { Problem } from '../../lib/problem';
import { textOf, type Content, type Text } from './content';
import type { Conversations } from './conversations.svelte';
import { openMessages, type Tools } from './tools';

export interface Waiting {
  id: string;
  conversation: string;
  at: number;
  content: Content;
}

type News = Extract<ServerFrame, { type: 'scheduled' | 'unscheduled' }>;

export class Scheduled {
  /** By time. */
  private all: Waiting[] = $state.raw([]);
  private work: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly tools: Tools,
    private readonly conversations: Pick<Conversations, 'get' | 'ensure'>,
  ) {}

  of(conversation: string): Waiting[] {
    return this.all.filter((each) => each.conversation === conversation);
  }

  /** As the server has it. What cannot be fetched now comes with the next `ready`. */
  refresh(): Promise<void> {
    return this.inOrder(async () => {
      const { scheduled } = await api.scheduled();
      this.all = await this.open(scheduled);
    });
  }

  /** From the line: what one's browsers did, or what its time has come for. */
  on(frame: News): void {
    void this.inOrder(async () => {
      if (frame.type === 'unscheduled') this.drop(frame.id);
      else this.take(await this.open([frame.scheduled]));
    });
  }

  /** Another text or another time too, for one that waits. Rejects when it is not at the server. */
  async put(conversation: string, id: string, said: Text, at: number): Promise<void> {
    const there = await this.conversations.ensure(conversation);
    const send = async () =>
      api.schedule(conversation, id, { envelope: await there.sealMessage(id, said), at });
    await send().catch(async (thrown: unknown) => {
      if (Problem.from(thrown).code !== 'epoch_closed') throw thrown;
      // The key was replaced unheard: under the new one, then.
      await there.askAgain();
      await send();
    });
    this.take([{ id, conversation, at, content: said }]);
  }

  /** As it waits, but for what the person changed. */
  change(waiting: Waiting, body: string, at: number): Promise<void> {
    const { conversation, id, content } = waiting;
    const said = content.type === 'text' ? { ...content, body } : textOf(body);
    return this.put(conversation, id, said, at);
  }

  async withdraw({ conversation, id }: Waiting): Promise<void> {
    await api.withdraw(conversation, id);
    this.drop(id);
  }

  async sendNow({ conversation, id }: Waiting): Promise<void> {
    await api.sendNow(conversation, id);
    this.drop(id);
  }

  private take(news: Waiting[]): void {
    const ids = new Set(news.map(({ id }) => id));
    const others = this.all.filter(({ id }) => !ids.has(id));
    this.all = [...others, ...news].sort((a, b) => a.at - b.at);
  }

  private drop(id: string): void {
    this.all = this.all.filter((each) => each.id !== id);
  }

  /** The worker opens them as the messages that they will be. */
  private async open(records: Record[]): Promise<Waiting[]> {
    for (const id of new Set(records.map(({ conversation }) => conversation)))
      await this.conversations.ensure(id);
    const messages = records.map(({ conversation, id, epoch, envelope, at }): Message => {
      return { conversation, id, epoch, envelope, sender: this.tools.me, seq: 0, rev: 0, sent_at: at };
    });
    const opened = await openMessages(this.tools, messages, (id) => this.conversations.get(id)?.record);
    return opened.map(({ message, content }) => {
      const { id, conversation, sent_at: at } = message;
      return { id, conversation, at, content };
    });
  }

  /** One after the other, so that what is told during a reading is newer than it. */
  private inOrder(work: () => Promise<void>): Promise<void> {
    const done = this.work.then(work).catch(() => undefined);
    this.work = done;
    return done;
  }
}
