import type { Page } from '@playwright/test';

interface Noted {
  shown: [title: string, body: string][];
  tones: number[];
  elsewhere: boolean;
}

/**
 * What this page's browser is asked to show and to play is noted, from the next page on and anew with each; headless,
 * it does neither. And whoever sits before it can look elsewhere.
 */
export async function noteNotices(page: Page) {
  await page.addInitScript(() => {
    const noted: Noted = { shown: [], tones: [], elsewhere: false };
    Object.assign(window, { noted });
    window.Notification = class extends EventTarget {
      static readonly permission = 'granted';
      static requestPermission = () => Promise.resolve('granted' as const);
      constructor(title: string, options: NotificationOptions) {
        super();
        noted.shown.push([title, options.body ?? '']);
      }
      close() {}
    } as unknown as typeof Notification;
    OscillatorNode.prototype.start = function () {
      noted.tones.push(this.frequency.value);
    };
    // What never started cannot be stopped.
    OscillatorNode.prototype.stop = () => undefined;
    document.hasFocus = () => !noted.elsewhere;
  });
  const noted = () => page.evaluate(() => (window as unknown as { noted: Noted }).noted);
  return {
    shown: async () => (await noted()).shown,
    tones: async () => (await noted()).tones,
    lookElsewhere: (elsewhere: boolean) =>
      page.evaluate((elsewhere) => {
        (window as unknown as { noted: Noted }).noted.elsewhere = elsewhere;
        dispatchEvent(new Event(elsewhere ? 'blur' : 'focus'));
      }, elsewhere),
  };
}
