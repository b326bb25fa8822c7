/** In the link, behind the `#`, which no server sees. */
const inAddress = () =>
  location.pathname === '/sign-up' && location.hash.length > 1 ? location.hash.slice(1) : undefined;

/** What lets one sign up where not everybody may; kept as long as the page lives, wherever one goes in it. */
class Invitation {
  token: string | undefined = $state(inAddress());

  constructor() {
    // A link that is opened over this very page does not load it again.
    addEventListener('hashchange', () => (this.token = inAddress() ?? this.token));
  }
}

export const invitation = new Invitation();
