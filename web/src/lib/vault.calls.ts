/** What the worker does with the keys. Only sealed things, texts and public keys go out. */
import { Keychain, Login, Registration, recovery_proof } from '../generated/wasm/wasm.js';
import type { KeyringEntry, Message, NewSlot, Signed, Slot, Vault, Version } from './api/types';
import type { Findings, MessageIndex, Reached } from './message-index';
import { Problem } from './problem';
import { Storage, type About, type SeenVault } from './storage';

/** What the server serves of one's own account. */
interface Account {
  account: string;
  handle: string;
  vault: Vault;
  key_bundle: Signed;
}

type Opened = { text: string } | { error: string };

/** What a person has set, since when in milliseconds since 1970; `null` when it was taken back. */
export interface Setting {
  at: number;
  value: unknown;
}

/** A message and the reactions to it, in their order; null for one that was deleted, or is hidden. */
export interface OpenedMessage {
  words: Opened | null;
  reactions: Opened[];
}

const storage = new Storage();
const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** The kinds of envelopes (docs/e2ee.md): one stands for itself, the others are about one. */
const MESSAGE = 1;
const EDIT = 2;
const REACTION = 3;

/** What waits for the server's answer, each under the request it began with: an answer to another one is not taken. */
let registration: { request: string; under: Registration } | null = null;
let login: { request: string; under: Login } | null = null;
let keychain: Keychain | null = null;
/** Of an account that the server is still to let in: it takes nobody's place until then. */
let prepared: Keychain | null = null;
let index: Promise<MessageIndex> | null = null;

function keys(): Keychain {
  if (!keychain) throw new Problem('signed_out', 401);
  return keychain;
}

function openEach<T>(all: T[], open: (ring: Keychain, one: T) => string): Opened[] {
  const ring = keys();
  return all.map((one) => {
    try {
      return { text: open(ring, one) };
    } catch (thrown) {
      return { error: Problem.from(thrown).code };
    }
  });
}

/** What a message said as version `id`: as it was sent, or as an edit of it. */
function openVersion(ring: Keychain, of: Message, id: string, envelope: string): string {
  const { conversation, sender } = of;
  return id === of.id
    ? ring.open(conversation, sender, envelope, MESSAGE, null, id)
    : ring.open(conversation, sender, envelope, EDIT, of.id, id);
}

function begun<Step>(step: { request: string; under: Step } | null, request: string): Step {
  if (step?.request !== request) throw new Problem('bad_opaque');
  return step.under;
}

function takeRegistration(request: string): Registration {
  const under = begun(registration, request);
  registration = null;
  return under;
}

function dropLogin(): void {
  login?.under.free();
  login = null;
}

function prepare(next: Keychain | null): void {
  prepared?.free();
  prepared = next;
}

function unlocked(next: Keychain): void {
  keychain?.free();
  keychain = next;
  index = null;
}

/** Its code comes when somebody searches. */
async function makeIndex(account: string): Promise<MessageIndex> {
  const { MessageIndex } = await import('./message-index').catch((thrown: unknown) => {
    throw new Problem('offline', 0, String(thrown));
  });
  return new MessageIndex(account, storage, {
    seal: (label, text) => Uint8Array.from(keys().seal_local(label, encoder.encode(text))),
    open: (label, sealed) => decoder.decode(keys().open_local(label, sealed)),
  });
}

function opened(): Promise<MessageIndex> {
  if (!index) throw new Problem('signed_out', 401);
  return index;
}

/** An older vault is authentic too, and lacks who was met since, and whose number was compared. */
const isStale = ({ account, vault }: Account, seen: SeenVault | null) =>
  seen?.account === account && vault.version < seen.version;

async function enter(opened: Keychain, account: Account, seen: SeenVault | null): Promise<void> {
  if (isStale(account, seen)) {
    opened.free();
    await storage.noteVault(null);
    throw new Problem('stale_vault');
  }
  unlocked(opened);
}

/** Losing it loses no more than the alarm. */
function noteVault(): void {
  void vaultCalls.noteVault().catch(() => undefined);
}

const lacksEpoch = (each: Opened | null) =>
  each !== null && 'error' in each && each.error === 'unknown_epoch';

/** The label binds a kept text to its place, so that texts cannot be exchanged in the database. */
export type Label = `outbox/${string}` | `draft/${string}` | `setting/${string}`;

const toText = (bytes: Uint8Array) => {
  let text = '';
  for (const byte of bytes) text += String.fromCharCode(byte);
  return btoa(text);
};
const toBytes = (text: string) => Uint8Array.from(atob(text), (char) => char.charCodeAt(0));

