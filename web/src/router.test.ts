// @vitest-environment happy-dom
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { address, followLinks, parse, router } from './router.svelte';

const id = '0192f0c1-2222-7333-8444-555566667777';
const home = { page: 'conversations', conversation: null } as const;

describe('the addresses', () => {
  it.each(['/', '/welcome', '/sign-up', '/reset', '/settings', `/c/${id}`, `/c/${id}/1204`])(
    '%s leads to a page and back',
    (path) => {
      expect(address(parse(path))).toBe(path);
    },
  );

  it.each([
    '/nowhere',
    '/c',
    '/c/me',
    `/c/${id}/more`,
    `/c/${id}/0`,
    `/c/${id}/-1`,
    `/c/${id}/1e3`,
    `/c/${id}/9007199254740993`,
    `/c/${id}/12/3`,
    `/c/${id.toUpperCase()}`,
    '/settings/x',
    '//evil.example',
  ])('%s is unknown and leads home', (path) => {
    expect(parse(path)).toEqual(home);
  });
});

describe('the router', () => {
  beforeEach(() => router.go(home, 'replace'));

  it('writes where one is', () => {
    router.go({ page: 'conversations', conversation: id });
    expect(location.pathname).toBe(`/c/${id}`);
    expect(router.route).toEqual({ page: 'conversations', conversation: id });
  });

  it('goes to a message again that it went to before', () => {
    const place = { page: 'conversations', conversation: id, message: 7 } as const;
    router.go(place);
    expect(location.pathname).toBe(`/c/${id}/7`);
    const before = router.route;
    const { length } = history;
    router.go({ ...place });
    expect(router.route).toEqual(before);
    expect(router.route).not.toBe(before);
    expect(history.length).toBe(length);
  });

  it('goes where the browser goes back to', () => {
    router.go({ page: 'settings' });
    history.replaceState(null, '', '/');
    dispatchEvent(new PopStateEvent('popstate'));
    expect(router.route).toEqual(home);
  });

  it('leads back to the list from any thread, where only one of them has room', () => {
    const other = id.replace('8', '9');
    const push = vi.spyOn(history, 'pushState');
    const wide = vi.spyOn(window, 'matchMedia').mockReturnValue({ matches: false } as MediaQueryList);
    router.go({ page: 'conversations', conversation: id });
    router.go({ page: 'conversations', conversation: other });
    expect(push).toHaveBeenCalledTimes(2);
    wide.mockReturnValue({ matches: true } as MediaQueryList);
    router.go({ page: 'conversations', conversation: id });
    expect(push).toHaveBeenCalledTimes(2);
    expect(location.pathname).toBe(`/c/${id}`);
    router.go(home);
    router.go({ page: 'conversations', conversation: id });
    expect(push).toHaveBeenCalledTimes(4);
    vi.restoreAllMocks();
  });

  it('goes up to the list when the page was the first one', () => {
    history.replaceState(null, '', '/');
    router.go({ page: 'conversations', conversation: id }, 'replace');
    router.up();
    expect(router.route).toEqual(home);
  });
});

describe('a click on a link', () => {
  function click(link: string, init: MouseEventInit = {}): boolean {
    document.body.innerHTML = link;
    const event = new MouseEvent('click', { bubbles: true, cancelable: true, ...init });
    let taken = false;
    document.querySelector('a')?.addEventListener('click', (click) => {
      followLinks(click);
      taken = click.defaultPrevented;
      // No page stands behind the address here.
      click.preventDefault();
    });
    document.querySelector('a')?.dispatchEvent(event);
    return taken;
  }

  beforeEach(() => router.go(home, 'replace'));

  it('stays in the page for our own addresses', () => {
    expect(click('<a href="/settings">s</a>')).toBe(true);
    expect(router.route).toEqual({ page: 'settings' });
  });

  it('is left to the browser otherwise', () => {
    expect(click('<a href="/settings">s</a>', { ctrlKey: true })).toBe(false);
    expect(click('<a href="/settings" target="_blank">s</a>')).toBe(false);
    expect(click('<a href="/api/avatars/1">s</a>')).toBe(false);
    expect(click('<a href="https://example.org/settings">s</a>')).toBe(false);
    expect(router.route).toEqual(home);
  });
});
