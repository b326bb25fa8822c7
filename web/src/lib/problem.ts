/** Codes of the page itself and of the keychain, beside the server's. */
export type OwnCode =
  | 'offline'
  | 'identity_changed'
  | 'own_identity_mismatch'
  /** What the server sent makes no sense. */
  | 'bad_answer'
  | 'stale_vault'
  | 'not_authentic'
  | 'bad_recovery_code'
  | 'not_kept'
  /** Sent again, or discarded, in another window. */
  | 'not_waiting'
  | 'storage_lost'
  /** The browser gave none: a "no", or nobody there. */
  | 'passkey_not_given'
  | 'passkey_exists'
  | 'passkey_failed'
  | 'vault_failed';

/**
 * What went wrong, as a code that the interface has words for. Every error a
 * person may see is one of these; `message` is for developers.
 */
export class Problem extends Error {
  override readonly name = 'Problem';

  constructor(
    /** The server's or the keychain's code, or `offline` when nothing answered. */
    readonly code: string,
    /** HTTP status; 0 when no answer came. */
    readonly status = 0,
    message: string = code,
    /** Seconds to wait before another attempt (HTTP 429). */
    readonly retryAfter?: number,
  ) {
    super(message);
  }

  /** Anything thrown, as a problem. wasm errors carry a `code` of their own. */
  static from(thrown: unknown): Problem {
    if (thrown instanceof Problem) return thrown;
    const code = (thrown as { code?: unknown } | null)?.code;
    const message = thrown instanceof Error ? thrown.message : String(thrown);
    return new Problem(typeof code === 'string' ? code : 'internal', 0, message);
  }
}
