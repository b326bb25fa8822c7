import { t } from '../../i18n/index.svelte';
import type { Content } from './content';
import { parse, plain } from './markdown';
import { periodOf } from './timers';

/** More than any row has room for. */
const LINE = 300;

export const oneLine = (text: string) => text.trim().slice(0, LINE).replace(/\s+/g, ' ');

/** A message in words on one line, without its marks, for the list and for the ear. */
export function inWords(content: Content): string {
  if (content.type === 'text') return oneLine(plain(parse(content.body)));
  if (content.type === 'timer') return content.after > 0 ? t.timer.on(periodOf(content.after)) : t.timer.off;
  return t.thread.instead[content.type];
}
