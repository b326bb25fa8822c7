import { Problem } from '../../lib/problem';
import { administration, type Invitation, type NewInvitation } from './api';
import { Pages } from './pages.svelte';

/** The server takes no more at once. */
export const MAX_AT_ONCE = 500;

const linkOf = ({ token }: NewInvitation) => `${location.origin}/sign-up#${token}`;

/** A cell as spreadsheets read it, and never as a formula. */
function cell(text: string): string {
  const safe = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return `"${safe.replaceAll('"', '""')}"`;
}

/** For whom: a line each, or the first cell of each line of a table. */
export function notesOf(lines: string): string[] {
  const cells = lines.split(/\r?\n/).map((line) => /^\s*(?:"((?:[^"]|"")*)"|([^;,\t]*))/.exec(line));
  return cells
    .map((found) => (found?.[1]?.replaceAll('""', '"') ?? found?.[2] ?? '').trim())
    .filter((note) => note !== '');
}

/** Invitations that are being made, and those there are. */
export class InvitationList {
  lines = $state('');
  uses = $state(1);
  days = $state(7);
  busy = $state(false);
  problem: Problem | null = $state.raw(null);
  /** Just made: their links are shown now, and never again. */
  made: { note: string; link: string }[] = $state.raw([]);
  readonly pages = new Pages<Invitation>(async (before) => {
    const { invitations, next } = await administration.invitations(before);
    return { items: invitations, next };
  });

  notes = $derived.by(() => notesOf(this.lines));

  async make(): Promise<void> {
    const notes = this.notes.length > 0 ? this.notes : [''];
    await this.working(async () => {
      const { invitations } = await administration.invite({ notes, uses: this.uses, days: this.days });
      this.made = invitations.map((each) => ({ note: each.note, link: linkOf(each) }));
      this.lines = '';
    });
  }

  async revoke(invitation: Invitation): Promise<void> {
    await this.working(() => administration.revoke(invitation.id));
  }

  /** For a spreadsheet. */
  get csv(): string {
    return this.made.map(({ note, link }) => `${cell(note)},${cell(link)}\r\n`).join('');
  }

  private async working(work: () => Promise<unknown>): Promise<void> {
    if (this.busy) return;
    this.busy = true;
    this.problem = null;
    try {
      await work();
      await this.pages.again();
    } catch (thrown) {
      this.problem = Problem.from(thrown);
    } finally {
      this.busy = false;
    }
  }
}
