import AxeBuilder from '@axe-core/playwright';
import { type Page, expect } from '@playwright/test';

/** What fades in has no contrast yet. */
async function comesToRest(page: Page): Promise<void> {
  await page.evaluate(async () => {
    const ends = (animation: Animation) => animation.effect?.getComputedTiming().endTime !== Infinity;
    const underWay = document.getAnimations().filter(ends);
    await Promise.allSettled(underWay.map(({ finished }) => finished));
  });
}

export async function axeFindsNothing(page: Page, screen: string): Promise<void> {
  await comesToRest(page);
  const { violations } = await new AxeBuilder({ page })
    .withTags(['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'])
    .analyze();
  const found = violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html).join(' | ')}`);
  expect(found, screen).toEqual([]);
}
