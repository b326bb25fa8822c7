/** The server's time, so that a browser whose clock is days wrong still dates its messages right. */
let ahead = 0;

/** A header says whole seconds, and was written before its way here, which may have been slow. */
const INEXACT = 60_000;

export const clock = {
  now: (): number => Date.now() + ahead,
  /** What the server said just now. */
  set(serverTime: number): void {
    ahead = serverTime - Date.now();
  },
  /** What any answer says in its head: enough to tell that this browser's clock is wrong, or was changed. */
  hint(date: string | null): void {
    const serverTime = Date.parse(date ?? '');
    if (Math.abs(serverTime - clock.now()) > INEXACT) clock.set(serverTime);
  },
};
