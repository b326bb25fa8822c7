import { createSubscriber } from 'svelte/reactivity';
import { clock } from '../../lib/clock';

const everyMinute = createSubscriber((update) => {
  const timer = setInterval(update, 60_000);
  return () => clearInterval(timer);
});

/** The time that labels are relative to: at midnight, "today" becomes "yesterday" without a reload. */
export function now(): number {
  everyMinute();
  return clock.now();
}
