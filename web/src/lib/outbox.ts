/**
 * What was written and is not yet on the server. A message keeps its id and,
 * once sealed, its bytes, so that any number of attempts, from any tab, before
 * or after a reload, is one message. In order within a conversation; one that
 * is refused for good steps aside and stays visible.
 */
import type { Accepted, ErrorCode } from './api/types';
import { backOff } from './live';
import { Problem, type OwnCode } from './problem';
import { isSealed, type KeptDraft, type Queued, type Storage } from './storage';

export interface Sealed {
  text: string;
  /** What stays in the composer, which is nothing as a rule; undefined when the message does not come from there. */
  draft: KeptDraft | null | undefined;
}

export interface Way {
  /** A message that somebody has just sent off. */
  pressed(id: string): void;
  /** The envelope for what is queued. */
  seal(queued: Queued): Promise<string>;
  /** With the envelope, unless it travels without. */
  transmit(queued: Queued): Promise<Accepted>;
  /** Its epoch takes no more: the next sealing needs another one. */
  epochClosed(conversation: string): Promise<unknown>;
  /** Shown and kept as the server has it, before it leaves the queue. */
  accepted(queued: Queued, answer: Accepted): Promise<void>;
  /** The queue of this conversation is not what it was. */
  changed(conversation: string): void;
}

type Lock = (name: string, work: () => Promise<void>) => Promise<void>;

/** One message's worth of patience with another tab. */
const PATIENCE = 5_000;

/**
 * One tab at a time sends the messages of a conversation. That spares attempts and no more: each tab sends the first
 * of the queue, under one id with one envelope. So a lock that is not given up (the browser froze its tab) is taken away.
 */
const lockAcrossTabs: Lock = async (name, work) => {
  let working: Promise<void> | undefined;
  const begin = () => (working = work());
  const request = (options: LockOptions) =>
    navigator.locks.request(name, options, begin).catch((thrown: unknown) => {
      // Taken away meanwhile: what was begun is brought to its end.
      if (working) return working;
      throw thrown;
    });
  try {
    await request({ signal: AbortSignal.timeout(PATIENCE) });
  } catch (thrown) {
    if (!(thrown instanceof DOMException) || thrown.name !== 'TimeoutError') throw thrown;
    await request({ steal: true });
  }
};

/** Whether the same bytes may well pass later, for each code that a sending may meet. All else is an answer. */
const PASSES: Record<ErrorCode | OwnCode, boolean> = {
  // Nobody answered, or not now.
  offline: true,
  too_slow: true,
  too_many_attempts: true,
  unavailable: true,
  internal: true,
  not_kept: true,
  vault_failed: true,
  // After the next log-in, it goes.
  signed_out: true,
  // The administrator's to mend, and not about the message.
  bad_origin: true,
  // Somebody was quicker: the next attempt begins with what they made.
  epoch_conflict: true,
  vault_conflict: true,
  stale_key_bundle: true,

  // Sealed anew, it goes.
  epoch_closed: true,

  bad_request: false,
  method_not_allowed: false,
  not_found: false,
  too_large: false,
  message_too_large: false,
  message_id_reused: false,
  message_deleted: false,
  too_many_edits: false,
  not_yours: false,
  unknown_message: false,
  bad_envelope: false,
  unknown_epoch: false,
  bad_grant: false,
  bad_key_bundle: false,
  bad_key_material: false,
  identity_changed: false,
  own_identity_mismatch: false,
  // The server must mend itself, or be mended; the person sees why, and can send it again then.
  bad_answer: false,
  stale_vault: false,
  not_authentic: false,
  reset_expired: false,
  account_erased: false,
  asked_by_owner: false,
  administrators_decided: false,
  conversation_with_oneself: false,

  // Of other requests than those that a message needs.
  not_waiting: false,
  storage_lost: false,
  wrong_credentials: false,
  wrong_recovery_code: false,
  bad_recovery_code: false,
  wrong_second_factor: false,
  login_expired: false,
  wrong_setup_code: false,
  suspended: false,
  sign_up_closed: false,
  invitation_needed: false,
  invitation_over: false,
  last_administrator: false,
  no_mail: false,
  bad_address: false,
  mail_link_over: false,
  bad_domains: false,
  other_domain: false,
  no_reset_by_mail: false,
  reset_too_early: false,
  bad_organisation: false,
  bad_invitation: false,
  handle_taken: false,
  registration_expired: false,
  bad_handle: false,
  bad_display_name: false,
  bad_profile: false,
  bad_opaque: false,
  bad_receipt: false,
  not_administrator: false,
  already_sent: false,
  too_many_scheduled: false,
  bad_timer: false,
  bad_time: false,
  bad_report: false,
  not_an_image: false,
  wrong_passkey: false,
  passkey_opens_nothing: false,
  too_many_passkeys: false,
  bad_passkey: false,
  no_passkeys_here: false,
  passkey_not_given: false,
  passkey_exists: false,
  passkey_failed: false,
};

export function passing({ code, status }: Problem): boolean {
  // A mistake of this page, which it would make again.
  if (code === 'internal' && status === 0) return false;
  const known: Partial<Record<string, boolean>> = PASSES;
  return known[code] ?? (status >= 500 || status === 429 || status === 408);
}

