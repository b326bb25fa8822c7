/** What travels about conversations: HTTP bodies and the events of the socket. */
import type { Person } from './types';

/** 16 bytes as a hyphenated UUID. */
export type Id = string;

export interface Epoch {
  id: Id;
  number: number;
  created_at: number;
  /** The first message that could be written under it. */
  first_seq: number;
}

/** The highest `seq` that reached a person, and that this person has read. */
export interface Marks {
  delivered: number;
  read: number;
}

export interface Message {
  conversation: Id;
  /** Place in the conversation, from 1, without gaps. */
  seq: number;
  /** Grows with every change of the conversation; a change of this message gives it a new one. */
  rev: number;
  /** Made by the sender's browser: the same id twice is one message. */
  id: Id;
  sender: Id;
  epoch: Id;
  kind: number;
  target: Id | null;
  /** base64url; only the worker can open it. */
  envelope: string;
  sent_at: number;
}

export interface ConversationRecord {
  id: Id;
  peer: Person;
  seq: number;
  rev: number;
  active_at: number;
  unread: number;
  epoch: Epoch | null;
  mine: Marks;
  theirs: Marks;
  last_message: Message | null;
}

export interface Accepted {
  conversation: Id;
  id: Id;
  seq: number;
  rev: number;
  sent_at: number;
}

/** A signed epoch grant; both fields base64url. */
export interface Grant {
  body: string;
  signature: string;
}

export type ClientFrame =
  | { type: 'send'; conversation: Id; id: Id; envelope: string }
  | { type: 'receipt'; conversation: Id; delivered?: number; read?: number };

export type LiveEvent =
  | { type: 'ready'; session: Id; server_time: number }
  | ({ type: 'accepted' } & Accepted)
  | { type: 'refused'; id: Id; conversation: Id; code: string; message: string }
  | { type: 'message'; message: Message }
  | ({ type: 'receipt'; conversation: Id; account: Id } & Marks)
  | { type: 'epoch'; conversation: Id; epoch: Epoch }
  | { type: 'profile'; person: Person }
  | { type: 'error'; code: string; message: string };
