import { appearance } from '../ui/appearance.svelte';
import { api } from './api/client';

/** Whose server this is: its name, its colour, its limits. Ours until the server has told. */
class Organisation {
  name = $state('Entre Nous');
  setupCodeNeeded = $state(false);
  messageBytes = $state(16_384);
  avatarBytes = $state(8 * 1024 * 1024);

  /** Read again before a sign-up that failed for want of a set-up code. */
  async load(): Promise<void> {
    const config = await api.config();
    this.name = config.name;
    this.setupCodeNeeded = config.setup_code_needed;
    this.messageBytes = config.limits.message_bytes;
    this.avatarBytes = config.limits.avatar_bytes;
    appearance.wear(config.accent);
  }
}

export const organisation = new Organisation();
