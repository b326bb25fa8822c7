import { organisation } from '../../lib/organisation.svelte';
import { Problem } from '../../lib/problem';
import { administration, type Organisation } from './api';

/** What the organisation has decided, while it is being changed. */
export class OrganisationForm {
  decided: Organisation | null = $state.raw(null);
  busy = $state(false);
  saved = $state(false);
  problem: Problem | null = $state.raw(null);
  private before: Promise<void> = Promise.resolve();

  constructor() {
    void this.load();
  }

  async load(): Promise<void> {
    await this.working(async () => {
      this.decided = await administration.organisation();
    });
  }

  async setLogo(image: Blob): Promise<void> {
    await this.working(async () => {
      this.decided = await administration.setLogo(image);
      this.saved = true;
      await organisation.load().catch(() => undefined);
    });
  }

  /** The rest stays as it is now, whoever changed it last. */
  async change(change: Partial<Organisation>): Promise<void> {
    await this.working(async () => {
      const now = await administration.organisation();
      this.decided = await administration.changeOrganisation({ ...now, ...change });
      this.saved = true;
      await organisation.load().catch(() => undefined);
    });
  }

  /** One after the other: what is pressed meanwhile counts as well. */
  private working(work: () => Promise<void>): Promise<void> {
    this.before = this.before.then(() => this.attempt(work));
    return this.before;
  }

  private async attempt(work: () => Promise<void>): Promise<void> {
    this.busy = true;
    this.saved = false;
    this.problem = null;
    try {
      await work();
    } catch (thrown) {
      this.problem = Problem.from(thrown);
    } finally {
      this.busy = false;
    }
  }
}
