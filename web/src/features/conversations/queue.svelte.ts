/** What was written or done in one conversation and is not yet on the server, as its thread shows it. */
import { clock } from '../../lib/clock';
import { newId } from '../../lib/ids';
import { Problem } from '../../lib/problem';
import type { About, KeptDraft, Queued } from '../../lib/storage';
import { contentOf, emojiOf, plainText, type Opened, type Text, type Timer } from './content';
import type { Change, Pending } from './timeline';
import type { Tools } from './tools';

export class Queue {
  /** Messages, in the order of writing. */
  pending: Pending[] = $state.raw([]);
  /** What is to be done to messages that are there. */
  changes: Change[] = $state.raw([]);

  private reading: Promise<void> = Promise.resolve();
  private nextReading: Promise<void> | null = null;
  /** Shown already, and on its way into the storage; with the one whose place it takes. */
  private readonly beingKept = new Map<string, string | null>();

  constructor(
    private readonly tools: Tools,
    private readonly conversation: string,
  ) {}

  /**
   * Shows the message in the same frame, at the end or instead of a refused one; rejects only when this browser cannot
   * keep it. `draft`: what stays in the composer, if it comes from there.
   */
  async add(
    content: Text | Timer,
    replaces: string | null,
    draft?: Promise<KeptDraft | null>,
  ): Promise<void> {
    const written_at = clock.now();
    const id = newId(written_at);
    const { conversation } = this;
    const shown: Pending = { id, written_at, content, refused: null };
    this.beingKept.set(id, replaces);
    this.pending = this.pending.some((each) => each.id === replaces)
      ? this.pending.map((each) => (each.id === replaces ? shown : each))
      : [...this.pending, shown];
    const timer = content.type === 'timer' ? { timer: content.after } : {};
    const queued = { id, conversation, envelope: null, written_at, refused: null, ...timer };
    const sealed = Promise.all([this.tools.vault.sealText(`outbox/${id}`, plainText(content)), draft]).then(
      ([text, draft]) => ({ text, draft }),
    );
    try {
      if (replaces) await this.tools.outbox.replace(replaces, queued, sealed);
      else await this.tools.outbox.add(queued, sealed);
    } catch (thrown) {
      this.pending = this.pending.filter((each) => each.id !== id);
      void this.refresh();
      throw Problem.from(thrown).code === 'not_waiting' ? thrown : new Problem('not_kept', 0, String(thrown));
    } finally {
      this.beingKept.delete(id);
    }
  }

  /** In the same frame, as [`add`]; `draft`: what stays in the composer, if it comes from there. */
  async change(
    about: About,
    said: Text | { type: 'reaction'; emoji: string } | null,
    draft?: Promise<KeptDraft | null>,
  ): Promise<void> {
    const written_at = clock.now();
    const id = newId(written_at);
    const { conversation } = this;
    const emoji = said?.type === 'reaction' ? said.emoji : null;
    const content = said?.type === 'text' ? said : null;
    this.beingKept.set(id, null);
    this.changes = [...this.changes, { id, about, content, emoji, refused: null }];
    const queued = { id, conversation, envelope: null, written_at, refused: null, about };
    const words = said ? this.tools.vault.sealText(`outbox/${id}`, plainText(said)) : Promise.resolve('');
    try {
      await this.tools.outbox.add(
        queued,
        Promise.all([words, draft]).then(([text, draft]) => ({ text, draft })),
      );
    } catch (thrown) {
      this.changes = this.changes.filter((each) => each.id !== id);
      throw new Problem('not_kept', 0, String(thrown));
    } finally {
      this.beingKept.delete(id);
    }
  }

  discard(id: string): Promise<void> {
    return this.tools.outbox.remove(this.conversation, id);
  }

  /** As any tab left it. While one reading runs, all further calls are one more. */
  refresh(): Promise<void> {
    this.nextReading ??= this.reading.then(() => {
      this.nextReading = null;
      this.reading = this.read().catch(() => undefined);
      return this.reading;
    });
    return this.nextReading;
  }

  private async read(): Promise<void> {
    // Whatever is written from here on is newer than what the storage will say.
    const before = new Set(this.pending.map(({ id }) => id));
    const keeping = new Map(this.beingKept);
    const all = await this.tools.storage.queued(this.conversation);
    const words = await this.wordsOf(all);
    this.readChanges(all, words, new Map(keeping));
    const queued = all.filter(({ about }) => about === undefined);
    const kept = new Set(queued.map(({ id }) => id));
    const unkept = this.pending.filter(({ id }) => !kept.has(id) && (keeping.has(id) || !before.has(id)));
    const shown = queued.flatMap(({ id, written_at, refused }) => {
      const next = unkept.findIndex(
        (each) => keeping.get(each.id) === id || this.beingKept.get(each.id) === id,
      );
      if (next >= 0) return unkept.splice(next, 1);
      const opened = words.get(id);
      const known = this.pending.find((each) => each.id === id)?.content;
      const content = known ?? (opened && contentOf(opened));
      return content ? [{ id, written_at, refused, content }] : [];
    });
    this.pending = [...shown, ...unkept];
  }

  private readChanges(
    queued: Queued[],
    words: Map<string, Opened>,
    keeping: ReadonlyMap<string, string | null>,
  ): void {
    const kept = new Set(queued.map(({ id }) => id));
    const known = new Map(this.changes.map((change) => [change.id, change]));
    const changes = queued.flatMap(({ id, about, refused }): Change[] => {
      if (!about) return [];
      const before = known.get(id);
      if (before) return [{ ...before, refused }];
      const said = words.get(id);
      const content = said && about.kind === 'edit' ? contentOf(said) : null;
      return [
        { id, about, content, emoji: said && about.kind === 'reaction' ? emojiOf(said) : null, refused },
      ];
    });
    const unkept = this.changes.filter(
      ({ id }) => !kept.has(id) && (keeping.has(id) || this.beingKept.has(id)),
    );
    this.changes = [...changes, ...unkept];
  }

  /** Only what is not shown yet has to be opened: after a reload, or from another tab. */
  private async wordsOf(queued: Queued[]): Promise<Map<string, Opened>> {
    const known = new Set([...this.pending, ...this.changes].map(({ id }) => id));
    const unknown = queued.filter(({ id, sealed }) => !known.has(id) && sealed !== '');
    const sealed = unknown.map(({ id, sealed }) => ({ label: `outbox/${id}` as const, sealed }));
    const opened = unknown.length > 0 ? await this.tools.vault.openTexts(sealed) : [];
    return new Map(opened.map((each, at) => [unknown[at]?.id ?? '', each]));
  }
}
