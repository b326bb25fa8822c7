/** Made from emojibase-data by the build: see `emoji-data.ts` beside `vite.config.ts`. */
declare module 'virtual:emoji-*' {
  /** Emoji, name, codes without their colons, other words for it, group, the five skin tones. */
  export type EmojiRow = [string, string, string[], string[], number, string[]];
  const rows: EmojiRow[];
  export default rows;
}
