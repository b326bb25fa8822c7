/**
 * A message's text as a tree: a small Markdown. Text comes from someone else, so reading it takes steps in proportion
 * to its length, whatever it is, and the tree is shallow: no mark stands inside its own kind, and quotes and lists
 * only to `DEEPEST`. What is not closed, or not safe, stays as it was typed.
 */
import {
  addressAt,
  hasForeignHost,
  mayMislead,
  nextAddress,
  safeAddress,
  withoutTrailingPunctuation,
} from './links';

export type Inline =
  | { type: 'text'; text: string }
  | { type: 'code'; text: string }
  | { type: 'strong' | 'emphasis' | 'strike'; children: Inline[] }
  /** `address` is where it leads, when the label could make one believe something else. */
  | { type: 'link'; href: string; address: string | null; children: Inline[] };

export type Block =
  | { type: 'paragraph'; children: Inline[] }
  | { type: 'fence'; text: string }
  | { type: 'quote'; children: Block[] }
  /** Numbers as they were written; none for dots. */
  | { type: 'list'; ordered: boolean; items: { number: number | null; children: Block[] }[] };

/** Quotes and lists inside each other. */
const DEEPEST = 4;

const STYLES = {
  '**': 'strong',
  __: 'strong',
  '*': 'emphasis',
  _: 'emphasis',
  '~~': 'strike',
} as const;
type Mark = keyof typeof STYLES;
const isMark = (run: string): run is Mark => run in STYLES;

export function parse(text: string): Block[] {
  return new Reader().blocks(text.split(/\r?\n/), 0);
}

/** The words without the marks. */
export function plain(nodes: (Block | Inline)[]): string {
  return nodes.map(words).join('');
}

function words(node: Block | Inline): string {
  if (node.type === 'fence') return `\n${node.text}\n`;
  if ('text' in node) return node.text;
  if (node.type === 'quote') return `\n${plain(node.children)}\n`;
  if (node.type !== 'list') return plain(node.children);
  return node.items
    .map(({ number, children }) => `\n${number === null ? '•' : `${number}.`} ${plain(children)}\n`)
    .join('');
}

interface Found<Node> {
  node: Node;
  /** Where what follows begins. */
  end: number;
}

const FENCE = /^ {0,3}(`{3,})([^`]*)$/;
// Not ">_<" and ">:(".
const QUOTE = /^ {0,3}>(?=[\s\p{L}\p{N}>]|$) ?/u;
const ITEM = /^( {0,3})(?:[-*]|(\d{1,3})\.) +(?=\S)/;

export class Reader {
  /** What has been done so far: each turn of each loop. The tests watch it. */
  steps = 0;

  blocks(lines: string[], depth: number): Block[] {
    const blocks: Block[] = [];
    const fences = new Later();
    for (const [at, line] of lines.entries()) {
      const [, ticks = '', info = ''] = FENCE.exec(line) ?? [];
      if (ticks && info.trim() === '') fences.add(ticks.length, at);
    }
    let paragraph: string[] = [];
    const endParagraph = () => {
      if (paragraph.length > 0)
        blocks.push({ type: 'paragraph', children: this.inlines(paragraph.join('\n')) });
      paragraph = [];
    };
    for (let at = 0; at < lines.length;) {
      const found =
        this.fence(lines, at, fences) ?? (depth < DEEPEST ? this.container(lines, at, depth) : null);
      this.steps += 1;
      if (found) {
        // The end of its last line; empty lines before the block are kept as well.
        if (paragraph.length > 0) paragraph.push('');
        endParagraph();
        blocks.push(found.node);
        at = found.end;
      } else {
        paragraph.push(lines[at++] ?? '');
      }
    }
    endParagraph();
    return blocks;
  }

  private fence(lines: string[], at: number, fences: Later): Found<Block> | null {
    const ticks = FENCE.exec(lines[at] ?? '')?.[1];
    const end = ticks ? fences.after(ticks.length, at) : null;
    if (end === null) return null;
    return { node: { type: 'fence', text: lines.slice(at + 1, end).join('\n') }, end: end + 1 };
  }

  private container(lines: string[], at: number, depth: number): Found<Block> | null {
    const line = lines[at] ?? '';
    if (QUOTE.test(line)) return this.quote(lines, at, depth);
    const item = ITEM.exec(line);
    return item ? this.list(lines, at, depth, item[2] !== undefined) : null;
  }

  private quote(lines: string[], at: number, depth: number): Found<Block> {
    const inside: string[] = [];
    for (; QUOTE.test(lines[at] ?? ''); at++) {
      this.steps += 1;
      inside.push((lines[at] ?? '').replace(QUOTE, ''));
    }
    return { node: { type: 'quote', children: this.blocks(inside, depth + 1) }, end: at };
  }

