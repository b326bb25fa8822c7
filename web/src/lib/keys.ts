/**
 * Which key for whom: the steps between the worker, which holds the keys and
 * knows no network, and the server, which holds boxes and knows no key.
 */
import { api } from './api/client';
import type {
  Conversation,
  Epoch,
  EpochSummary,
  KeyringEntry,
  Person,
  Signed as SignedBytes,
  Vault as ServedVault,
} from './api/types';
import { clock } from './clock';
import { passing } from './outbox';
import { Problem } from './problem';
import type { Vault } from './vault';

/** An epoch's length (docs/e2ee.md): what one stolen key can open. */
const EPOCH_MESSAGES = 1_000;
const DAY = 24 * 3_600_000;
const EPOCH_DURATION = 7 * DAY;
/** Where messages disappear, their keys are to go soon after them. */
const BRIEF_EPOCH_DURATION = DAY;
/** The server takes or gives no more at once. */
const KEYRING_ENTRIES = 500;
const GRANTS = 50;
/** Each lost race means that another browser won it; more than a few is a fault. */
const RACES = 5;

/** By what the server says. */
export function rotationDue(epoch: EpochSummary, { seq, timer, timer_seq }: Timed, now: number): boolean {
  // What disappears and what stays are not sealed under the same key.
  if (epoch.first_seq <= timer_seq) return true;
  return seq + 1 - epoch.first_seq >= EPOCH_MESSAGES || now - epoch.created_at >= durationOf(timer);
}

type Timed = Pick<Conversation, 'seq' | 'timer' | 'timer_seq'>;

const durationOf = (timer: number) => (timer > 0 ? BRIEF_EPOCH_DURATION : EPOCH_DURATION);

/**
 * By the signed time, each with the clock it was taken from. The clock of a browser that is ahead of the
 * creator's by a week calls the epoch old, which is one epoch too many, since the next is by that clock;
 * a time to come is no age at all.
 */
export function outlived({ created_at }: Pick<Signed, 'created_at'>, timer = 0): boolean {
  return Date.now() - created_at >= durationOf(timer);
}

/** What a grant says under its creator's signature, whatever the server says. */
interface Signed {
  number: number;
  created_at: number;
  /** Made for the keys that both have now: one may write in it. */
  current: boolean;
}

/** The keys that the server shows for somebody, and the safety number that they lead to. */
export interface ShownKeys {
  bundle: SignedBytes;
  number: string;
}

export class Keys {
  private keyring: Promise<void> | null = null;
  /** By account, with the handle that they were looked at for. */
  private readonly pins = new Map<string, { handle: string; done: Promise<void> }>();
  private readonly grants = new Map<string, Epoch[]>();
  private readonly signed = new Map<string, Signed>();
  /** Epochs after which another one was begun, or was to be, for their keys to go. */
  private readonly retired = new Set<string>();
  /** By conversation: all epochs up to this number are erased. */
  private readonly erased = new Map<string, number>();
  private readonly healing = new Map<string, Promise<void>>();
  /** Something in the vault is not on the server yet. */
  private unsaved = false;
  private saving: Promise<void> = Promise.resolve();

  constructor(
    private readonly vault: Vault,
    /** Since when others may know what earlier epochs were under, by the server's clock: 0 if never. */
    private readonly securedAt: () => number = () => 0,
    /** The vault of another browser was taken in: of these people another identity counts now. */
    private readonly merged: (changed: string[]) => void = () => undefined,
  ) {}

  /** Once a session; after a failure, again at the next call. */
  loadKeyring(): Promise<void> {
    this.keyring ??= this.fetchKeyring().catch((thrown: unknown) => {
      this.keyring = null;
      throw thrown;
    });
    return this.keyring;
  }

  private async fetchKeyring(): Promise<void> {
    let cursor: string | undefined;
    do {
      const page = await api.keyring({ cursor });
      if (page.entries.length > 0) await this.vault.loadKeyring(page.entries);
      cursor = page.next ?? undefined;
    } while (cursor);
  }

  /** Remembers who this person is, at first; from then on only checks. Throws `identity_changed`. */
  pin(person: Person, again = false): Promise<void> {
    const known = this.pins.get(person.id);
    if (known?.handle === person.handle && !again) return known.done;
    const done = this.fetchPin(person);
    this.pins.set(person.id, { handle: person.handle, done });
    // What failed is tried again the next time; a changed identity fails again.
    done.catch(() => this.pins.get(person.id)?.done === done && this.pins.delete(person.id));
    return done;
  }

  /** This person's keys may be others by now; or, without one, those of anybody. */
  lookAgain(account?: string): void {
    if (account === undefined) this.pins.clear();
    else this.pins.delete(account);
  }

  async shown({ id, handle }: Person): Promise<ShownKeys> {
    const bundle = await api.keyBundle(id);
    return { bundle, number: await this.vault.safetyNumberUnder(id, handle, bundle) };
  }

