import type { Page, WebSocketRoute } from '@playwright/test';
import { expect } from './test.ts';

export type Frame = { type: string; id?: string; conversation?: string; read?: number };

export const frame = (text: string) => JSON.parse(text) as Frame;

/** Stands between the page and the server's socket, and may bend what passes. */
export async function between(
  page: Page,
  bend: {
    /** What arrives instead. */
    fromServer?: (text: string) => string[];
    /** False for what is not to pass. */
    toServer?: (text: string, page: WebSocketRoute) => boolean;
  },
): Promise<WebSocketRoute[]> {
  const sockets: WebSocketRoute[] = [];
  let ready = 0;
  await page.routeWebSocket('**/api/live', (socket) => {
    const server = socket.connectToServer();
    sockets.push(socket);
    socket.onMessage((text) => {
      if (bend.toServer?.(String(text), socket) ?? true) server.send(text);
    });
    server.onMessage((text) => {
      if (frame(String(text)).type === 'ready') ready += 1;
      for (const each of bend.fromServer?.(String(text)) ?? [String(text)]) socket.send(each);
    });
  });
  await page.reload();
  await expect.poll(() => ready).toBe(1);
  return sockets;
}

/** To the server: every message is refused for good, as long as `still` says so. */
export function refusing(still = () => true) {
  return (text: string, page: WebSocketRoute): boolean => {
    const { type, id, conversation } = frame(text);
    if (!still() || type !== 'send') return true;
    page.send(JSON.stringify({ type: 'refused', id, conversation, code: 'bad_envelope', message: '' }));
    return false;
  };
}
