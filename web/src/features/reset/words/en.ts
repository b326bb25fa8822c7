/** The texts of the page for whoever has lost everything, which are fetched with it. This file is the type. */
export const en = {
  lead: 'With this link you begin your account anew: the same handle, another password and another recovery code.',
  whose: (name: string, handle: string) => `For ${name} (@${handle})`,
  lostTitle: 'Your messages until now will be lost',
  lost: 'They are sealed with keys that are lost with your password and your recovery code. Nobody can open them again, neither you nor this server. Your settings and what was to be sent later go with them.',
  contacts:
    'The people you write with are told that your safety number has changed, and decide whether to write to you under the new one. Tell them some other way that it is you.',
  understood: 'I understand that my messages until now are lost',
  notUnderstood: 'Please confirm that you know it.',
  begin: 'Continue',
  preparing: 'Preparing your new keys…',
  looking: 'Looking at your link…',
  working: 'Beginning anew…',
  confirm: 'Begin anew',
  hereTitle: 'You are still logged in here',
  here: (name: string) =>
    `${name}, in this browser your messages can still be read. If this link is for you, download your data in the settings before you go on. To use the link, log out first.`,
  logOut: 'Log out and use the link',
  stay: 'Stay logged in',
};

export type ResetTexts = typeof en;
