/** What is open in a thread for the moment, and how its parts reach each other. */
import { tick } from 'svelte';
import { SvelteMap } from 'svelte/reactivity';
import { t } from '../../i18n/index.svelte';
import { problemText } from '../../i18n/problem-text';
import type { Preferences } from '../../lib/preferences.svelte';
import { Problem } from '../../lib/problem';
import type { Conversation } from './conversation.svelte';
import type { Reply } from './content';
import { isNothing, type BubbleItem } from './timeline';

/** So long a message that was jumped to is told from the others. */
const HIGHLIGHT = 1_800;

/** Pages in which the first message that is shown is looked for. */
const LOOKED_THROUGH = 10;

/** What a dialog is open for. */
export interface Question {
  ask: 'delete' | 'versions' | 'forward' | 'react';
  about: BubbleItem[];
}

/** What can be done with a message, in the order of the menu. */
export type Action =
  'reply' | 'edit' | 'copy' | 'forward' | 'save' | 'unsave' | 'link' | 'select' | 'versions' | 'delete';

/** What can be done with several at once. */
export type SeveralAction = Extract<Action, 'copy' | 'forward' | 'save' | 'delete'>;

export class ThreadState {
  /** The message whose menu is open, and what it stands beside. */
  menu: { item: BubbleItem; anchor: HTMLElement } | null = $state.raw(null);
  question: Question | null = $state.raw(null);
  /** A moment of the day from which one wants to go to another; null when nobody is asked for one. */
  leavesDay: number | null = $state(null);
  /** The messages that are chosen, by their key; null while none is being chosen. */
  selection: SvelteMap<string, BubbleItem> | null = $state.raw(null);
  /** The `seq` of the message that was just jumped to. */
  highlighted: number | null = $state(null);
  /** It is where one came to from elsewhere, and takes the focus as soon as it is drawn. */
  focused = $state(false);
  /** It has had the focus: from now on only nothing may lose it to it. */
  focusTaken = false;
  /** Something that was done and cannot be seen. */
  told: { words: string } | null = $state.raw(null);
  /** Set by the list of messages: false when it does not show this one. */
  scrollTo: (seq: number) => boolean = () => false;

  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    readonly conversation: Conversation,
    readonly me: string,
    private readonly preferences: Preferences,
  ) {}

  openMenu(item: BubbleItem, anchor: HTMLElement): void {
    this.menu = { item, anchor };
  }

  /** Back to the message it was about, which has the focus again. */
  closeMenu(of?: BubbleItem): void {
    if (of && this.menu?.item !== of) return;
    const { anchor } = this.menu ?? {};
    this.menu = null;
    anchor?.closest<HTMLElement>('[data-bubble]')?.focus();
  }

  isSaved({ seq }: BubbleItem): boolean {
    return seq !== null && this.preferences.isSaved(this.conversation.id, seq);
  }

  // With the menu its message goes as well: what is done with it is done before.
  react(item: BubbleItem, emoji: string | null): void {
    void this.conversation.react(item.key, emoji).catch(() => undefined);
    this.closeMenu();
  }

  chooseReaction(item: BubbleItem): void {
    this.question = { ask: 'react', about: [item] };
    this.closeMenu();
  }

  act(action: Action, item: BubbleItem): void {
    const { key, seq } = item;
    const { conversation } = this;
    if (action === 'copy' || action === 'link') void this.copy(action, [item]);
    else if (action === 'save' || action === 'unsave') void this.save([item], action === 'save');
    else if (action === 'select') this.selection = new SvelteMap([[key, item]]);
    else if (action === 'forward' || action === 'versions' || action === 'delete')
      this.question = { ask: action, about: [item] };
    this.closeMenu();
    // The composer takes the focus after the menu has given it back.
    if (action === 'reply' && seq !== null) conversation.reply({ id: key, seq });
    else if (action === 'edit') conversation.edit(key);
  }

  /** In the order of the thread. */
  get selected(): BubbleItem[] {
    return [...(this.selection?.values() ?? [])].sort((a, b) => (a.seq ?? 0) - (b.seq ?? 0));
  }

  select(item: BubbleItem): void {
    if (this.selection?.delete(item.key) === false) this.selection.set(item.key, item);
  }

  actOnSelection(action: SeveralAction): void {
    const items = this.selected;
    if (action === 'forward' || action === 'delete') this.question = { ask: action, about: items };
    else if (action === 'save') void this.save(items, true);
    else void this.copy('copy', items);
    if (action === 'copy' || action === 'save') this.selection = null;
  }

  private async copy(what: 'copy' | 'link', items: BubbleItem[]): Promise<void> {
    const { id } = this.conversation;
    const link = ({ seq }: BubbleItem) => `${location.origin}/c/${id}/${seq}`;
    const text = what === 'link' ? items.map(link) : wordsOf(items);
    try {
      await navigator.clipboard.writeText(text.join('\n'));
      this.tell(t.message.copied);
    } catch {
      this.tell(t.code.copyRefused);
    }
  }

  private async save(items: BubbleItem[], kept: boolean): Promise<void> {
    for (const { seq } of items) {
      const done = seq === null || (await this.preferences.keepMessage(this.conversation.id, seq, kept));
      if (!done) return this.tell(t.message.tooManySaved);
    }
    this.tell(kept ? t.message.saved : t.message.unsaved);
  }

  /** The same words again are news again. */
  tell(words: string): void {
    this.told = { words };
  }

  /** To a message, wherever it stands. False where there is none to be shown. */
  async jumpTo(seq: number, { focus = false } = {}): Promise<boolean> {
    const { history } = this.conversation;
    await history.inOrder(() => history.loadAround(seq));
    await tick();
    if (!this.scrollTo(seq)) return false;
    clearTimeout(this.timer);
    this.highlighted = seq;
    this.focused = focus;
    this.focusTaken = false;
    this.timer = setTimeout(() => (this.highlighted = null), HIGHLIGHT);
    return true;
  }

  /** To the message that another one answers. Where there is none to be shown, the thread stays where it is. */
  async follow(reply: Reply): Promise<void> {
    try {
      const original = await this.conversation.find(reply);
      const there = original && !isNothing(original.content) && (await this.jumpTo(reply.seq));
      if (!there) this.tell(t.message.quoteGone);
    } catch (thrown) {
      this.tell(problemText(Problem.from(thrown)));
    }
  }

  /** To the first message of the other after this place that is shown. False where there is none. */
  async jumpPast(seq: number): Promise<boolean> {
    const { history } = this.conversation;
    await history.inOrder(() => history.loadAround(seq + 1));
    for (let from = seq, page = 0; page < LOOKED_THROUGH; page++) {
      for (const { message } of history.shown) {
        const theirs = message.seq > from && message.sender !== this.me;
        if (theirs && (await this.jumpTo(message.seq, { focus: true }))) return true;
      }
      from = Math.max(from, history.shown.at(-1)?.message.seq ?? 0);
      // All of these have disappeared.
      await history.loadNewer();
    }
    return false;
  }

  /** To the first message at this time or later that is shown. False where there is none. */
  async jumpToTime(at: number): Promise<boolean> {
    const { history } = this.conversation;
    const first = await history.inOrder(() => history.loadSince(at));
    if (first === null) return false;
    for (const { message } of history.shown) {
      if (message.seq >= first && (await this.jumpTo(message.seq, { focus: true }))) return true;
    }
    return false;
  }
}

export function wordsOf(items: BubbleItem[]): string[] {
  return items.flatMap(({ content }) => (content.type === 'text' ? content.body : []));
}

export function actionsOf(item: BubbleItem, thread: ThreadState): Action[] {
  const { content, mine, seq, edited, refused } = item;
  // What is not on the server has its own ways out.
  if (seq === null || refused !== null || content.type === 'deleted' || content.type === 'repeated')
    return [];
  const isText = content.type === 'text';
  const saved = thread.isSaved(item);
  const possible: Record<Action, boolean> = {
    reply: isText,
    edit: mine && isText,
    copy: isText,
    forward: isText,
    save: !saved,
    unsave: saved,
    link: true,
    select: true,
    versions: edited !== null,
    delete: mine,
  };
  return (Object.keys(possible) as Action[]).filter((action) => possible[action]);
}
