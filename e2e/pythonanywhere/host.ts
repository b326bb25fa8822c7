import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { type IncomingMessage, type Server as HttpServer, createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { Nginx, type Site } from '../support/nginx.ts';

const SETUP = fileURLToPath(new URL('../../deploy/pythonanywhere/setup', import.meta.url));
const run = promisify(execFile);

/** In the words of PythonAnywhere's own program, whose requests end at this host instead. */
const PA = `#!/usr/bin/env bash
[ "$1" = website ] && shift
verb=$1 domain= command=
shift
while [ $# -gt 0 ]; do
  case $1 in
    --domain) domain=$2 ;;
    --command) command=$2 ;;
  esac
  shift 2
done
exec curl --silent --show-error --fail-with-body --data-urlencode "command=$command" "$PA/$verb/$domain"
`;

export interface Ran {
  code: number;
  /** Both of its outputs. */
  said: string;
}

/**
 * What is known of PythonAnywhere, on this machine: an account with a home folder, the program `pa`, websites that are a
 * command in a world of its own (the first process there, with a socket to listen on and nothing else in the
 * environment), and a balancer that speaks https and says the client's address.
 */
export class Host {
  readonly domain = 'alice.pythonanywhere.com';
  readonly home: string;
  private readonly folder = mkdtempSync(join(tmpdir(), 'entrenous-host-'));
  private readonly socket = join(this.folder, 'socket');
  private command: string | null = null;
  private website: ChildProcess | null = null;
  private balancer!: Nginx;
  private api!: HttpServer;

  private constructor() {
    this.home = join(this.folder, 'home');
    mkdirSync(join(this.home, 'bin'), { recursive: true });
    writeFileSync(join(this.home, 'bin/pa'), PA);
    chmodSync(join(this.home, 'bin/pa'), 0o755);
  }

  static async open(site: Site): Promise<Host> {
    const host = new Host();
    await host.start(site);
    return host;
  }

  private async start(site: Site): Promise<void> {
    const tls = { certificate: join(this.folder, 'certificate.pem'), key: join(this.folder, 'key.pem') };
    await run('openssl', [
      ...[
        'req',
        '-x509',
        '-newkey',
        'ec',
        '-pkeyopt',
        'ec_paramgen_curve:prime256v1',
        '-nodes',
        '-days',
        '2',
      ],
      ...['-subj', `/CN=${this.domain}`, '-addext', `subjectAltName=DNS:${this.domain}`],
      ...['-keyout', tls.key, '-out', tls.certificate],
    ]);
    this.balancer = await Nginx.before(`http://unix:${this.socket}`, site, tls);
    // As the name would lead there.
    const found = `connect-to = "${this.domain}:443:127.0.0.1:${this.balancer.port}"\ncacert = "${tls.certificate}"\n`;
    writeFileSync(join(this.home, '.curlrc'), found);
    this.api = createServer((request, response) => {
      this.answer(request).then(
        (words) => response.end(words),
        (error: unknown) => response.writeHead(400).end(String(error)),
      );
    });
    this.api.listen(0, '127.0.0.1');
    await once(this.api, 'listening');
  }

  /** Where a browser has to look for the domain. */
  get resolver(): string {
    return `--host-resolver-rules=MAP ${this.domain}:443 127.0.0.1:${this.balancer.port}`;
  }

  get url(): string {
    return `https://${this.domain}`;
  }

  get log(): string {
    return readFileSync(this.logFile, 'utf8');
  }

  private get logFile(): string {
    return join(this.folder, 'server.log');
  }

  /** What the balancer passes, from now on. */
  passes(site: Site): Promise<void> {
    return this.balancer.become(site);
  }

  // What `pa website` asks for

  private async answer(request: IncomingMessage): Promise<string> {
    const [, verb, domain] = (request.url ?? '').split('/');
    const command = new URLSearchParams(await text(request)).get('command');
    if (domain !== this.domain) throw new Error(`no domain of this account: ${domain}`);
    if ((verb === 'create') !== (this.command === null))
      throw new Error(verb === 'create' ? 'exists' : 'not found');
    switch (verb) {
      case 'create':
        this.command = command;
        this.launch();
        return 'All done!\n';
      case 'get':
        return `domain name  ${domain}\nenabled      True\ncommand      ${this.command}\nserver log   ${this.logFile}\n`;
      case 'reload':
        await this.reload();
        return 'Reloaded!\n';
      case 'delete':
        await this.end();
        this.command = null;
        return 'Deleted!\n';
      default:
        throw new Error(`no such verb: ${verb}`);
    }
  }

  private launch(): void {
    const log = openSync(this.logFile, 'a');
    const asRoot = process.getuid?.() === 0 ? [] : ['--map-root-user'];
    this.website = spawn(
      'unshare',
      [...asRoot, '--pid', '--fork', '--kill-child', 'bash', '-c', this.command ?? ''],
      { stdio: ['ignore', log, log], env: { PATH: process.env['PATH'], DOMAIN_SOCKET: this.socket } },
    );
  }

  /** The process of the website as this machine numbers it, and as it numbers itself. */
  get process(): { pid: number; own: number; name: string } {
    const parent = this.website?.pid;
    const pid = Number(readFileSync(`/proc/${parent}/task/${parent}/children`, 'utf8'));
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    const own = Number(/^NSpid:.*\t(\d+)$/m.exec(status)?.[1]);
    return { pid, own, name: /^Name:\t(.*)$/m.exec(status)?.[1] ?? '' };
  }

  async reload(): Promise<void> {
    await this.end();
    this.launch();
  }

  private async end(): Promise<void> {
    const { website } = this;
    if (!website || website.exitCode !== null || website.signalCode !== null) return;
    const ended = once(website, 'exit');
    process.kill(this.process.pid, 'SIGTERM');
    await ended;
  }

  // The account's Bash console

  /** Runs `setup` with these arguments; `answers` is what is typed, line by line. */
  async setup(args: string[], answers: string[] = [], settings: Record<string, string> = {}): Promise<Ran> {
    const { port } = this.api.address() as AddressInfo;
    const child = spawn(SETUP, args, {
      env: {
        PATH: `${join(this.home, 'bin')}:${process.env['PATH']}`,
        ...{ HOME: this.home, USER: 'alice', PYTHONANYWHERE_DOMAIN: 'pythonanywhere.com' },
        ...{ API_TOKEN: 'token', PA: `http://127.0.0.1:${port}`, ...settings },
      },
    });
    child.stdin.on('error', () => undefined);
    child.stdin.end(answers.map((answer) => `${answer}\n`).join(''));
    const said = Promise.all([text(child.stdout), text(child.stderr)]);
    const [code] = (await once(child, 'exit')) as [number];
    return { code, said: (await said).join('') };
  }

  async remove(): Promise<void> {
    await this.end();
    await this.balancer.remove();
    this.api.close();
    rmSync(this.folder, { recursive: true, force: true });
  }
}
