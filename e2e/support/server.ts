import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, createWriteStream, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const BINARY =
  process.env['ENTRENOUS_BINARY'] ?? fileURLToPath(new URL('../../target/debug/entrenous', import.meta.url));

/** The program `faketime` stands between as a process of its own, and would be stopped in the server's place. */
const FAKETIME = {
  LD_PRELOAD: '/usr/$LIB/faketime/libfaketimeMT.so.1',
  FAKETIME_DONT_FAKE_MONOTONIC: '1',
};

/** A port nobody listens on, below the range that the system hands out by itself. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = 20_000 + Math.floor(Math.random() * 12_000);
    const probe = createServer();
    const free = await new Promise<boolean>((resolve) => {
      probe.once('error', () => resolve(false));
      probe.listen(port, '127.0.0.1', () => resolve(true));
    });
    if (!free) continue;
    probe.close();
    await once(probe, 'close');
    return port;
  }
}

/** The real server, in a folder and on a port of its own. */
export class Server {
  readonly data = mkdtempSync(join(tmpdir(), 'entrenous-e2e-'));
  private readonly logFile = join(this.data, 'server.log');
  private process: ChildProcess | null = null;

  /** What it says to whoever starts it. */
  greeting = '';

  private constructor(
    readonly port: number,
    private readonly host: string,
    private readonly options: string[],
  ) {}

  static async start({ host = '127.0.0.1', options = [] as string[] } = {}): Promise<Server> {
    const server = new Server(await freePort(), host, options);
    await server.start();
    return server;
  }

  get url(): string {
    return `http://localhost:${this.port}`;
  }

  get log(): string {
    return readFileSync(this.logFile, 'utf8');
  }

  /** Returns when the server says that it is ready. `ahead`: by so much its clock is, such as `25h`. */
  async start({ ahead }: { ahead?: string } = {}): Promise<void> {
    const fixed = ['serve', '--listen', `${this.host}:${this.port}`, '--data', this.data];
    const limits = ['--attempts-per-address', '1000', '--attempts-per-handle', '1000'];
    const options = [...fixed, ...limits, ...this.options];
    this.greeting = '';
    const child = spawn(BINARY, options, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...(ahead && { ...FAKETIME, FAKETIME: `+${ahead}` }) },
    });
    // The stream makes it later: whoever reads it at once finds nothing in it.
    appendFileSync(this.logFile, '');
    child.stderr.pipe(createWriteStream(this.logFile, { flags: 'a' }));
    this.process = child;
    await new Promise<void>((resolve, reject) => {
      child.once('exit', (code) => reject(new Error(`the server ended with ${code}: ${this.log}`)));
      child.stdout.on('data', (text: Buffer) => {
        this.greeting += text.toString();
        if (this.greeting.includes('Ctrl+C') || this.greeting.includes('set-up code')) resolve();
      });
    });
  }

  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    const child = this.process;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    child.kill(signal);
    await ended;
  }

  async remove(): Promise<void> {
    await this.stop();
    rmSync(this.data, { recursive: true, force: true });
  }
}
