/** The texts of passkeys in the settings, which are fetched with them. This file is the type. */
export const en = {
  title: 'Passkeys',
  lead: 'With a passkey you log in by your fingerprint, your face or the PIN of your device.',
  notHere:
    'There are no passkeys here: they need an address with a name and https, and a browser that knows them.',
  add: 'Add a passkey',
  opens: 'Opens your messages: logs you in without your password.',
  second: 'Second factor only: asked for after your password.',
  made: (date: string) => `Added on ${date}.`,
  used: (date: string) => `Last used on ${date}.`,
  unused: 'Not used yet.',
  elsewhere: (site: string) => `Works only under the address ${site}.`,
  rename: 'Rename',
  renameOf: (name: string) => `Rename ${name}`,
  remove: 'Remove',
  removeOf: (name: string) => `Remove ${name}`,
  new: {
    title: 'Add a passkey',
    lead: 'Whoever unlocks your device can then open your messages with it. Your password and your recovery code stay as they are.',
    makeLead: 'Your browser now asks where to keep the passkey, and for your finger, your face or a PIN.',
    make: 'Create the passkey',
    making: 'Waiting for your browser…',
  },
  name: {
    label: 'Name of the passkey',
    hint: 'So that you know it again in this list.',
    missing: 'Please give it a name.',
  },
  confirm: {
    title: 'It cannot open your messages',
    lead: 'The passkey is made, but this device or browser gives it no secret to open your messages with. It can be your second factor.',
    meaning:
      'Then your password alone lets nobody in: each log-in also asks for this passkey, or for a backup code.',
    yes: 'Use it as second factor',
    no: 'Do not use it',
  },
  renameTitle: 'Rename the passkey',
  removeTitle: 'Remove the passkey',
  removeLead: (name: string) =>
    `“${name}” no longer opens your account. You can also delete it on your device.`,
  removeSecondLead: (name: string) =>
    `Log-ins no longer ask for “${name}”. You can also delete it on your device.`,
  removeLastLead: 'This turns off your second factor: whoever has your password can log in.',
  done: {
    opens: 'Your passkey is added. It logs you in without your password.',
    second: 'Your passkey is added. From now on, log-ins ask for it after your password.',
    renamed: 'The passkey has another name.',
    removed: 'The passkey is removed.',
  },
};

export type PasskeyTexts = typeof en;
