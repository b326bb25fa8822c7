import { readFileSync, readdirSync } from 'node:fs';
import { type Socket, connect, createServer } from 'node:net';
import { once } from 'node:events';
import { join } from 'node:path';
import type { Page } from '@playwright/test';
import { freePort } from './server.ts';

/** A relay in front of the server that keeps every byte of both directions. */
export class Wiretap {
  private readonly chunks: Buffer[] = [];
  private readonly sockets = new Set<Socket>();
  private readonly relay;
  private constructor(
    readonly port: number,
    target: number,
  ) {
    this.relay = createServer((near) => {
      const far = connect(target, '127.0.0.1');
      for (const [from, to] of [
        [near, far],
        [far, near],
      ] as const) {
        this.sockets.add(from);
        from.on('data', (bytes: Buffer) => this.chunks.push(bytes));
        from.on('error', () => to.destroy());
        from.pipe(to);
      }
    });
  }

  static async before(target: number): Promise<Wiretap> {
    const tap = new Wiretap(await freePort(), target);
    tap.relay.listen(tap.port, '127.0.0.1');
    await once(tap.relay, 'listening');
    return tap;
  }

  /** WebSocket frames from a browser are masked on the wire: these are kept as the page sent them. */
  listen(page: Page): void {
    page.on('websocket', (socket) => {
      const keep = ({ payload }: { payload: string | Buffer }) => void this.chunks.push(Buffer.from(payload));
      socket.on('framesent', keep);
      socket.on('framereceived', keep);
    });
  }

  get traffic(): Buffer {
    return Buffer.concat(this.chunks);
  }

  close(): void {
    this.relay.close();
    for (const socket of this.sockets) socket.destroy();
  }
}

/** Every file of the server's folder: the database, its log, the server's log. */
export function filesOf(folder: string): Buffer {
  return Buffer.concat(readdirSync(folder).map((name) => readFileSync(join(folder, name))));
}

/**
 * Where some words stand: as they are, in UTF-16, in hexadecimal, or inside base64 at any alignment; with what stands around
 * them. Null for nowhere. Fewer than eight letters could be found by chance in a megabyte of base64.
 */
export function traceOf(haystack: Buffer, words: string): string | null {
  const bytes = Buffer.from(words);
  const forms = [bytes, Buffer.from(words, 'utf16le'), Buffer.from(bytes.toString('hex'))];
  for (const shift of [0, 1, 2]) {
    // The first and last characters of base64 also carry bits of their neighbours.
    const inside = Buffer.concat([Buffer.alloc(shift), bytes])
      .toString('base64')
      .replace(/=+$/, '');
    const sure = inside.slice(shift === 0 ? 0 : shift + 1, -1);
    forms.push(Buffer.from(sure), Buffer.from(sure.replaceAll('+', '-').replaceAll('/', '_')));
  }
  for (const form of forms) {
    const at = haystack.indexOf(form);
    if (at >= 0) return haystack.toString('latin1', Math.max(0, at - 60), at + form.length + 60);
  }
  return null;
}
