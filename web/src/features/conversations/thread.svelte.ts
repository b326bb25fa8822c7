/** What is open in a thread for the moment, and how its parts reach each other. */
import { tick } from 'svelte';
import type { Conversation } from './conversation.svelte';
import type { BubbleItem } from './timeline';

/** So long a message that was jumped to is told from the others. */
const HIGHLIGHT = 1_800;

export type Question = { about: BubbleItem; ask: 'delete' | 'versions' };

export class ThreadState {
  /** The message whose menu is open, and what it stands beside. */
  menu: { item: BubbleItem; anchor: HTMLElement } | null = $state.raw(null);
  question: Question | null = $state.raw(null);
  /** The `seq` of the message that was just jumped to. */
  highlighted: number | null = $state(null);
  /** It is where one came to from elsewhere, and takes the focus as soon as it is drawn. */
  focused = $state(false);
  /** Set by the list of messages: false when it does not show this one. */
  scrollTo: (seq: number) => boolean = () => false;

  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(readonly conversation: Conversation) {}

  openMenu(item: BubbleItem, anchor: HTMLElement): void {
    this.menu = { item, anchor };
  }

  /** Back to the message it was about, which has the focus again. */
  closeMenu(): void {
    const { anchor } = this.menu ?? {};
    this.menu = null;
    anchor?.closest<HTMLElement>('[data-bubble]')?.focus();
  }

  ask(about: BubbleItem, ask: Question['ask']): void {
    this.question = { about, ask };
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
    this.timer = setTimeout(() => (this.highlighted = null), HIGHLIGHT);
    return true;
  }
}

/** What can be done with a message, in the order of the menu. */
export type Action = 'reply' | 'edit' | 'copy' | 'versions' | 'delete';

export function actionsOf({ content, mine, seq, edited, refused }: BubbleItem): Action[] {
  // What is not on the server has its own ways out.
  if (seq === null || refused !== null || content.type === 'deleted') return [];
  const isText = content.type === 'text';
  const possible: Record<Action, boolean> = {
    reply: true,
    edit: mine && isText,
    copy: isText,
    versions: edited !== null,
    delete: mine,
  };
  return (Object.keys(possible) as Action[]).filter((action) => possible[action]);
}
