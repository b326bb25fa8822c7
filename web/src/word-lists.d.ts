// The lists inside @zxcvbn-ts's language packages come without types of their own.
declare module '@zxcvbn-ts/language-*.json.mjs' {
  const words: string[];
  export default words;
}
