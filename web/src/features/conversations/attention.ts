import { on } from 'svelte/events';
import { createSubscriber } from 'svelte/reactivity';

const changes = createSubscriber((update) => {
  const ends = [
    on(window, 'focus', update),
    on(window, 'blur', update),
    on(document, 'visibilitychange', update),
  ];
  return () => ends.forEach((end) => end());
});

/** Whether somebody may be looking: the window is in sight and has the focus. */
export function attended(): boolean {
  changes();
  return document.hasFocus() && !document.hidden;
}
