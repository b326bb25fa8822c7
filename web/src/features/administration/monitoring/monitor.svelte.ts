import { Problem } from '../../../lib/problem';
import { administration, type LogLine, type Monitoring, type Range } from '../api';

const LOOK_EVERY = 10_000;
const READ_EVERY = 2_000;
/** As many as the server gives at once. */
const MAX_LINES = 500;

export const levels = ['error', 'warn', 'info', 'debug'] as const;
export type Level = (typeof levels)[number];

/** How the server does, looked at again while the page is open. */
export class Monitor {
  range: Range = $state('hour');
  seen: Monitoring | null = $state.raw(null);
  problem: Problem | null = $state.raw(null);
  private timer: ReturnType<typeof setTimeout> | undefined;
  private asked = 0;

  constructor() {
    void this.look();
  }

  choose(range: Range): void {
    this.range = range;
    void this.look();
  }

  async look(): Promise<void> {
    clearTimeout(this.timer);
    const asked = ++this.asked;
    const answer = await settled(administration.monitoring(this.range));
    // Another range was chosen meanwhile, or the page is left.
    if (asked !== this.asked) return;
    if (answer instanceof Problem) this.problem = answer;
    else [this.seen, this.problem] = [answer, null];
    this.timer = setTimeout(() => void this.look(), LOOK_EVERY);
  }

  stop(): void {
    this.asked++;
    clearTimeout(this.timer);
  }
}

/** The end of the log, which goes on being read while it is followed. */
export class LogReader {
  level: Level = $state('info');
  words = $state('');
  following = $state(true);
  lines: LogLine[] = $state.raw([]);
  problem: Problem | null = $state.raw(null);
  private timer: ReturnType<typeof setTimeout> | undefined;
  private asked = 0;

  constructor() {
    void this.read();
  }

  /** Other lines are looked for. */
  again(): void {
    this.lines = [];
    void this.read();
  }

  follow(following: boolean): void {
    this.following = following;
    if (following) void this.read();
    else this.stop();
  }

  private async read(): Promise<void> {
    clearTimeout(this.timer);
    const asked = ++this.asked;
    const after = this.lines.at(-1)?.number ?? 0;
    const answer = await settled(administration.log({ after, level: this.level, q: this.words }));
    if (asked !== this.asked) return;
    if (answer instanceof Problem) this.problem = answer;
    else {
      this.problem = null;
      if (answer.lines.length > 0) this.lines = [...this.lines, ...answer.lines].slice(-MAX_LINES);
    }
    if (this.following) this.timer = setTimeout(() => void this.read(), READ_EVERY);
  }

  stop(): void {
    this.asked++;
    clearTimeout(this.timer);
  }
}

const settled = <T>(asked: Promise<T>): Promise<T | Problem> =>
  asked.catch((thrown: unknown) => Problem.from(thrown));
