/**
 * What stands in the composer of one conversation: kept sealed in this browser, over a reload, and the same in all its
 * tabs. The tab in which one types has the word.
 */
import { clock } from '../../lib/clock';
import type { KeptDraft } from '../../lib/storage';
import type { Reply, Text } from './content';
import type { Tools } from './tools';

export interface Written {
  text: string;
  /** The refused message that this is to stand for. */
  replaces: string | null;
  /** The sent message that this is an edit of. */
  edits: string | null;
  /** The message that this answers. */
  reply: Reply | null;
  /** It takes the place of words that were passed on. */
  forwarded: boolean;
  /** What was in the composer before a message was taken up. */
  aside: string;
  at: number;
}

const NOTHING: Written = {
  text: '',
  replaces: null,
  edits: null,
  reply: null,
  forwarded: false,
  aside: '',
  at: 0,
};
/** Kept so often while one types; the other tabs follow within a second. */
const KEEP_EVERY = 300;
/** Who has typed within this time is still typing. */
const TYPING = 1_000;

export class Draft {
  private written: Written = $state.raw(NOTHING);
  /** Counts the messages taken up in this tab, which is where the focus goes to them. */
  takenUp = $state(0);

  private timer: ReturnType<typeof setTimeout> | undefined;
  private recheck: ReturnType<typeof setTimeout> | undefined;
  private typedAt = -Infinity;
  /** Changes when what is being sealed is no longer to be kept. */
  private generation = 0;

  constructor(
    private readonly tools: Tools,
    private readonly conversation: string,
  ) {}

  get text(): string {
    return this.written.text;
  }
  set text(text: string) {
    this.write({ ...this.written, text });
  }
  get replaces(): string | null {
    return this.written.replaces;
  }
  get edits(): string | null {
    return this.written.edits;
  }
  get reply(): Reply | null {
    return this.written.reply;
  }
  get at(): number {
    return this.written.at;
  }
  get empty(): boolean {
    return this.written.text.trim() === '';
  }

  /** A message, to be written anew. */
  takeUp(of: { replaces: string } | { edits: string }, { body, reply, forwarded }: Text): void {
    const { written } = this;
    const aside = written.replaces || written.edits ? written.aside : written.text;
    this.write({ ...NOTHING, ...of, text: body, reply: reply ?? null, forwarded: forwarded === true, aside });
    this.takenUp += 1;
    this.keepNow();
  }

  /** Null: it answers nothing in particular. */
  answer(reply: Reply | null): void {
    if (this.written.edits) this.layDown();
    this.write({ ...this.written, reply });
    if (reply) this.takenUp += 1;
    this.keepNow();
  }

  /** The message that was taken up stays as it is. */
  layDown(): void {
    this.write({ ...NOTHING, text: this.written.aside });
    this.keepNow();
  }

  /** The refused message is gone, by another tab: nothing that was written goes with it. */
  release(): void {
    const { text, aside } = this.written;
    this.write({ ...NOTHING, text: joined(text, aside) });
    this.keepNow();
  }

  /** Words that have no other place any more, after what is written here. Resolves when they are kept. */
  add(text: string): Promise<void> {
    const { written } = this;
    // What was taken up is another message's.
    const to = written.replaces || written.edits ? 'aside' : 'text';
    this.write({ ...written, [to]: joined(written[to], text) });
    return this.keep();
  }

  /** For sending: the composer is free at once. */
  take(): Written {
    const taken = this.written;
    this.show(taken.aside === '' ? NOTHING : { ...NOTHING, text: taken.aside, at: taken.at });
    return taken;
  }

  /** The message is kept, and with it what was here at that moment; what was typed since is kept again. */
  sent(): void {
    this.tools.draftKept(this.conversation);
    if (this.written !== NOTHING) this.timer ??= setTimeout(() => void this.keep(), KEEP_EVERY);
  }

  /** It could not be kept: back where it was, before what was typed since. */
  giveBack(taken: Written): void {
    const { text } = this.written;
    if (taken.replaces || taken.edits) this.write({ ...taken, aside: text });
    else this.write({ ...taken, text: joined(taken.text, text) });
    this.keepNow();
  }

  /** As it is to be kept; null for nothing. */
  async sealed(): Promise<KeptDraft | null> {
    const { conversation, written } = this;
    const { replaces, edits, reply } = written;
    if (this.empty && !replaces && !edits && !reply) return null;
    return {
      conversation,
      sealed: await this.tools.vault.sealText(`draft/${conversation}`, JSON.stringify(written)),
    };
  }

  /** Another tab has kept something else. While one types here, that waits, and is then what was typed here. */
  async changedElsewhere(): Promise<void> {
    clearTimeout(this.recheck);
    const since = performance.now() - this.typedAt;
    if (this.timer !== undefined || since < TYPING) {
      this.recheck = setTimeout(() => void this.changedElsewhere(), TYPING);
      return;
    }
    const { generation } = this;
    const kept = await this.tools.storage.draft(this.conversation);
    const [written] = kept ? await openDrafts(this.tools, [kept]) : [];
    if (generation === this.generation && this.timer === undefined) this.show(written?.[1] ?? NOTHING);
  }

  /** As it was kept, at the start; before what has been typed already. */
  restore(written: Written): void {
    if (this.written === NOTHING) this.show(written);
    else this.giveBack(written);
  }

  private show(written: Written): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    this.generation += 1;
    this.written = written;
  }

  /** Now, since the page may not stay. */
  keepNow(): void {
    if (this.timer !== undefined) void this.keep();
  }

  stop(): void {
    clearTimeout(this.timer);
    clearTimeout(this.recheck);
    this.generation += 1;
  }

  private write(written: Written): void {
    this.written = { ...written, at: clock.now() };
    this.typedAt = performance.now();
    this.timer ??= setTimeout(() => void this.keep(), KEEP_EVERY);
  }

  private async keep(): Promise<void> {
    clearTimeout(this.timer);
    this.timer = undefined;
    const { conversation, generation, tools } = this;
    try {
      const sealed = await this.sealed();
      if (generation !== this.generation) return;
      await tools.storage.keepDraft(conversation, sealed);
      tools.draftKept(conversation);
    } catch {
      // No space: it stays in the composer of this tab.
    }
  }
}

/** Each with its conversation; what cannot be opened is left out. */
export async function openDrafts(tools: Tools, kept: KeptDraft[]): Promise<[string, Written][]> {
  if (kept.length === 0) return [];
  const sealed = kept.map((each) => ({ label: `draft/${each.conversation}` as const, sealed: each.sealed }));
  const opened = await tools.vault.openTexts(sealed);
  return kept.flatMap(({ conversation }, at) => {
    const one = opened[at];
    return one && 'text' in one ? [[conversation, { ...NOTHING, ...(JSON.parse(one.text) as Written) }]] : [];
  });
}

const joined = (...parts: string[]) => parts.filter((part) => part !== '').join('\n');