  private list(lines: string[], at: number, depth: number, ordered: boolean): Found<Block> {
    const items: Extract<Block, { type: 'list' }>['items'] = [];
    for (;;) {
      const line = lines[at] ?? '';
      const [marker = '', before = '', number] = ITEM.exec(line) ?? [];
      if (!marker || (number !== undefined) !== ordered) break;
      const inside = [line.slice(marker.length)];
      // What stands further in than the marker belongs to the item.
      while (++at < lines.length && indent(lines[at] ?? '') >= before.length + 2) {
        this.steps += 1;
        inside.push(outdent(lines[at] ?? '', marker.length));
      }
      this.steps += 1;
      items.push({ number: number ? Number(number) : null, children: this.blocks(inside, depth + 1) });
    }
    return { node: { type: 'list', ordered, items }, end: at };
  }

  /** `inLabel`: of a link, which holds no other. */
  private inlines(text: string, inLabel = false): Inline[] {
    const marks = new OpenMarks();
    const ticks = new Later();
    for (const run of text.matchAll(/`+/g)) ticks.add(run[0].length, run.index);
    let address = -1;
    let lineEnd = -1;
    for (let at = 0; at < text.length;) {
      this.steps += 1;
      if (address < at) address = inLabel ? text.length : nextAddress(text, at);
      if (lineEnd < at) lineEnd = endOfLine(text, at);
      const sign = text[at] ?? '';
      let found: Found<Inline> | null = null;
      if (at === address) found = bareLink(text, at);
      else if (sign === '`') found = codeSpan(text, at, ticks, lineEnd);
      else if (sign === '[' && !inLabel) found = this.labelledLink(text, at);
      else if (sign === '\\') found = escaped(text, at);
      if (found) {
        marks.add(found.node);
        at = found.end;
        continue;
      }
      const end = endOfStretch(text, at, address);
      if (sign === '*' || sign === '_' || sign === '~') {
        marks.meet(text, at, end);
      } else {
        // No mark reaches over an empty line.
        if (sign === '\n' && text.slice(at, endOfLine(text, end)).trim() === '') marks.settle(1);
        marks.add({ type: 'text', text: text.slice(at, end) });
      }
      at = end;
    }
    const nodes = marks.end();
    this.steps += marks.steps + ticks.steps;
    return nodes;
  }

  private labelledLink(text: string, at: number): Found<Inline> | null {
    let end = at + 1;
    for (; text[end] !== ']'; end++) {
      this.steps += 1;
      // A bracket inside begins a link of its own: no stretch is searched twice.
      if (end >= text.length || text[end] === '[' || text[end] === '\n') return null;
      if (text[end] === '\\') end += 1;
    }
    if (text[end + 1] !== '(') return null;
    const next = text.indexOf('[', end);
    const rest = addressAt(text.slice(end + 2, next === -1 ? text.length : next), 0);
    const length = this.upToClosing(rest);
    const href = length === null ? null : safeAddress(rest.slice(0, length));
    if (length === null || href === null) return null;
    const children = this.inlines(text.slice(at + 1, end), true);
    const label = plain(children);
    if (label.trim() === '') return null;
    const node = { type: 'link', href, address: mayMislead(label, href) ? href : null, children } as const;
    return { node, end: end + 2 + length + 1 };
  }

  /** Up to the parenthesis that was opened before. */
  private upToClosing(address: string): number | null {
    let open = 0;
    for (let at = 0; at < address.length; at++) {
      this.steps += 1;
      if (address[at] === '(') open += 1;
      else if (address[at] === ')' && open-- === 0) return at;
    }
    return null;
  }
}

function bareLink(text: string, at: number): Found<Inline> {
  const shown = withoutTrailingPunctuation(addressAt(text, at));
  const href = safeAddress(shown);
  const words = { type: 'text', text: shown } as const;
  const end = at + shown.length;
  // What is refused is refused whole: no link begins in the middle of it.
  if (!href) return { node: words, end };
  return {
    node: { type: 'link', href, address: hasForeignHost(href) ? href : null, children: [words] },
    end,
  };
}

/** As many ticks as opened it close it, on the same line. */
function codeSpan(text: string, at: number, ticks: Later, lineEnd: number): Found<Inline> | null {
  const length = endOfStretch(text, at, text.length) - at;
  const close = ticks.after(length, at);
  if (close === null || close > lineEnd) return null;
  const inside = text.slice(at + length, close);
  // The blanks that keep ticks apart from ticks.
  const padded = inside.startsWith(' ') && inside.endsWith(' ') && inside.trim() !== '';
  return { node: { type: 'code', text: padded ? inside.slice(1, -1) : inside }, end: close + length };
}

function escaped(text: string, at: number): Found<Inline> | null {
  const sign = text[at + 1] ?? '';
  return /[!-/:-@[-`{-~]/.test(sign) ? { node: { type: 'text', text: sign }, end: at + 2 } : null;
}

function endOfLine(text: string, at: number): number {
  const end = text.indexOf('\n', at);
  return end === -1 ? text.length : end;
}

const STRETCH = /\*+|_+|~+|`+|[[\\\n]|[^*_~`[\\\n]+/y;

/** Of equal signs, or of plain words; an address begins a stretch of its own. */
function endOfStretch(text: string, at: number, address: number): number {
  STRETCH.lastIndex = at;
  STRETCH.test(text);
  const end = Math.max(STRETCH.lastIndex, at + 1);
  return address > at ? Math.min(end, address) : end;
}

/** Places by kind, met in order: the next of a kind is found without searching. */
class Later {
  steps = 0;
  private readonly places = new Map<number, { all: number[]; passed: number }>();

  add(kind: number, at: number): void {
    const places = this.places.get(kind);
    if (places) places.all.push(at);
    else this.places.set(kind, { all: [at], passed: 0 });
  }

  after(kind: number, at: number): number | null {
    const places = this.places.get(kind);
    if (!places) return null;
    for (; (places.all[places.passed] ?? Infinity) <= at; places.passed++) this.steps += 1;
    return places.all[places.passed] ?? null;
  }
}

/** Two marks in one. */
const MARKS: Record<string, string[]> = { '***': ['**', '*'], ___: ['__', '_'] };

/** The marks that wait for their closing, each kind once, and what stands after each. */
class OpenMarks {
  steps = 0;
  private readonly open: { mark: Mark | ''; children: Inline[] }[] = [{ mark: '', children: [] }];

  add(node: Inline): void {
    this.steps += 1;
    const siblings = this.open.at(-1)?.children ?? [];
    const last = siblings.at(-1);
    if (node.type === 'text' && last?.type === 'text') last.text += node.text;
    else siblings.push({ ...node });
  }

  /** A run of one sign closes what it can and opens the rest; what can do neither is text. */
  meet(text: string, at: number, end: number): void {
    const run = text.slice(at, end);
    const left = new Set<string>(MARKS[run] ?? [run]);
    const { opens, closes } = canBe(run, signBefore(text, at), signAfter(text, end));
    this.steps += this.open.length;
    if (closes) {
      for (const { mark } of [...this.open].reverse()) if (mark && left.delete(mark)) this.close(mark);
    }
    for (const mark of left) {
      if (opens && isMark(mark)) this.begin(mark);
      else this.add({ type: 'text', text: mark });
    }
  }

  private begin(mark: Mark): void {
    // The nearer one is more likely to be meant.
    const earlier = this.open.findIndex((each) => each.mark === mark);
    if (earlier !== -1) this.dissolve(earlier);
    this.open.push({ mark, children: [] });
  }

  private close(mark: Mark): void {
    this.settle(this.open.findIndex((each) => each.mark === mark) + 1);
    const children = this.open.pop()?.children ?? [];
    this.add({ type: STYLES[mark], children });
  }

  /** What is open from this place on was not meant as marks. */
  settle(from: number): void {
    while (this.open.length > from) this.dissolve(this.open.length - 1);
  }

  private dissolve(place: number): void {
    const above = this.open.splice(place);
    const [{ mark, children } = { mark: '', children: [] }] = above.splice(0, 1);
    this.add({ type: 'text', text: mark });
    for (const child of children) this.add(child);
    this.open.push(...above);
  }

  end(): Inline[] {
    this.settle(1);
    return this.open[0]?.children ?? [];
  }
}

const BLANK = /^\s?$/;
const IN_WORD = /[\p{L}\p{N}]|(?!\ufe0f)\p{M}/u;

/** snake_case, 2*3*4 and "-_-" are no marks; inside a word only ** and ~~ are. */
function canBe(run: string, before: string, after: string): { opens: boolean; closes: boolean } {
  const anywhere = run === '**' || run === '~~';
  const face = run.length === 1 && (before === after || before + after === '><');
  // The emoji of a key: "*️⃣".
  if (face || after === '\ufe0f') return { opens: false, closes: false };
  return {
    opens: !BLANK.test(after) && (anywhere || !IN_WORD.test(before)),
    closes: !BLANK.test(before) && (anywhere || !IN_WORD.test(after)),
  };
}

const signBefore = (text: string, at: number) => [...text.slice(Math.max(0, at - 2), at)].at(-1) ?? '';
const signAfter = (text: string, end: number) => [...text.slice(end, end + 2)][0] ?? '';

/** Tabs count as four blanks. */
function indent(line: string): number {
  return (/^[ \t]*/.exec(line)?.[0] ?? '').replaceAll('\t', '    ').length;
}

function outdent(line: string, by: number): string {
  return ' '.repeat(Math.max(0, indent(line) - by)) + line.replace(/^[ \t]+/, '');
}
