/** The texts of mail, which are fetched with what shows them. This file is the type. */
export const en = {
  line: {
    title: 'E-mail address',
    none: 'None. You do not need one. With it, you are told by mail when somebody changes your password.',
    is: (address: string) => `${address}. Only you see it.`,
    waits: (address: string) => `Waiting for you to open the link in the mail to ${address}.`,
    add: 'Add an address',
    change: 'Change',
    remove: 'Remove',
    sent: (address: string) => `A mail is on its way to ${address}. Open the link in it within two days.`,
    removed: 'Your address has been removed.',
  },
  digest: {
    legend: 'Tell me by mail that messages wait',
    choices: { off: 'No', after_hour: 'After an hour', after_day: 'After a day' },
    hint: 'Once a day at most, and only about messages that none of your browsers has fetched. It says how many, not from whom. Muted conversations count too: the server does not know which they are.',
  },
  unsubscribe: {
    title: 'No more of these mails',
    lead: 'You came here by a link in a mail that told you of messages.',
    ask: 'You can turn such mails on again in the settings.',
    submit: 'Stop these mails',
    working: 'Stopping…',
    done: 'Done. No more mails will tell you of messages.',
  },
  signUp: {
    lead: (domains: string) =>
      `Whoever has an address at ${domains} can create an account: a mail brings you the link.`,
    submit: 'Send me the link',
    sent: (address: string) =>
      `If all is well, a mail is on its way to ${address}. Open the link in it within two days.`,
    again: 'Another address',
  },
  set: {
    title: 'Your e-mail address',
    lead: 'Neither other people nor administrators see it. Mails never say who writes to you, nor what. Your mail provider sees that you use this messenger.',
    address: 'E-mail address',
    hint: 'A link in a mail confirms that it is yours.',
    missing: 'Please type an address.',
    submit: 'Send the link',
    working: 'Sending…',
  },
  remove: {
    title: 'Remove your address',
    lead: (address: string) => `No more mails will go to ${address}, but for one that says so.`,
  },
  lost: {
    title: 'Everything lost',
    lead: 'Your password and your recovery code are both gone? Then your account can only begin anew.',
    code: 'If you still have your recovery code, use it: it loses nothing.',
    useCode: 'I have my recovery code',
    warning:
      'All your messages until now will be lost, and the people you write with see that your identity is another one. The link works a day after you asked for it; until then whoever is still logged in to your account can call it off.',
    address: 'The address you gave in your settings',
    submit: 'Send me the link',
    sent: 'If this handle and this address belong together, a mail is on its way. An administrator can also give you a link, without the day of waiting.',
  },
  asked: {
    label: 'Account',
    words: (from: string) =>
      `Somebody has asked for a link to begin your account anew, by a mail to your address. Your messages would be lost. The link works from ${from}.`,
    notMe: 'It was not me: call it off',
    wasMe: 'It was me',
    calledOff: 'Called off. If somebody else reads your mails, remove the address in the settings.',
  },
  confirm: {
    title: 'Confirm your address',
    lead: 'You came here by a link in a mail.',
    ask: 'Did you ask for this address to be used with your account? Then confirm it. If not, just close this page.',
    submit: 'Yes, it is mine',
    working: 'Confirming…',
    done: (handle: string) => `This address now belongs to the account @${handle}.`,
  },
  goOn: 'Go on',
};

export type MailTexts = typeof en;
