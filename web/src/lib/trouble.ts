/** Tells the server how many messages could not be opened in this page: a number, and nothing else. */
import { api } from './api/client';

const COLLECT_MS = 5_000;
/** As many as the server takes at once. */
const MOST = 1_000;

const known = new Set<string>();
let untold = 0;
let timer: ReturnType<typeof setTimeout> | undefined;

/** Each is told of once, by its id. */
export function unopened(id: string): void {
  if (known.has(id)) return;
  known.add(id);
  untold += 1;
  timer ??= setTimeout(() => void tell(), COLLECT_MS);
}

async function tell(): Promise<void> {
  timer = undefined;
  const telling = Math.min(untold, MOST);
  untold -= telling;
  // It is a sign for the administrators, and no more: what does not get through is not missed.
  await api.trouble({ unopened: telling }).catch(() => undefined);
}
