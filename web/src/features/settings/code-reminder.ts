const DAY = 24 * 3_600_000;

/** So long after the sign-up one is asked whether the recovery code is still at hand; after a check, and when it was no good moment. */
export const AFTER_SIGN_UP = 30 * DAY;
export const AFTER_A_CHECK = 180 * DAY;
export const AFTER_NOT_NOW = 7 * DAY;
