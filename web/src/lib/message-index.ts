/**
 * The search in messages: what they say, folded, in the worker's memory, and
 * sealed on the disk. The server cannot search what it cannot read, so all of
 * it is read here once. Only the few texts that are found go out to the page.
 *
 * A segment holds the messages of a fixed run of places, so that each change
 * is in one of them, and writing it anew is all that a deletion needs.
 */
import type { Message } from './api/types';
import { clock } from './clock';
import { contentOf, type Opened } from '../features/conversations/content';
import { parse, plain } from '../features/conversations/markdown';
import { foldWithPlaces, foldWords, startsOf, wordsOf } from './folding';
import type { KeptIndex, KeptSegment, Storage } from './storage';

/** Some hundred kilobytes: little to seal anew for one change, and few to read at a start. */
const SEGMENT = 2_000;
/** What stands before the word that was found, and all of it: two lines or three on a phone. */
const BEFORE = 40;
const EXCERPT = 160;

/** Every message of the conversation from `first` on is in, as it was at its `rev`. */
export interface Reached {
  conversation: string;
  first: number;
  rev: number;
}

export interface Found {
  conversation: string;
  seq: number;
  id: string;
  sender: string;
  at: number;
  /** Of the text, around the first word that was asked for. */
  excerpt: string;
}

export interface Findings {
  /** The latest first. */
  found: Found[];
  /** There are more than were wanted. */
  more: boolean;
}

/** Seals for this browser alone, bound to a label. */
export interface Seal {
  seal(label: `index/${string}`, text: string): Uint8Array<ArrayBuffer>;
  open(label: `index/${string}`, sealed: Uint8Array): string;
}

/** As it is sealed: seq, id, sender, time, text, and when it disappears, if it does. */
type Kept = [number, string, string, number, string, number?];

interface Entry {
  seq: number;
  id: string;
  sender: string;
  at: number;
  text: string;
  folded: string;
  /** When it disappears. */
  until: number;
}

class Segment {
  /** By their place in the run; what says nothing has none. */
  readonly entries: (Entry | undefined)[] = [];
  /** What is on the disk says something else. */
  changed = false;

  constructor(
    readonly number: number,
    /** Of what is on the disk; null for nothing. */
    public stamp: string | null = null,
  ) {}

  /** Null for a message without words. */
  put(seq: number, entry: Entry | null): void {
    const place = (seq - 1) % SEGMENT;
    if ((this.entries[place]?.text ?? null) === (entry?.text ?? null)) return;
    this.entries[place] = entry ?? undefined;
    this.changed = true;
  }

  /** What has disappeared is not to be found on this device either. */
  expire(now: number): void {
    for (const [place, entry] of this.entries.entries()) {
      if (entry && entry.until <= now) {
        this.entries[place] = undefined;
        this.changed = true;
      }
    }
  }

  toText(): string {
    const kept = this.entries.flatMap((entry): Kept[] => (entry ? [keptOf(entry)] : []));
    return JSON.stringify(kept);
  }

  static fromText(number: number, stamp: string, text: string): Segment {
    const segment = new Segment(number, stamp);
    const kept = JSON.parse(text) as Kept[];
    const there = kept.filter(([, , , , , until]) => (until ?? Infinity) > clock.now());
    for (const [seq, id, sender, at, text_, until] of there) {
      segment.put(seq, entryOf({ seq, id, sender, sent_at: at, expires_at: until }, text_));
    }
    // What has disappeared goes from the disk with the next writing.
    segment.changed = there.length < kept.length;
    return segment;
  }
}

/** One conversation's. */
class Run {
  readonly segments = new Map<number, Segment>();
  changed = false;

  constructor(
    public reached: Reached,
    public stamp: string | null = null,
  ) {}

  segmentOf(seq: number): Segment {
    const number = Math.floor((seq - 1) / SEGMENT);
    let segment = this.segments.get(number);
    if (!segment) this.segments.set(number, (segment = new Segment(number)));
    return segment;
  }