  /**
   * By the person's own decision, these keys are whose they say from now on. What was written under the old ones is
   * adopted before: afterwards nothing is.
   */
  async accept({ id, handle }: Person, { bundle }: ShownKeys, between: Conversation): Promise<void> {
    await this.loadKeyring();
    await this.heal(between);
    await this.vault.acceptIdentity(id, handle, bundle, clock.now());
    this.identitiesChanged([id]);
    await this.saveVault();
  }

  private identitiesChanged(accounts: string[]): void {
    for (const account of accounts) this.pins.delete(account);
    // What may be written in, and what another browser has adopted, is not what it was.
    this.signed.clear();
    this.keyring = null;
  }

  private async fetchPin(person: Person): Promise<void> {
    const bundle = await api.keyBundle(person.id);
    const found = await this.vault.pin(person.id, person.handle, bundle, clock.now());
    if (found === 'changed') throw new Problem('identity_changed');
    if (found === 'new') this.unsaved = true;
    if (!this.unsaved) return;
    await this.writeVault().catch((thrown: unknown) => {
      // Whoever is known stays so, whatever cannot be saved.
      if (found === 'new') throw thrown;
    });
  }

  /** Writes what was set in the vault that is held. */
  saveVault(): Promise<void> {
    this.unsaved = true;
    return this.writeVault();
  }

  /** One write at a time: each needs the version of the one before. */
  private writeVault(): Promise<void> {
    const saved = this.saving.then(() => this.tryToWriteVault());
    this.saving = saved.catch(() => undefined);
    return saved;
  }

  private async tryToWriteVault(): Promise<void> {
    for (let race = 0; this.unsaved; race++) {
      const next = await this.vault.sealVault();
      this.unsaved = false;
      try {
        await api.putVault(next);
        await this.vault.vaultWritten(next.version);
      } catch (thrown) {
        this.unsaved = true;
        if (Problem.from(thrown).code !== 'vault_conflict' || race >= RACES) throw thrown;
        await this.merge(await api.vault());
      }
    }
  }

  /** What another browser may have written: up to `version`, or up to now. */
  refreshVault(version = Infinity): Promise<void> {
    // The version of one's own write is known when that has its answer.
    const refreshed = this.saving.then(async () => {
      const held = await this.vault.vaultVersion();
      if (held >= version) return;
      const served = await api.laterVault(held);
      if (served) await this.merge(served);
    });
    this.saving = refreshed.catch(() => undefined);
    return refreshed;
  }

  private async merge(served: ServedVault): Promise<void> {
    // Pins that the two browsers disagree on are looked at again before they are used.
    const changed = await this.vault.mergeVault(served);
    if (changed.length > 0) this.identitiesChanged(changed);
    this.merged(changed);
  }

  /** The epoch to write under now: the current one, or a new one when it is due or does not open. */
  async epochFor(conversation: Conversation, race = 0): Promise<EpochSummary> {
    const { epoch } = conversation;
    const isOver = epoch && (epoch.closed || rotationDue(epoch, conversation, clock.now()));
    if (!epoch || isOver || epoch.created_at < this.securedAt()) return this.rotate(conversation, race);
    await this.pin(conversation.peer);
    const signed = await this.signedOf(conversation, epoch);
    if (!signed?.current || outlived(signed, conversation.timer)) return this.rotate(conversation, race);
    // An old epoch under a new number.
    if (signed.number !== epoch.number) throw new Problem('unknown_epoch');
    return epoch;
  }

  /** What the grant of this epoch says; null if it cannot be opened. */
  private async signedOf(conversation: Conversation, epoch: EpochSummary): Promise<Signed | null> {
    if (!(await this.vault.hasEpoch(conversation.id, epoch.id))) await this.heal(conversation);
    const known = this.signed.get(epoch.id);
    if (known) return known;
    if (!(await this.vault.hasEpoch(conversation.id, epoch.id))) return null;
    // Its key comes from the keyring, which does not say more.
    const grant = await this.grantOf(conversation, epoch.number);
    try {
      this.remember(await this.vault.adoptEpoch(conversation.peer.id, grant, null));
    } catch (thrown) {
      // Signed by an identity that was left behind: to be read, and not to be written in.
      if (Problem.from(thrown).code === 'bad_grant') return null;
      throw thrown;
    }
    const signed = this.signed.get(epoch.id);
    if (!signed) throw new Problem('unknown_epoch');
    return signed;
  }

  private remember({ epoch, ...signed }: Signed & { epoch: string }): void {
    const { number, created_at, current } = signed;
    this.signed.set(epoch, { number, created_at, current });
  }

  private async rotate(conversation: Conversation, race: number): Promise<EpochSummary> {
    const before = conversation.epoch?.number ?? 0;
    // The key that the epoch is made for must be the one in use today.
    await this.pin(conversation.peer, true);
    const previous = before > 0 ? await this.grantOf(conversation, before) : null;
    // Its key is gone with what was under it: there is a later one, of which nothing was heard here.
    if (previous?.body === '' && race < RACES) {
      const now = await api.conversation(conversation.id);
      if ((now.epoch?.number ?? 0) > before) return this.epochFor(now, race + 1);
    }
    // By this browser's own clock: the server's is the server's word.
    const made = await this.vault.createEpoch(conversation.peer.id, previous, Date.now());
    try {
      const { grant, keyring } = made;
      const taken = await api.createEpoch(conversation.id, { grant, keyring });
      clock.set(taken.created_at);
      this.remember({ ...made, current: true });
      return { ...taken, id: made.epoch, number: made.number };
    } catch (thrown) {
      const { code } = Problem.from(thrown);
      if (race >= RACES) throw thrown;
      if (code === 'stale_key_bundle') return this.rotate(conversation, race + 1);
      if (code !== 'epoch_conflict') throw thrown;
      // Someone, or another of my browsers, was first: if so, there is a later one.
      const now = await api.conversation(conversation.id);
      if ((now.epoch?.number ?? 0) <= before) throw thrown;
      return this.epochFor(now, race + 1);
    }
  }

