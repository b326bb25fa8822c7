import { once } from 'node:events';
import { type Server as Listener, createServer } from 'node:net';
import { expect } from '@playwright/test';
import { freePort } from './server.ts';

export interface Mail {
  to: string;
  headers: string;
  text: string;
}

/** What was written as 7-bit, in the characters that it stands for (RFC 2045). */
function readable(body: string): string {
  const bytes = body.replace(/=\r\n/g, '').replace(/=([0-9A-F]{2})/g, (_, hex: string) => {
    return String.fromCharCode(parseInt(hex, 16));
  });
  return Buffer.from(bytes, 'latin1').toString('utf8').replaceAll('\r\n', '\n');
}

/** A mail server that takes everything, for whoever looks. */
export class Mailbox {
  private readonly mails: Mail[] = [];
  private read = 0;

  private constructor(
    readonly port: number,
    private readonly listener: Listener,
  ) {}

  static async open(): Promise<Mailbox> {
    const port = await freePort();
    const listener = createServer();
    const mailbox = new Mailbox(port, listener);
    listener.on('connection', (socket) => {
      let [heard, to, data] = ['', '', ''];
      let inData = false;
      const say = (words: string) => socket.write(`${words}\r\n`);
      // Whoever leaves in the middle leaves.
      socket.on('error', () => undefined);
      socket.on('data', (bytes) => {
        heard += bytes.toString('latin1');
        for (let end; (end = heard.indexOf('\r\n')) >= 0;) {
          const line = heard.slice(0, end);
          heard = heard.slice(end + 2);
          if (inData && line === '.') {
            const [headers = '', ...body] = data.split('\r\n\r\n');
            mailbox.mails.push({ to, headers, text: readable(body.join('\r\n\r\n')) });
            [data, inData] = ['', false];
            say('250 taken');
          } else if (inData) {
            data += `${line.replace(/^\./, '')}\r\n`;
          } else if (line.startsWith('RCPT')) {
            to = /<(.*)>/.exec(line)?.[1] ?? '';
            say('250 ok');
          } else if (line === 'DATA') {
            inData = true;
            say('354 tell');
          } else if (line === 'QUIT') {
            socket.end('221 bye\r\n');
          } else {
            say('250 ok');
          }
        }
      });
      say('220 test');
    });
    listener.listen(port, '127.0.0.1');
    await once(listener, 'listening');
    return mailbox;
  }

  /** For a server that is to send its mails here. */
  get options(): string[] {
    return ['--smtp', `smtp://127.0.0.1:${this.port}`, '--mail-from', 'messages@example.org'];
  }

  /** The next one, once it came. */
  async next(): Promise<Mail> {
    await expect.poll(() => this.mails.length).toBeGreaterThan(this.read);
    return this.mails[this.read++] as Mail;
  }

  get unread(): number {
    return this.mails.length - this.read;
  }

  close(): void {
    this.listener.close();
  }
}

/** The path of the link in a mail, with what stands behind it. */
export function linkIn(mail: Mail, page: string): string {
  const found = new RegExp(`/${page}#[\\w-]{43}$`, 'm').exec(mail.text)?.[0];
  expect(found, mail.text).toBeTruthy();
  return found ?? '';
}
