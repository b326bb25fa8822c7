import { language } from '../i18n/index.svelte';
import { appearance } from '../ui/appearance.svelte';
import { api } from './api/client';
import type { Config } from './api/types';
import { invitation } from './invitation.svelte';

/** Whose server this is: its name, its colour, and whom it lets in. Ours until the server has told. */
class Organisation {
  name = $state('Entre Nous');
  setupCodeNeeded = $state(false);
  /** It sends mail. */
  mail = $state(false);
  /** And by it the link to begin anew. */
  resetByMail = $state(false);
  /** Plain text of its own, for whoever is not signed in. */
  welcome = $state('');
  /** Names its logo, a picture under `/api/logo/`. */
  logo: string | null = $state(null);
  /** After so many days messages disappear for all; none for ever. */
  messagesDays: number | null = $state(null);
  /** The name that passkeys are made for here; null where there are none. */
  passkeys: string | null = $state(null);
  /** Whose addresses let one sign up. */
  domains: string[] = $state.raw([]);
  private signUp: Config['sign_up'] = $state('open');
  // The server's limits, known here so that nothing too large sets out; it checks again.
  readonly messageBytes = 16 * 1024;
  readonly avatarBytes = 8 * 1024 * 1024;

  /** Also read again when a sign-up begins: the first account may have been made meanwhile. */
  async load(): Promise<void> {
    const config = await api.config();
    this.name = config.name;
    this.setupCodeNeeded = config.setup_code_needed;
    this.welcome = config.welcome;
    this.mail = config.mail;
    this.resetByMail = config.reset_by_mail;
    this.signUp = config.sign_up;
    this.domains = config.domains;
    this.passkeys = config.passkeys ?? null;
    this.logo = config.logo ?? null;
    this.messagesDays = config.messages_days ?? null;
    appearance.wear(config.accent ?? null);
    if (config.language) language.suggest(config.language);
  }

  /** And in this browser, under this address. */
  get hasPasskeys(): boolean {
    return (
      this.passkeys === location.hostname &&
      'AuthenticatorAttestationResponse' in globalThis &&
      'getPublicKey' in AuthenticatorAttestationResponse.prototype
    );
  }

  /** A mail to an address of one of the domains lets one sign up. */
  get byMail(): boolean {
    return this.signUp === 'domain' && this.mail && !this.setupCodeNeeded && !invitation.token;
  }

  /** Why nobody can sign up here as they come; null if they can. */
  get closed(): 'sign_up_closed' | 'invitation_needed' | null {
    if (this.setupCodeNeeded || this.signUp === 'open' || this.byMail) return null;
    if (this.signUp === 'closed') return 'sign_up_closed';
    return invitation.token ? null : 'invitation_needed';
  }
}

export const organisation = new Organisation();
