import type { Component } from 'svelte';
import type { Section } from '../../router.svelte';

/** Each is fetched when it is first shown. */
export const sections: Record<Section, () => Promise<{ default: Component }>> = {
  indicators: () => import('./indicators/IndicatorsSection.svelte'),
  people: () => import('./PeopleSection.svelte'),
  entry: () => import('./EntrySection.svelte'),
  presentation: () => import('./PresentationSection.svelte'),
  retention: () => import('./RetentionSection.svelte'),
  monitoring: () => import('./MonitoringSection.svelte'),
  reports: () => import('./ReportsSection.svelte'),
  journal: () => import('./JournalSection.svelte'),
};
