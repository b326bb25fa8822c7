import { t } from '../../i18n/index.svelte';
import type { Me } from '../../lib/api/types';
import { Problem } from '../../lib/problem';
import type { Session } from '../../lib/session.svelte';
import { displayNameProblem, length } from '../welcome/rules';

export const MAX_STATUS = 100;
export const MAX_BIO = 1000;

/** One's own profile, while it is being edited. */
export class Profile {
  displayName = $state('');
  status = $state('');
  bio = $state('');
  busy = $state(false);
  saved = $state(false);
  problem: Problem | null = $state.raw(null);

  constructor(
    private readonly session: Session,
    me: Me,
  ) {
    this.displayName = me.display_name;
    this.status = me.status;
    this.bio = me.bio;
  }

  displayNameError = $derived.by(() => displayNameProblem(this.displayName));
  statusError = $derived.by(() => (length(this.status.trim()) > MAX_STATUS ? t.fields.statusLong : ''));
  bioError = $derived.by(() => (length(this.bio.trim()) > MAX_BIO ? t.fields.bioLong : ''));

  typed(): void {
    this.saved = false;
  }

  async save(): Promise<boolean> {
    if (this.busy) return true;
    this.problem = null;
    this.saved = false;
    if (this.displayNameError || this.statusError || this.bioError) return false;
    this.busy = true;
    try {
      await this.session.updateProfile({
        display_name: this.displayName.trim(),
        status: this.status.trim(),
        bio: this.bio.trim(),
      });
      this.saved = true;
      return true;
    } catch (thrown) {
      this.problem = Problem.from(thrown);
      return false;
    } finally {
      this.busy = false;
    }
  }
}