  /**
   * Where messages disappear, the last key they were under can go only after another epoch has begun, which nobody may
   * write in for long. The new one; null when it is not time, or it did not go: then the next message does it.
   */
  async retire(conversation: Conversation): Promise<EpochSummary | null> {
    const { epoch, seq, timer_seq } = conversation;
    // One that nobody has written in yet opens nothing.
    if (!epoch || timer_seq === 0 || epoch.first_seq > seq || this.retired.has(epoch.id)) return null;
    if (!rotationDue(epoch, conversation, clock.now())) return null;
    this.retired.add(epoch.id);
    try {
      return await this.rotate(conversation, RACES);
    } catch (thrown) {
      if (passing(Problem.from(thrown))) this.retired.delete(epoch.id);
      return null;
    }
  }

  private async grantOf(conversation: Conversation, number: number): Promise<Epoch> {
    const { epochs } = await api.epochs(conversation.id, { after: number - 1, limit: 1 });
    const [grant] = epochs;
    if (grant?.number !== number) throw new Problem('unknown_epoch');
    return grant;
  }

  /** Fetches the grants of the conversation and adopts every epoch that the keyring lacks. */
  heal(conversation: Conversation): Promise<void> {
    let healing = this.healing.get(conversation.id);
    if (!healing) {
      healing = this.adoptMissing(conversation).finally(() => this.healing.delete(conversation.id));
      this.healing.set(conversation.id, healing);
    }
    return healing;
  }

  private async adoptMissing(conversation: Conversation): Promise<void> {
    // Under the identity that is pinned, whatever the server shows by now.
    await this.pin(conversation.peer).catch((thrown: unknown) => {
      if (Problem.from(thrown).code !== 'identity_changed') throw thrown;
    });
    const grants = await this.fetchGrants(conversation.id);
    const entries: KeyringEntry[] = [];
    for (const [index, grant] of grants.entries()) {
      // Of an erased one nothing is left to adopt.
      if (grant.body === '' || (await this.vault.hasEpoch(conversation.id, grant.id))) continue;
      try {
        const previous = grants[index - 1]?.id ?? null;
        const adopted = await this.vault.adoptEpoch(conversation.peer.id, grant, previous);
        this.remember(adopted);
        entries.push({ conversation: conversation.id, epoch: adopted.epoch, box: adopted.keyring });
      } catch (thrown) {
        if (Problem.from(thrown).status !== 0) throw thrown;
        // A bad grant closes its own epoch, whose messages say so; not the ones after it.
      }
    }
    for (let at = 0; at < entries.length; at += KEYRING_ENTRIES) {
      await api.putKeyring({ entries: entries.slice(at, at + KEYRING_ENTRIES) });
    }
  }

  /** All grants in their order; a grant never changes, so only the later ones are asked for. */
  private async fetchGrants(conversation: string): Promise<Epoch[]> {
    const known = this.grants.get(conversation) ?? [];
    let after: number | null | undefined = known.at(-1)?.number ?? 0;
    while (typeof after === 'number') {
      const page: { epochs: Epoch[]; next?: number | null } = await api.epochs(conversation, {
        after,
        limit: GRANTS,
      });
      known.push(...page.epochs);
      after = page.next;
    }
    this.grants.set(conversation, known);
    return known;
  }

  /** All that was under it has disappeared. What was fetched of it before is not to bring its key back. */
  async forgetEpoch(conversation: string, epoch: string): Promise<void> {
    const grant = this.grants.get(conversation)?.find(({ id }) => id === epoch);
    if (grant) grant.body = '';
    this.signed.delete(epoch);
    await this.vault.forgetEpoch(conversation, epoch);
  }

  /** The epochs that were erased while nothing was heard here. */
  async forgetErased({ id }: Conversation): Promise<void> {
    let after: number | null | undefined = this.erased.get(id) ?? 0;
    while (typeof after === 'number') {
      const page: { epochs: Epoch[]; next?: number | null } = await api.epochs(id, { after, limit: GRANTS });
      for (const grant of page.epochs) {
        if (grant.body !== '') continue;
        await this.forgetEpoch(id, grant.id);
        if (grant.number === (this.erased.get(id) ?? 0) + 1) this.erased.set(id, grant.number);
      }
      after = page.next;
    }
  }

  async safetyNumber(person: Person): Promise<string> {
    await this.pin(person);
    return this.vault.safetyNumber(person.id);
  }
}
