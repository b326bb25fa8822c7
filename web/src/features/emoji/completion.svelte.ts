/** `:smi` in a text field offers emoji; `:smile:` becomes one. The field keeps the focus and its keys. */
import { language } from '../../i18n/index.svelte';
import { typeInto } from '../conversations/typing';
import { openBook, type Book, type Emoji } from './book';
import { tone, used } from './habits';

/** Not in "10:30" and "https:", nor ":-D"; two letters at least, lest each colon be answered. */
const BEGUN = /(?<![\p{L}\p{N}:]):(\p{L}[\p{L}\p{N}_-]+|[+-]1|100)$/u;
const CLOSED = /(?<![\p{L}\p{N}:]):([\p{L}\p{N}_+-]+):$/u;
/** No code is longer. What stands further before the caret is not looked at. */
const LONGEST = 80;
const OFFERED = 7;

export class Completion {
  matches: Emoji[] = $state.raw([]);
  active = $state(0);

  private field: HTMLTextAreaElement | null = null;
  /** What is replaced: from the colon to the caret. */
  private begun = '';
  /** Was refused with Esc: not offered again before another colon. */
  private refused: number | null = null;

  constructor(readonly id: string) {}

  get open(): boolean {
    return this.matches.length > 0;
  }

  /** The field is a text box that has a list: its own role has no "expanded". */
  get attributes() {
    if (!this.open) return { 'aria-autocomplete': 'list' } as const;
    return {
      'aria-autocomplete': 'list',
      'aria-controls': this.id,
      'aria-activedescendant': this.optionId(this.active),
    } as const;
  }

  optionId(at: number): string {
    return `${this.id}-${at}`;
  }

  /** As an attachment of the field. Before all others that listen: what Enter does depends on it. */
  readonly attend = (field: Element) => {
    if (!(field instanceof HTMLTextAreaElement)) return;
    const listening = new AbortController();
    const { signal } = listening;
    this.field = field;
    field.addEventListener('input', (event) => void this.typed(event), { signal });
    field.addEventListener('keydown', (event) => this.key(event), { signal, capture: true });
    field.addEventListener('click', () => this.close(), { signal });
    // Not at once: a field that is taken away loses the focus while the page is being drawn.
    field.addEventListener('blur', () => queueMicrotask(() => this.close()), { signal });
    return () => listening.abort();
  };

  choose(emoji: Emoji | undefined): void {
    if (!emoji || !this.field) return;
    this.replace(this.begun.length, emoji);
  }

  private async typed(event: Event): Promise<void> {
    const before = this.beforeCaret();
    const begun = BEGUN.exec(before)?.[1];
    const closed = CLOSED.exec(before)?.[1];
    if (begun === undefined && closed === undefined) {
      this.refused = null;
      this.close();
      return;
    }
    const book = await openBook(language.code).catch(() => null);
    // More was typed while it came.
    if (!book || before !== this.beforeCaret() || document.activeElement !== this.field) return;
    if (closed !== undefined) {
      this.close();
      // Only what one types: a text that is pasted stays as it is.
      if (event instanceof InputEvent && event.data === ':')
        this.replace(closed.length + 2, book.named(closed));
    } else if (begun !== undefined) {
      this.offer(book, begun);
    }
  }

  private offer(book: Book, begun: string): void {
    const colon = (this.field?.selectionStart ?? 0) - begun.length - 1;
    if (this.refused !== colon) this.refused = null;
    this.begun = `:${begun}`;
    this.matches = this.refused === null ? book.find(begun.replaceAll('_', ' '), OFFERED) : [];
    this.active = 0;
  }

  private key(event: KeyboardEvent): void {
    if (!this.open || event.isComposing || event.keyCode === 229) return;
    if (event.ctrlKey || event.metaKey || event.altKey || event.shiftKey) return;
    const count = this.matches.length;
    if (event.key === 'ArrowDown') this.active = (this.active + 1) % count;
    else if (event.key === 'ArrowUp') this.active = (this.active + count - 1) % count;
    else if (event.key === 'Enter' || event.key === 'Tab') this.choose(this.matches[this.active]);
    else if (event.key === 'Escape') this.refuse();
    else {
      // The caret goes elsewhere; a letter is heard of as input.
      if (/^(Arrow|Home|End|Page)/.test(event.key)) this.close();
      return;
    }
    event.preventDefault();
    event.stopImmediatePropagation();
  }

  private refuse(): void {
    this.refused = (this.field?.selectionStart ?? 0) - this.begun.length;
    this.close();
  }

  private replace(length: number, emoji: Emoji | undefined): void {
    const { field } = this;
    if (!field || !emoji) return;
    const look = emoji.tones[tone() - 1] ?? emoji.emoji;
    this.close();
    field.setSelectionRange(field.selectionStart - length, field.selectionStart);
    typeInto(field, look);
    used(look);
  }

  private beforeCaret(): string {
    const { field } = this;
    if (!field || field.selectionStart !== field.selectionEnd) return '';
    return field.value.slice(Math.max(0, field.selectionStart - LONGEST), field.selectionStart);
  }

  private close(): void {
    this.matches = [];
  }
}
