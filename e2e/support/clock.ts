import type { Page } from '@playwright/test';

export const DAY = 86_400_000;

/** The clock of this page's browser is wrong by so much from now on; `setAhead` changes it while the page is open. */
export async function wrongClock(page: Page, by: number): Promise<(by: number) => Promise<void>> {
  const shift = (by: number) => {
    const clock = globalThis as { aheadBy?: number; rightDate?: DateConstructor };
    const Right = (clock.rightDate ??= Date);
    clock.aheadBy = by;
    const now = () => Right.now() + (clock.aheadBy ?? 0);
    class Wrong extends Right {
      constructor(...given: [number]) {
        super(...(given.length > 0 ? given : ([now()] as [number])));
      }
      static override now = now;
    }
    globalThis.Date = Wrong as DateConstructor;
  };
  await page.addInitScript(shift, by);
  return (by) => page.evaluate(shift, by);
}