export const vaultCalls = {
  // Ways in

  startRegistration(password: string): string {
    registration?.under.free();
    registration = null;
    const under = Registration.start(password);
    registration = { request: under.request, under };
    return under.request;
  },

  finishRegistration(request: string, handle: string, account: string, response: string, now: number) {
    const started = takeRegistration(request);
    const { material, recovery_code, keychain: made } = started.finish(handle, account, response, now);
    prepare(made);
    return { material, recoveryCode: recovery_code };
  },

  /** As `finishRegistration`, for an account that is there and that nothing opens any more. */
  finishAnew(
    request: string,
    account: { id: string; handle: string; key_bundle: Signed; vault_version: number },
    response: string,
    now: number,
  ) {
    const started = takeRegistration(request);
    const { id, handle, key_bundle, vault_version } = account;
    const made = started.finish_anew(handle, id, response, key_bundle, vault_version, now);
    prepare(made.keychain);
    return { material: made.material, recoveryCode: made.recovery_code };
  },

  startLogin(password: string): string {
    dropLogin();
    const under = Login.start(password);
    const { request } = under;
    if (request === undefined) throw new Problem('bad_opaque');
    login = { request, under };
    return request;
  },

  finishLogin: (request: string, handle: string, response: string): string =>
    begun(login, request).finish(handle, response),

  /** Whoever was told that the server has gone back may go on, by another log-in. */
  async unlock(request: string, account: Account & { slot: Slot }, seen: SeenVault | null): Promise<void> {
    const opened = begun(login, request).unlock(account);
    dropLogin();
    await enter(opened, account, seen);
  },

  /** What was seen in this browser, whoever's it is. */
  seenVault: (): Promise<SeenVault | null> => storage.seenVault().catch(() => null),

  /** From now on no older one is taken here. */
  noteVault: (): Promise<void> =>
    storage.noteVault({ account: keys().account(), version: keys().vault_version() }),

  /** As `finishLogin`, where nothing is to be opened. */
  prove(request: string, handle: string, response: string): string {
    const finalization = begun(login, request).finish(handle, response);
    dropLogin();
    return finalization;
  },

  /** What proves to the server that one has the code. Throws `bad_recovery_code` for one that was mistyped. */
  recoveryProof: (code: string, handle: string): string => recovery_proof(code, handle),

  /** Opens an account by its recovery code, and makes what takes the place of that and of the password. */
  prepareRecovery(
    request: string,
    code: string,
    account: Account & { slot: Slot },
    response: string,
    now: number,
  ) {
    const started = takeRegistration(request);
    const opened = Keychain.unlock_with_recovery_code(code, account);
    prepare(opened);
    return {
      password: opened.replace_password(started, response, now),
      recovery: opened.replace_recovery_code(now),
    };
  },

  /** The server has let in whoever was prepared. */
  adoptPrepared(): void {
    if (!prepared) throw new Problem('bad_opaque');
    unlocked(prepared);
    prepared = null;
  },

  dropPrepared: (): void => prepare(null),

  /** What takes the place of the password. */
  replacePassword: (request: string, response: string, now: number) =>
    keys().replace_password(takeRegistration(request), response, now),

  replaceRecoveryCode: (now: number) => keys().replace_recovery_code(now),

  /** The account key under a passkey. `output`: what its PRF gives; it is overwritten. */
  addPasskey(output: Uint8Array, now: number): NewSlot {
    try {
      return keys().add_passkey(output, now);
    } finally {
      output.fill(0);
    }
  },

  async unlockWithPasskey(
    output: Uint8Array,
    account: Account & { slot: Slot },
    seen: SeenVault | null,
  ): Promise<void> {
    try {
      await enter(Keychain.unlock_with_passkey(output, account), account, seen);
    } finally {
      output.fill(0);
    }
  },

  /** Keeps the account key for a reload, under a key that no script can read and a share that only the server has. */
  async keep(session: string, share: string): Promise<void> {
    const key = await crypto.subtle.generateKey({ name: 'AES-GCM', length: 256 }, false, [
      'encrypt',
      'decrypt',
    ]);
    const iv = crypto.getRandomValues(new Uint8Array(12));
    const inner = encoder.encode(keys().seal_for_reload(session, share));
    const sealed = await crypto.subtle.encrypt({ name: 'AES-GCM', iv }, key, inner);
    await storage.keepReloadSecret({ session, key, iv, sealed });
  },

  /** False when nothing that fits this session was kept here. */
  async reopen(
    account: Account & { session: string; share: string },
    seen: SeenVault | null,
  ): Promise<boolean> {
    const kept = await storage.reloadSecret();
    if (!kept || kept.session !== account.session) return false;
    if (isStale(account, seen)) throw new Problem('stale_vault');
    const { iv } = kept;
    const sealed = decoder.decode(
      await crypto.subtle.decrypt({ name: 'AES-GCM', iv }, kept.key, kept.sealed),
    );
    unlocked(Keychain.open_from_reload({ ...account, sealed }));
    return true;
  },

  forget(): void {
    keychain?.free();
    keychain = null;
    prepare(null);
    dropLogin();
    registration?.under.free();
    registration = null;
    index = null;
    storage.close();
  },

  // Contacts and epochs

  sealVault: (): Vault => keys().vault(),
  vaultWritten(version: number): void {
    keys().vault_written(version);
    noteVault();
  },
  mergeVault(served: Vault): string[] {
    const changed = keys().merge_vault(served);
    noteVault();
    return changed;
  },

  /** Of the vault that is held, which may be ahead of the one on the server. */
  vaultVersion: (): number => keys().vault_version(),
  settings: (): Record<string, Setting> => JSON.parse(keys().settings()) as Record<string, Setting>,
  /** Those that are later than what is held. */
  takeSettings(settings: Record<string, Setting>): void {
    const held = vaultCalls.settings();
    for (const [key, { at, value }] of Object.entries(settings)) {
      if (at > (held[key]?.at ?? -1)) keys().set_setting(key, JSON.stringify(value), at);
    }
  },

  /** Whether each of these conversations is the one with this person. */
  belong: (all: { id: string; peer: string }[]): boolean =>
    all.every(({ id, peer }) => keys().conversation_id(peer) === id),

  pin: (account: string, handle: string, bundle: Signed, now: number) =>
    keys().pin(account, handle, bundle, now),
  safetyNumber: (peer: string): string => keys().safety_number(peer),
  /** As it would be under the identity of this bundle, before anybody trusts it. */
  safetyNumberUnder: (peer: string, handle: string, bundle: Signed): string =>
    keys().safety_number_under(peer, handle, bundle),
  /** When the number was compared, by each of these people; null where it was not. */
  verifiedAt: (peers: string[]): (number | null)[] => peers.map((peer) => keys().verified_at(peer) ?? null),
  markVerified: (peer: string, verified: boolean, now: number): void =>
    keys().mark_verified(peer, verified, now),
  /** The identity of this very bundle in the place of the pinned one. */
  acceptIdentity: (peer: string, handle: string, bundle: Signed, now: number): void =>
    keys().accept_identity(peer, handle, bundle, now),

  loadKeyring: (entries: KeyringEntry[]) => keys().load_keyring(entries),
  hasEpoch: (conversation: string, epoch: string): boolean => keys().has_epoch(conversation, epoch),
  forgetEpoch: (conversation: string, epoch: string): void => keys().forget_epoch(conversation, epoch),
  createEpoch: (peer: string, previous: Signed | null, now: number) =>
    keys().create_epoch(peer, previous, now),
  adoptEpoch: (peer: string, grant: Signed, previousEpoch: string | null) =>
    keys().adopt_epoch(peer, grant, previousEpoch),

  // Messages

  /** Many in one crossing: what is opened costs less than the way to the worker and back. */
  openAll(messages: Message[]): OpenedMessage[] {
    return messages.map((message) => {
      const { conversation, envelope, edit, id, reactions = [] } = message;
      const [words = null] = openEach(envelope ? [envelope] : [], (ring, envelope) =>
        openVersion(ring, message, edit?.id ?? id, envelope),
      );
      return {
        words,
        reactions: openEach(reactions, (ring, reaction) =>
          ring.open(conversation, reaction.sender, reaction.envelope, REACTION, id, reaction.id),
        ),
      };
    });
  },

  /** What a message said before it was edited. */
  openVersions: (of: Message, versions: Version[]): Opened[] =>
    openEach(versions, (ring, { id, envelope }) => openVersion(ring, of, id, envelope)),

  /** Seals for the wire what `sealText` keeps here. */
  sealQueued(conversation: string, epoch: string, id: string, sealed: string, about?: About): string {
    const text = decoder.decode(keys().open_local(`outbox/${id}`, toBytes(sealed)));
    const kind = about === undefined ? MESSAGE : about.kind === 'edit' ? EDIT : REACTION;
    return keys().seal(conversation, epoch, id, kind, about?.target ?? null, text);
  },

  /** A message that does not wait here. */
  sealMessage: (conversation: string, epoch: string, id: string, text: string): string =>
    keys().seal(conversation, epoch, id, MESSAGE, null, text),

  sealText: (label: Label, text: string): string => toText(keys().seal_local(label, encoder.encode(text))),

  openTexts: (kept: { label: Label; sealed: string }[]): Opened[] =>
    openEach(kept, (ring, { label, sealed }) => decoder.decode(ring.open_local(label, toBytes(sealed)))),

  // The search: texts stay here, but for what is found

  /** How far the index on the disk goes; it is held from then on. */
  async loadIndex(account: string): Promise<Reached[]> {
    index ??= makeIndex(account).catch((thrown: unknown) => {
      index = null;
      throw thrown;
    });
    return (await index).load();
  },

  /** False, and nothing done, when the key of one is missing here; `anyway` leaves that one out. */
  async indexMessages(reached: Reached, messages: Message[], anyway: boolean): Promise<boolean> {
    const held = await opened();
    const each = messages.map((message) => {
      const { envelope, edit, id } = message;
      if (!envelope) return null;
      return (
        openEach([envelope], (ring, sealed) => openVersion(ring, message, edit?.id ?? id, sealed))[0] ?? null
      );
    });
    if (!anyway && each.some(lacksEpoch)) return false;
    held.take(reached, messages, each);
    return true;
  },

  /** False when another tab has written meanwhile: `loadIndex` takes that. `now`: the server's time, which only the page knows. */
  keepIndex: async (now: number): Promise<boolean> => (await opened()).keep(now),

  search: async (query: string, conversations: string[], limit: number): Promise<Findings> =>
    (await opened()).find(query, conversations, limit),
};

export type VaultCalls = typeof vaultCalls;
