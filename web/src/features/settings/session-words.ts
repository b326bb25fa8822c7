import { t } from '../../i18n/index.svelte';
import type { OwnSession } from '../../lib/api/types';
import { browserOf } from '../../lib/sessions.svelte';

/** "Firefox on Linux" */
export function inWords({ browser }: OwnSession): string {
  const known = browserOf(browser);
  return known ? t.security.browser(known.name, known.system) : t.security.unknownBrowser;
}
