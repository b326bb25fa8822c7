import { appearance } from '../ui/appearance.svelte';
import { api } from './api/client';

/** Whose server this is: its name and its colour. Ours until the server has told. */
class Organisation {
  name = $state('Entre Nous');
  setupCodeNeeded = $state(false);
  // The server's limits, known here so that nothing too large sets out; it checks again.
  readonly messageBytes = 16 * 1024;
  readonly avatarBytes = 8 * 1024 * 1024;

  /** Also read again when a sign-up begins: the first account may have been made meanwhile. */
  async load(): Promise<void> {
    const config = await api.config();
    this.name = config.name;
    this.setupCodeNeeded = config.setup_code_needed;
    appearance.wear(config.accent ?? null);
  }
}

export const organisation = new Organisation();