  /** The latest first. */
  *entries(): Generator<Entry> {
    const now = clock.now();
    for (const number of [...this.segments.keys()].sort((a, b) => b - a)) {
      const { entries } = this.segments.get(number) as Segment;
      for (let place = entries.length - 1; place >= 0; place--) {
        const entry = entries[place];
        if (entry && entry.until > now) yield entry;
      }
    }
  }
}

export class MessageIndex {
  private readonly runs = new Map<string, Run>();
  /** Of indexes on the disk that do not open: another one is written over them. */
  private readonly broken = new Map<string, string>();
  private loading: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly account: string,
    private readonly storage: Pick<Storage, 'indexes' | 'segment' | 'keepIndex'>,
    private readonly seal: Seal,
  ) {}

  /** What is on the disk, as far as it is not held already. Piece by piece: others wait for the worker, too. */
  load(): Promise<Reached[]> {
    // One after the other: an older state must not come in after a newer one.
    const loaded = this.loading.then(() => this.loadAll());
    this.loading = loaded.catch(() => undefined);
    return loaded;
  }

  private async loadAll(): Promise<Reached[]> {
    const kept = await this.storage.indexes().catch(() => null);
    if (kept) {
      // What was on the disk and is no longer was cleared.
      const there = new Set(kept.map(({ conversation }) => conversation));
      for (const [id, { stamp }] of this.runs) if (stamp !== null && !there.has(id)) this.runs.delete(id);
      for (const index of kept) await this.loadOne(index);
    }
    return [...this.runs.values()].map(({ reached }) => reached);
  }

  private async loadOne({ conversation, stamp, first, rev, segments }: KeptIndex): Promise<void> {
    const held = this.runs.get(conversation);
    if (held?.stamp === stamp || this.broken.get(conversation) === stamp) return;
    const run = new Run({ conversation, first, rev }, stamp);
    try {
      for (const [number, written] of segments) {
        const same = held?.segments.get(number);
        const segment =
          same?.stamp === written && !same.changed
            ? same
            : await this.loadSegment(conversation, number, written);
        run.segments.set(number, segment);
      }
      this.runs.set(conversation, run);
    } catch {
      this.broken.set(conversation, stamp);
      this.runs.delete(conversation);
    }
  }

  private async loadSegment(conversation: string, number: number, stamp: string): Promise<Segment> {
    const kept = await this.storage.segment(conversation, number);
    if (!kept) throw new Error('a segment is missing');
    return Segment.fromText(number, stamp, this.seal.open(`index/${conversation}/${number}`, kept.sealed));
  }

  /** What was opened of these messages, in the same order (null: nothing to open), and how far the index now goes. */
  take(reached: Reached, messages: readonly Message[], opened: readonly (Opened | null)[]): void {
    const run = this.runOf(reached);
    for (const [at, message] of messages.entries()) {
      // Further back, it will be read as it then is.
      if (message.seq < reached.first) continue;
      const said = opened[at];
      const content = said ? contentOf(said) : null;
      const text = content?.type === 'text' ? oneLine(plain(parse(content.body))) : '';
      run.segmentOf(message.seq).put(message.seq, text === '' ? null : entryOf(message, text));
    }
    run.changed ||= run.reached.first !== reached.first || run.reached.rev !== reached.rev;
    run.reached = reached;
  }

  private runOf(reached: Reached): Run {
    const { conversation } = reached;
    let run = this.runs.get(conversation);
    if (!run) {
      run = new Run(reached, this.broken.get(conversation) ?? null);
      run.changed = true;
      this.broken.delete(conversation);
      this.runs.set(conversation, run);
    }
    return run;
  }

  /**
   * Writes what changed, or has disappeared by `now`. False when another tab has written meanwhile: `load` then takes what it wrote. A browser that
   * keeps nothing searches as well, and reads everything again at its next start.
   */
  async keep(now = clock.now()): Promise<boolean> {
    let current = true;
    for (const run of this.runs.values()) {
      for (const segment of run.segments.values()) segment.expire(now);
      const changed = [...run.segments.values()].filter((segment) => segment.changed);
      if (!run.changed && changed.length === 0) continue;
      if ((await this.keepOne(run, changed).catch(() => null)) === false) current = false;
    }
    return current;
  }

  private async keepOne(run: Run, changed: readonly Segment[]): Promise<boolean> {
    const { conversation } = run.reached;
    const stamp = crypto.randomUUID();
    const segments = new Map(
      [...run.segments.values()].map((each) => [each.number, each.changed ? stamp : (each.stamp ?? stamp)]),
    );
    const sealed = changed.map((segment): KeptSegment => {
      const { number } = segment;
      const label = `index/${conversation}/${number}` as const;
      return { conversation, number, sealed: this.seal.seal(label, segment.toText()) };
    });
    // What is taken in while this is written is a change again.
    run.changed = false;
    for (const segment of changed) segment.changed = false;
    let kept = false;
    try {
      const index = { ...run.reached, stamp, segments };
      kept = await this.storage.keepIndex(this.account, run.stamp, index, sealed);
    } finally {
      if (kept) {
        run.stamp = stamp;
        for (const segment of changed) segment.stamp = stamp;
      } else {
        run.changed = true;
        for (const segment of changed) segment.changed = true;
      }
    }
    return kept;
  }

  /** Messages of these conversations in which each word of the query begins a word. */
  find(query: string, conversations: readonly string[], limit: number): Findings {
    const words = wordsOf(query);
    if (words.length === 0) return { found: [], more: false };
    const hits = conversations.flatMap((conversation) => {
      const run = this.runs.get(conversation);
      return run ? hitsOf(run, words, limit + 1) : [];
    });
    hits.sort((a, b) => b.entry.at - a.entry.at || b.entry.seq - a.entry.seq);
    const found = hits.slice(0, limit).map(({ conversation, entry }) => {
      const { seq, id, sender, at, text } = entry;
      return { conversation, seq, id, sender, at, excerpt: excerptOf(text, words) };
    });
    return { found, more: hits.length > limit };
  }
}

