import { t } from '../../i18n/index.svelte';
import type { Content } from './content';

/** A message in words on one line, for the list and for the ear. */
export function inWords(content: Content): string {
  if (content.type === 'text') return content.body.replace(/\s+/g, ' ').trim();
  return content.type === 'newer' ? t.thread.newer : t.thread.unreadable;
}
