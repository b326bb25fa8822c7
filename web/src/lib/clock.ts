/** The server's time, so that a browser whose clock is days wrong still dates its messages right. */
let ahead = 0;

export const clock = {
  now: (): number => Date.now() + ahead,
  /** What the server said just now. */
  set(serverTime: number): void {
    ahead = serverTime - Date.now();
  },
};
