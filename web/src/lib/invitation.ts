/** What stands behind `#` in an invitation's link, which no server sees; kept as long as the page lives. */
export const invitation: string | undefined =
  location.pathname === '/sign-up' && location.hash.length > 1 ? location.hash.slice(1) : undefined;