const oneLine = (text: string) => text.replace(/\s+/g, ' ').trim();

type Place = Pick<Message, 'seq' | 'id' | 'sender' | 'sent_at' | 'expires_at'>;

function entryOf({ seq, id, sender, sent_at: at, expires_at }: Place, text: string): Entry {
  return { seq, id, sender, at, text, folded: foldWords(text), until: expires_at ?? Infinity };
}

function keptOf({ seq, id, sender, at, text, until }: Entry): Kept {
  return until === Infinity ? [seq, id, sender, at, text] : [seq, id, sender, at, text, until];
}

interface Hit {
  conversation: string;
  entry: Entry;
}

function hitsOf(run: Run, words: readonly string[], limit: number): Hit[] {
  const { conversation } = run.reached;
  const starts = words.map((word) => ` ${word}`);
  const hits: Hit[] = [];
  for (const entry of run.entries()) {
    if (!starts.every((start) => entry.folded.includes(start))) continue;
    if (hits.push({ conversation, entry }) === limit) break;
  }
  return hits;
}

/** Cut between words, with the first that was asked for. */
export function excerptOf(text: string, words: readonly string[]): string {
  const { folded, places } = foldWithPlaces(text);
  const starts = words.flatMap((word) => startsOf(word, folded).next().value ?? []);
  const hit = places[Math.min(...starts)] ?? 0;
  const blank = text.indexOf(' ', hit - BEFORE);
  const from = hit <= BEFORE ? 0 : blank < 0 ? hit : Math.min(hit, blank + 1);
  if (text.length <= from + EXCERPT) return begin(from) + text.slice(from);
  const last = text.lastIndexOf(' ', from + EXCERPT);
  const cut = text.slice(from, last > hit ? last : from + EXCERPT);
  // Half of a letter beyond the first plane is none.
  return `${begin(from)}${cut.replace(/[\uD800-\uDBFF]$/, '')}…`;
}

const begin = (from: number) => (from > 0 ? '…' : '');
