/** What travels, in the words of the API. Times are milliseconds since 1970. */
export interface Person {
  id: string;
  handle: string;
  display_name: string;
  status: string;
  bio: string;
  /** Id of the picture (GET /api/avatars/{avatar}), null where there is none. */
  avatar: string | null;
}

export interface Me extends Person {
  role: 'person' | 'administrator';
  created_at: number;
}

export interface Config {
  name: string;
  accent: string | null;
  version: string;
  setup_code_needed: boolean;
  limits: { message_bytes: number; avatar_bytes: number };
}

export interface Slot {
  id: string;
  box: string;
}

export interface Vault {
  version: number;
  box: string;
}

/** A signed body: key bundles and epoch grants. */
export interface Signed {
  body: string;
  signature: string;
}

export interface SignedIn {
  session: string;
  share: string;
  me: Me;
  slot: Slot;
  vault: Vault;
  key_bundle: Signed;
}

export interface NewAccount {
  account: string;
  display_name: string;
  record: string;
  slots: { id: string; kind: 'password' | 'recovery'; box: string }[];
  vault: Vault;
  key_bundle: Signed;
  recovery_verifier: string;
  setup_code?: string;
}

export interface KeyringEntry {
  conversation: string;
  epoch: string;
  box: string;
}

export interface EpochSummary {
  id: string;
  number: number;
  created_at: number;
  first_seq: number;
}

export interface Epoch extends Signed {
  id: string;
  number: number;
}

export interface Marks {
  delivered: number;
  read: number;
}

export interface Message {
  conversation: string;
  seq: number;
  rev: number;
  id: string;
  sender: string;
  epoch: string;
  /** 1, a message of its own, where it is not said. */
  kind?: number;
  target?: string | null;
  envelope: string;
  sent_at: number;
}

export interface Conversation {
  id: string;
  peer: Person;
  seq: number;
  rev: number;
  active_at: number;
  unread: number;
  epoch: EpochSummary | null;
  mine: Marks;
  theirs: Marks;
  last_message: Message | null;
}

export interface Accepted {
  conversation: string;
  id: string;
  seq: number;
  rev: number;
  sent_at: number;
}

export type ClientFrame =
  | { type: 'send'; conversation: string; id: string; envelope: string }
  | { type: 'receipt'; conversation: string; delivered?: number; read?: number };

export type ServerFrame =
  | { type: 'ready'; session: string; server_time: number }
  | ({ type: 'accepted' } & Accepted)
  | { type: 'refused'; id: string; conversation: string; code: string; message: string }
  | { type: 'message'; message: Message }
  | { type: 'receipt'; conversation: string; account: string; delivered: number; read: number }
  | { type: 'epoch'; conversation: string; epoch: EpochSummary }
  | { type: 'profile'; person: Person }
  | { type: 'error'; code: string; message: string };
