import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from './server.ts';

/** What a site's configuration does with the live connection. */
const SITES = {
  /** As docs/architecture.md recommends it. */
  healthy: `
    proxy_http_version 1.1;
    proxy_set_header Host $http_host;
    proxy_set_header Upgrade $http_upgrade;
    proxy_set_header Connection $connection_upgrade;`,
  /** The commonest one of all: it was not written with WebSockets in mind. */
  withoutUpgrade: `
    proxy_set_header Host $http_host;`,
  /** And it keeps every answer until it is complete. */
  buffering: `
    proxy_set_header Host $http_host;
    proxy_buffering on;
    proxy_buffer_size 256k;
    proxy_buffers 16 256k;
    proxy_busy_buffers_size 512k;
    proxy_ignore_headers X-Accel-Buffering;`,
};

/** What it speaks https with (PEM). */
export interface Certificate {
  certificate: string;
  key: string;
}

export type Site = keyof typeof SITES;

/** Debian's nginx in front of a server, with everything of its own in a temporary folder. */
export class Nginx {
  private readonly folder = mkdtempSync(join(tmpdir(), 'entrenous-nginx-'));
  private process: ChildProcess | null = null;

  private constructor(
    readonly port: number,
    private readonly target: string,
    private readonly tls?: Certificate,
  ) {}

  private configure(site: Site): void {
    const { port, target, tls } = this;
    const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
    writeFileSync(
      join(this.folder, 'nginx.conf'),
      `
      daemon off;
      master_process off;
      pid nginx.pid;
      error_log error.log;
      events {}
      http {
        access_log off;
        ${temporary.map((kind) => `${kind}_temp_path ${kind};`).join('\n')}
        map $http_upgrade $connection_upgrade { default upgrade; '' close; }
        server {
          listen 127.0.0.1:${port}${tls ? ' ssl' : ''};
          ${tls ? `ssl_certificate ${tls.certificate}; ssl_certificate_key ${tls.key};` : ''}
          location / {
            proxy_pass ${target};
            proxy_set_header X-Real-IP $remote_addr;
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
            ${SITES[site]}
          }
        }
      }`,
    );
  }

  /** `target`: as `proxy_pass` takes it. */
  static async before(target: string, site: Site, tls?: Certificate): Promise<Nginx> {
    const nginx = new Nginx(await freePort(), target, tls);
    nginx.configure(site);
    await nginx.start();
    return nginx;
  }

  /** Another configuration from now on, on the same port. All connections end. */
  async become(site: Site): Promise<void> {
    await this.stop();
    this.configure(site);
    await this.start();
  }

  get url(): string {
    return `http://localhost:${this.port}`;
  }

  /** Returns when it accepts connections. */
  async start(): Promise<void> {
    // The -e is for what happens before the configuration is read.
    const options = ['-p', this.folder, '-c', 'nginx.conf', '-e', 'error.log'];
    const child = spawn('/usr/sbin/nginx', options, { stdio: 'ignore' });
    this.process = child;
    while (!(await this.accepts())) {
      if (child.exitCode === null && child.pid) continue;
      throw new Error(`nginx did not start: ${readFileSync(join(this.folder, 'error.log'), 'utf8')}`);
    }
  }

  private accepts(): Promise<boolean> {
    return new Promise((resolve) => {
      const probe = connect(this.port, '127.0.0.1', () => {
        probe.destroy();
        resolve(true);
      });
      probe.on('error', () => resolve(false));
    });
  }

  /** At once, with all its connections. */
  async stop(): Promise<void> {
    const child = this.process;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    child.kill('SIGTERM');
    await ended;
  }

  async remove(): Promise<void> {
    await this.stop();
    rmSync(this.folder, { recursive: true, force: true });
  }
}
