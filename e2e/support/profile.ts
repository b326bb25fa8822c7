import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type BrowserContext, type Page, chromium, test } from '@playwright/test';

/** A browser with a profile on the disk, which can be closed, or crash, and be opened again. */
export class Profile {
  private readonly folder = mkdtempSync(join(tmpdir(), 'entrenous-profile-'));
  private context: BrowserContext | null = null;

  constructor(private readonly baseURL: string) {}

  async open(): Promise<Page> {
    const { launchOptions = {}, timezoneId } = test.info().project.use;
    const { executablePath, args } = launchOptions;
    this.context = await chromium.launchPersistentContext(this.folder, {
      baseURL: this.baseURL,
      locale: 'en-GB',
      ...(timezoneId && { timezoneId }),
      ...(executablePath && { executablePath }),
      ...(args && { args }),
    });
    return this.context.pages()[0] ?? (await this.context.newPage());
  }

  async close(): Promise<void> {
    await this.context?.close();
    this.context = null;
  }

  /** As when the machine is switched off: nothing is told, nothing is tidied up. */
  async crash(): Promise<void> {
    const { context } = this;
    const [page] = context?.pages() ?? [];
    if (!context || !page) return;
    const gone = context.waitForEvent('close');
    const session = await context.newCDPSession(page);
    // There is nobody left to answer.
    session.send('Browser.crash').catch(() => undefined);
    await gone;
    this.context = null;
  }

  /** All that was kept for pages, once it is closed; not what the browser notes to open its windows again. */
  get files(): Buffer {
    const entries = readdirSync(this.folder, { recursive: true, withFileTypes: true });
    const files = entries.filter((entry) => entry.isFile() && !/\bSessions$/.test(entry.parentPath));
    return Buffer.concat(files.map(({ parentPath, name }) => readFileSync(join(parentPath, name))));
  }

  async remove(): Promise<void> {
    await this.close();
    rmSync(this.folder, { recursive: true, force: true });
  }
}
