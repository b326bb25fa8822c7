import type { Page, Request } from '@playwright/test';
import { en } from '../../web/src/i18n/en.ts';

export type Way = 'socket' | 'stream' | 'poll';

/** By which way events come to a page, as the network sees it. */
export class Line {
  private readonly open = new Map<object, Way>();
  /** What was sent over a socket. */
  readonly sent: string[] = [];

  constructor(private readonly page: Page) {
    page.on('request', (request) => {
      const way = /\/api\/live\/(stream|poll)/.exec(request.url())?.[1] as Way | undefined;
      if (way) this.open.set(request, way);
    });
    const over = (request: Request) => void this.open.delete(request);
    page.on('requestfinished', over);
    page.on('requestfailed', over);
    page.on('websocket', (socket) => {
      socket.on('framereceived', () => this.open.set(socket, 'socket'));
      socket.on('framesent', ({ payload }) => this.sent.push(String(payload)));
      socket.on('close', () => this.open.delete(socket));
    });
  }

  /** The ways that are open now. */
  get ways(): Way[] {
    return [...new Set(this.open.values())];
  }

  /** Whether the person has ever been told that the page is connecting. */
  connectingShown(): Promise<boolean> {
    return this.page.evaluate(() => sessionStorage.getItem('connecting-shown') === 'yes');
  }

  async noteConnecting(): Promise<void> {
    await this.page.addInitScript((words) => {
      new MutationObserver(() => {
        if (document.body?.textContent?.includes(words)) sessionStorage.setItem('connecting-shown', 'yes');
      }).observe(document, { subtree: true, childList: true, characterData: true });
    }, en.conversations.connecting);
  }
}