export class Outbox {
  private writing: Promise<void> = Promise.resolve();
  private readonly draining = new Map<string, Promise<void>>();
  private readonly asked = new Set<string>();
  private readonly failures = new Map<string, number>();
  private readonly timers = new Map<string, ReturnType<typeof setTimeout>>();
  private stopped = false;

  constructor(
    private readonly storage: Storage,
    private readonly way: Way,
    private readonly lock: Lock = lockAcrossTabs,
    private readonly delay: (attempt: number) => number = backOff,
  ) {}

  /** Resolves when it is kept, which is in the order of the calls; the sending goes on behind. */
  add(queued: Omit<Queued, 'sealed'>, sealed: Promise<Sealed>): Promise<void> {
    return this.inOrder(queued, sealed, (ready, draft) => this.storage.enqueue(ready, draft));
  }

  /** Instead of one that was refused, and in its place: sealed anew, whatever was wrong (an epoch, a key) may have been mended. */
  replace(refused: string, queued: Omit<Queued, 'sealed'>, sealed: Promise<Sealed>): Promise<void> {
    return this.inOrder(queued, sealed, async (ready, draft) => {
      if (!(await this.storage.replace(refused, ready, draft))) throw new Problem('not_waiting');
    });
  }

  private inOrder(
    queued: Omit<Queued, 'sealed'>,
    sealed: Promise<Sealed>,
    keep: (queued: Queued, draft: KeptDraft | null | undefined) => Promise<void>,
  ): Promise<void> {
    if (!queued.about) this.way.pressed(queued.id);
    const before = this.writing;
    // Its failure is reported by the promise returned; the next one does not care.
    sealed.catch(() => undefined);
    const kept = before.then(async () => {
      const { text, draft } = await sealed;
      await keep({ ...queued, sealed: text }, draft);
    });
    this.writing = kept.catch(() => undefined);
    return kept.then(() => {
      // First, so that the other tabs find the lock taken.
      void this.drain(queued.conversation);
      this.way.changed(queued.conversation);
    });
  }

  /** After a reconnection or a reload: everything, at once. */
  async drainAll(): Promise<void> {
    const conversations = new Set((await this.storage.queued()).map((queued) => queued.conversation));
    await Promise.all([...conversations].map((conversation) => this.drain(conversation)));
  }

  /** By the person's wish, or because the server has it under this id. */
  async remove(conversation: string, id: string): Promise<void> {
    await this.storage.dequeue(id);
    this.way.changed(conversation);
  }

  stop(): void {
    this.stopped = true;
    for (const timer of this.timers.values()) clearTimeout(timer);
  }

  /** Sends what waits. One run at a time; a call during a run asks for another one. */
  drain(conversation: string): Promise<void> {
    clearTimeout(this.timers.get(conversation));
    this.asked.add(conversation);
    let run = this.draining.get(conversation);
    if (!run) {
      run = this.run(conversation);
      this.draining.set(conversation, run);
    }
    return run;
  }

  private async run(conversation: string): Promise<void> {
    try {
      while (this.asked.delete(conversation)) {
        let more = true;
        const sendNext = async () => void (more = await this.sendNext(conversation));
        while (more && !this.stopped) await this.lock(`entrenous-outbox-${conversation}`, sendNext);
      }
    } catch (thrown) {
      // The queue itself could not be read or written: it may be free later.
      this.later(conversation, Problem.from(thrown));
    } finally {
      this.draining.delete(conversation);
    }
  }

  /** False when nothing is left that could be sent now. */
  private async sendNext(conversation: string): Promise<boolean> {
    const next = await this.storage.nextQueued(conversation);
    if (!next) return false;
    try {
      await this.attempt(next);
      this.failures.delete(conversation);
    } catch (thrown) {
      const problem = Problem.from(thrown);
      // Sealed long ago, or by a tab that was asleep; not if even a fresh seal is refused.
      if (problem.code === 'epoch_closed' && next.envelope !== null) {
        await this.storage.unseal(next.id);
        await this.way.epochClosed(conversation);
        return true;
      }
      // It waits, however long, until the person has decided about the other identity.
      if (problem.code === 'identity_changed') return false;
      if (passing(problem)) {
        this.later(conversation, problem);
        return false;
      }
      await this.storage.refuse(next.id, problem.code);
      this.way.changed(conversation);
    }
    return true;
  }

  private async attempt(queued: Queued): Promise<void> {
    const ready = isSealed(queued) ? await this.sealed(queued) : queued;
    // Gone meanwhile: nothing to send.
    if (ready === null) return;
    const answer = await this.way.transmit(ready);
    await this.way.accepted(ready, answer);
    await this.remove(queued.conversation, queued.id);
  }

  private async sealed(queued: Queued): Promise<Queued | null> {
    const envelope = queued.envelope ?? (await this.storage.sealOnce(queued.id, await this.way.seal(queued)));
    return envelope === null ? null : { ...queued, envelope };
  }

  private later(conversation: string, problem: Problem): void {
    if (this.stopped) return;
    const attempt = this.failures.get(conversation) ?? 0;
    this.failures.set(conversation, attempt + 1);
    const wait = Math.max(this.delay(attempt), (problem.retryAfter ?? 0) * 1_000);
    clearTimeout(this.timers.get(conversation));
    this.timers.set(
      conversation,
      setTimeout(() => void this.drain(conversation), wait),
    );
  }
}
