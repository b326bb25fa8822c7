/** What was written in one conversation and is not yet on the server, as its thread shows it. */
import { clock } from '../../lib/clock';
import { newId } from '../../lib/ids';
import { Problem } from '../../lib/problem';
import type { Queued } from '../../lib/storage';
import { contentOf, plainText, type Content } from './content';
import type { Pending } from './timeline';
import type { Tools } from './tools';

export class Queue {
  /** In the order of writing. */
  pending: Pending[] = $state.raw([]);

  private reading: Promise<void> = Promise.resolve();
  private nextReading: Promise<void> | null = null;
  /** Shown already, and on its way into the storage. */
  private readonly beingKept = new Set<string>();

  constructor(
    private readonly tools: Tools,
    private readonly conversation: string,
  ) {}

  /** Shows the message in the same frame; rejects only when this browser cannot keep it. */
  async add(body: string): Promise<void> {
    const written_at = clock.now();
    const id = newId(written_at);
    const content: Content = { type: 'text', body };
    this.beingKept.add(id);
    this.pending = [...this.pending, { id, written_at, content, refused: null }];
    const sealed = this.tools.vault.sealText(id, plainText(body));
    try {
      const { conversation } = this;
      await this.tools.outbox.add({ id, conversation, envelope: null, written_at, refused: null }, sealed);
    } catch (thrown) {
      this.pending = this.pending.filter((each) => each.id !== id);
      throw new Problem('not_kept', 0, String(thrown));
    } finally {
      this.beingKept.delete(id);
    }
  }

  async retry(id: string): Promise<void> {
    const queued = await this.find(id);
    if (queued) await this.tools.outbox.retry(queued);
  }

  async discard(id: string): Promise<void> {
    const queued = await this.find(id);
    if (queued) await this.tools.outbox.discard(queued);
  }

  private async find(id: string): Promise<Queued | undefined> {
    return (await this.tools.storage.queued(this.conversation)).find((queued) => queued.id === id);
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
    const keeping = new Set(this.beingKept);
    const queued = await this.tools.storage.queued(this.conversation);
    const contents = await this.contentsOf(queued);
    const kept = new Set(queued.map(({ id }) => id));
    const unkept = this.pending.filter(({ id }) => !kept.has(id) && (keeping.has(id) || !before.has(id)));
    const shown = queued.flatMap(({ id, written_at, refused }) => {
      const content = contents.get(id);
      return content ? [{ id, written_at, refused, content }] : [];
    });
    this.pending = [...shown, ...unkept];
  }

  /** Only what is not shown yet has to be opened: after a reload, or from another tab. */
  private async contentsOf(queued: Queued[]): Promise<Map<string, Content>> {
    const known = new Map(this.pending.map(({ id, content }) => [id, content]));
    const unknown = queued.filter(({ id }) => !known.has(id)).map(({ id, sealed }) => ({ id, sealed }));
    const opened = unknown.length > 0 ? await this.tools.vault.openTexts(unknown) : [];
    opened.forEach((each, at) => known.set(unknown[at]?.id ?? '', contentOf(each)));
    return known;
  }
}
