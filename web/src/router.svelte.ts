/** Where one is. Unknown addresses lead home. */
export type Route = { page: Page } | Administration | Place;

const PAGES = [
  'welcome',
  'sign-up',
  'recover',
  'reset',
  'confirm',
  'unsubscribe',
  'lost',
  'settings',
] as const;
type Page = (typeof PAGES)[number];

/** For administrators: what each section shows is in `features/administration/sections.ts`. */
export const SECTIONS = [
  'indicators',
  'people',
  'entry',
  'presentation',
  'reports',
  'monitoring',
  'journal',
] as const;
export type Section = (typeof SECTIONS)[number];

export interface Administration {
  page: 'administration';
  section: Section;
}

/** In a conversation perhaps, and there at a message, by its `seq`. */
export interface Place {
  page: 'conversations';
  conversation: string | null;
  message?: number;
}

const SEQ = /^[1-9]\d{0,14}$/;
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

export function parse(path: string): Route {
  const parts = path.split('/').filter((part) => part !== '');
  const page = PAGES.find((each) => each === parts[0]);
  if (parts.length === 1 && page) return { page };
  if (parts[0] === 'administration' && parts.length <= 2) {
    const section = SECTIONS.find((each) => each === parts[1]) ?? SECTIONS[0];
    return { page: 'administration', section };
  }
  const [c, conversation, message] = parts;
  if (c === 'c' && conversation && UUID.test(conversation)) {
    if (parts.length === 2) return { page: 'conversations', conversation };
    if (parts.length === 3 && message && SEQ.test(message)) {
      return { page: 'conversations', conversation, message: Number(message) };
    }
  }
  return { page: 'conversations', conversation: null };
}

export function address(route: Route): string {
  if (route.page === 'administration') return `/administration/${route.section}`;
  if (route.page !== 'conversations') return `/${route.page}`;
  if (!route.conversation) return '/';
  return `/c/${route.conversation}${route.message ? `/${route.message}` : ''}`;
}

const inThread = (route: Route) => route.page === 'conversations' && route.conversation !== null;

/** Where a thread fills the page, Back leads to the list, from whatever thread one came. */
const onePane = () => matchMedia('(max-width: 767.98px)').matches;

export class Router {
  route: Route = $state.raw(parse(location.pathname));

  constructor() {
    // An unknown address is corrected at once, so that what is shown can be copied.
    if (address(this.route) !== location.pathname) history.replaceState(null, '', address(this.route));
    addEventListener('popstate', () => (this.route = parse(location.pathname)));
  }

  /** `replace` leaves no trace in the history: for redirections. */
  go(route: Route, how: 'push' | 'replace' = 'push'): void {
    const to = address(route);
    // The message that is there may be out of sight by now.
    if (to === address(this.route)) return void (this.route = route);
    if (how === 'push' && !(inThread(route) && inThread(this.route) && onePane()))
      history.pushState({ inside: true }, '', to);
    else history.replaceState(history.state, '', to);
    this.route = route;
  }

  /** The way up: back when the page before was ours, else to the list. */
  up(): void {
    const inside = (history.state as { inside?: boolean } | null)?.inside;
    if (inside) history.back();
    else this.go({ page: 'conversations', conversation: null }, 'replace');
  }
}

export const router = new Router();

/** Follows plain clicks on our own links without loading the page again. */
export function followLinks(event: MouseEvent): void {
  if (event.defaultPrevented || event.button !== 0) return;
  if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  const link = (event.target as Element | null)?.closest?.('a[href]');
  if (!(link instanceof HTMLAnchorElement) || link.target || link.hasAttribute('download')) return;
  if (link.origin !== location.origin || link.pathname.startsWith('/api/')) return;
  event.preventDefault();
  router.go(parse(link.pathname));
}
