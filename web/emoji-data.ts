import { createRequire } from 'node:module';
import type { Plugin } from 'vite';

interface Source {
  emoji: string;
  hexcode: string;
  label: string;
  tags?: string[];
  /** None for the letters of which flags are made. */
  group?: number;
  order?: number;
  version: number;
  skins?: { emoji: string; tone: number | number[] }[];
}

/** Newer ones are empty boxes on many a phone. */
const NEWEST = 15;
/** Hair and skin alone: parts of others. */
const COMPONENTS = 2;

/** The names of emoji as `virtual:emoji-en` and `…-fr`: a fifth of what the package holds. */
export function emojiData(): Plugin {
  const require = createRequire(import.meta.url);
  const prefix = 'virtual:emoji-';
  return {
    name: 'emoji-data',
    resolveId: (id) => (id.startsWith(prefix) ? `\0${id}` : undefined),
    load(id) {
      if (!id.startsWith(`\0${prefix}`)) return;
      const language = id.slice(prefix.length + 1);
      const all = require(`emojibase-data/${language}/data.json`) as Source[];
      const codes = require('emojibase-data/en/shortcodes/github.json') as Record<string, string | string[]>;
      const rows = all
        .filter(({ group, version }) => group !== undefined && group !== COMPONENTS && version <= NEWEST)
        .sort((one, other) => (one.order ?? 0) - (other.order ?? 0))
        // Documented where they are read: `emoji-data.d.ts`.
        .map((each) => [
          asTyped(each.emoji),
          each.label,
          [codes[each.hexcode] ?? []].flat(),
          each.tags ?? [],
          each.group,
          eachTone(each.skins ?? []),
        ]);
      // A string is read faster than the same as a program.
      return `export default JSON.parse(${JSON.stringify(JSON.stringify(rows))})`;
    },
  };
}

/** Without the sign that asks for colours where they are what one gets: keyboards leave it out. */
const asTyped = (emoji: string) => emoji.replace(/^(\p{Emoji_Presentation})\ufe0f$/u, '$1');

/** From light to dark, the same for all persons in the picture. */
function eachTone(skins: NonNullable<Source['skins']>): string[] {
  return skins.filter(({ tone }) => typeof tone === 'number').map(({ emoji }) => asTyped(emoji));
}
