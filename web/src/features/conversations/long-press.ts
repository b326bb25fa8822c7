import type { Attachment } from 'svelte/attachments';
import { on } from 'svelte/events';

/** So long a finger rests before a menu opens. */
const LONG_PRESS = 450;
/** A finger never rests quite still. */
const SLACK = 8;

/** A menu for fingers, which have no second button; for a mouse that has one, at its click. */
export function longPress(open: () => void): Attachment<HTMLElement> {
  return (element) => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    let begun = { x: 0, y: 0 };
    let opened = false;
    const released = () => clearTimeout(timer);
    const ends = [
      on(element, 'pointerdown', ({ pointerType, clientX: x, clientY: y }) => {
        opened = false;
        if (pointerType === 'mouse') return;
        begun = { x, y };
        timer = setTimeout(() => {
          opened = true;
          open();
        }, LONG_PRESS);
      }),
      on(element, 'pointermove', ({ clientX, clientY }) => {
        if (Math.hypot(clientX - begun.x, clientY - begun.y) > SLACK) released();
      }),
      on(element, 'pointerup', released),
      on(element, 'pointercancel', released),
      // The end of a long press is no click.
      on(element, 'click', (event) => opened && event.preventDefault(), { capture: true }),
      // Browsers have a menu of their own for a long press.
      on(element, 'contextmenu', (event) => {
        if ((event as PointerEvent).pointerType === 'touch') event.preventDefault();
      }),
    ];
    return () => {
      released();
      ends.forEach((end) => end());
    };
  };
}
