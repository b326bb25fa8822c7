/** Every emoji with its names in one language. Fetched when it is first wanted: it weighs as much as the page. */
import type { EmojiRow } from 'virtual:emoji-en';
import type { LanguageCode } from '../../i18n/index.svelte';
import { fold } from '../../lib/folding';

export interface Emoji {
  emoji: string;
  name: string;
  /** "tada", of `:tada:`; the same in all languages. */
  codes: string[];
  tags: string[];
  group: number;
  /** From light to dark; none if it has no skin. */
  tones: string[];
}

/** Folded, for the search. */
interface Entry {
  emoji: Emoji;
  codes: string[];
  name: string[];
  tags: string[][];
}

/** As the Unicode consortium numbers them; 2 is for parts of others. */
export const GROUPS = [0, 1, 3, 4, 5, 6, 7, 8, 9] as const;

/** Those that are sent most, after Unicode's count of 2021. */
const POPULAR = (
  '😂 ❤️ 🤣 👍 😭 🙏 😘 🥰 😍 😊 🎉 😁 💕 🥺 😅 🔥 ☺️ 🤦 ♥️ 🤷 🙄 😆 🤗 😉 🎂 🤔 👏 🙂 😳 🥳 😎 👌 💜 😔 💪 ✨ 💖 👀 😋 😏 ' +
  '😢 👉 💗 😩 💯 🌹 💞 🎈 💙 😃 😡 💐 😜 🙈 🤞 😄 🤤 🙌 🤪 ❣️ 😀 💋 💀 👇 💔 😌 💓 🤩 🙃 😬 😱 😴 🤭 😐 🌞 😒 😇 🌸 😈 🎶 ✌️ ☀️'
).split(' ');

export class Book {
  readonly all: Emoji[];
  private readonly byEmoji = new Map<string, Emoji>();
  /** Before the first of the ranks, in their own order. */
  private readonly popular = new Map(POPULAR.map((emoji, at) => [emoji, at / POPULAR.length]));
  private entries: Entry[] | null = null;

  constructor(rows: EmojiRow[]) {
    this.all = rows.map(([emoji, name, codes, tags, group, tones]) => ({
      emoji,
      name,
      codes,
      tags,
      group,
      tones,
    }));
    for (const each of this.all) for (const look of [each.emoji, ...each.tones]) this.byEmoji.set(look, each);
  }

  /** Whatever its skin. */
  get(emoji: string): Emoji | undefined {
    return this.byEmoji.get(emoji);
  }

  inGroup(group: number): Emoji[] {
    return this.all.filter((each) => each.group === group);
  }

  /** The best first: what is called so, then what begins so, then by the other words for it. */
  find(query: string, limit = Infinity): Emoji[] {
    const code = asCode(query);
    const words = wordsOf(query);
    if (words.length === 0) return [];
    const ranked = this.index().map(({ emoji, codes, name, tags }) => {
      const begins = (among: string[]) => words.every((word) => among.some((each) => each.startsWith(word)));
      if (codes.includes(code)) return { emoji, rank: 0 };
      if (name.join(' ').startsWith(words.join(' '))) return { emoji, rank: 1 };
      if (tags.some((tag) => tag.join(' ') === words.join(' '))) return { emoji, rank: 2 };
      if (codes.some((each) => each.startsWith(code))) return { emoji, rank: 3 };
      if (begins(name)) return { emoji, rank: 4 };
      return { emoji, rank: begins([...name, ...tags.flat()]) ? 5 : 6 };
    });
    const found = ranked.filter(({ rank }) => rank < 6);
    // Behind what is called exactly so: first what people mean most.
    const order = ({ emoji, rank }: (typeof found)[number]) =>
      rank === 0 || rank === 5 ? rank : (this.popular.get(emoji.emoji) ?? rank);
    return found
      .sort((one, other) => order(one) - order(other))
      .slice(0, limit)
      .map(({ emoji }) => emoji);
  }

  /** `:tada:`, or the whole name with underscores: `:coeur_rouge:`. */
  named(code: string): Emoji | undefined {
    const asked = asCode(code);
    const entry = this.index().find(({ codes, name }) => codes.includes(asked) || name.join('_') === asked);
    return entry?.emoji;
  }

  private index(): Entry[] {
    this.entries ??= this.all.map((emoji) => ({
      emoji,
      codes: emoji.codes,
      name: wordsOf(emoji.name),
      tags: emoji.tags.map(wordsOf),
    }));
    return this.entries;
  }
}

/** Without case and accents, "œ" as "oe". */
const folded = (text: string) => fold(text).replaceAll('œ', 'oe').replaceAll('æ', 'ae');
const wordsOf = (text: string) => folded(text).match(/[\p{L}\p{N}]+/gu) ?? [];
const asCode = (text: string) => folded(text.trim()).replace(/\s+/g, '_');

const sources = {
  en: () => import('virtual:emoji-en'),
  fr: () => import('virtual:emoji-fr'),
};

const books = new Map<LanguageCode, Promise<Book>>();

export function openBook(language: LanguageCode): Promise<Book> {
  const opened = books.get(language);
  if (opened) return opened;
  const book = sources[language]().then(({ default: rows }) => new Book(rows));
  books.set(language, book);
  // The network may be back the next time.
  book.catch(() => books.delete(language));
  return book;
}
