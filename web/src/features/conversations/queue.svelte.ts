/** What was written in one conversation and is not yet on the server, as its thread shows it. */
import { clock } from '../../lib/clock';
import { newId } from '../../lib/ids';
import { Problem } from '../../lib/problem';
import type { KeptDraft, Queued } from '../../lib/storage';
import { contentOf, plainText, type Content } from './content';
import type { Pending } from './timeline';
import type { Tools } from './tools';

export class Queue {
  /** In the order of writing. */
  pending: Pending[] = $state.raw([]);

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
  async add(body: string, replaces: string | null, draft?: Promise<KeptDraft | null>): Promise<void> {
    const written_at = clock.now();
    const id = newId(written_at);
    const { conversation } = this;
    const shown: Pending = { id, written_at, content: { type: 'text', body }, refused: null };
    this.beingKept.set(id, replaces);
    this.pending = this.pending.some((each) => each.id === replaces)
      ? this.pending.map((each) => (each.id === replaces ? shown : each))
      : [...this.pending, shown];
    const queued = { id, conversation, envelope: null, written_at, refused: null };
    const sealed = Promise.all([this.tools.vault.sealText(`outbox/${id}`, plainText(body)), draft]).then(
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
    const queued = await this.tools.storage.queued(this.conversation);
    const contents = await this.contentsOf(queued);
    const kept = new Set(queued.map(({ id }) => id));
    const unkept = this.pending.filter(({ id }) => !kept.has(id) && (keeping.has(id) || !before.has(id)));
    const shown = queued.flatMap(({ id, written_at, refused }) => {
      const next = unkept.findIndex(
        (each) => keeping.get(each.id) === id || this.beingKept.get(each.id) === id,
      );
      if (next >= 0) return unkept.splice(next, 1);
      const content = contents.get(id);
      return content ? [{ id, written_at, refused, content }] : [];
    });
    this.pending = [...shown, ...unkept];
  }

  /** Only what is not shown yet has to be opened: after a reload, or from another tab. */
  private async contentsOf(queued: Queued[]): Promise<Map<string, Content>> {
    const known = new Map(this.pending.map(({ id, content }) => [id, content]));
    const unknown = queued.filter(({ id }) => !known.has(id));
    const sealed = unknown.map(({ id, sealed }) => ({ label: `outbox/${id}` as const, sealed }));
    const opened = unknown.length > 0 ? await this.tools.vault.openTexts(sealed) : [];
    opened.forEach((each, at) => known.set(unknown[at]?.id ?? '', contentOf(each)));
    return known;
  }
}
