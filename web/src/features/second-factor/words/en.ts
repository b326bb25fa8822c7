/** The texts of the second factor in the settings, which are fetched with them. This file is the type. */
export const en = {
  line: {
    title: 'Second factor',
    isOff:
      'Off. With it, your password alone lets nobody in: logging in also takes a code from an app on your phone.',
    /** What log-ins take beside the password. */
    isOn: (left: number, by: 'app' | 'passkey' | 'either') => {
      const what = {
        app: 'a code from your app',
        passkey: 'your passkey',
        either: 'a code from your app or your passkey',
      }[by];
      const codes = left === 1 ? '1 backup code' : `${left} backup codes`;
      return `On. Logging in also takes ${what}. You have ${codes} left.`;
    },
    addApp: 'Add an app',
    removeApp: 'Remove the app',
    appRemoved: 'The app is removed. Log-ins still ask for your passkey.',
    setUp: 'Set up',
    turnOff: 'Turn off',
    newCodes: 'New backup codes',
    turnedOn: 'The second factor is on. From now on, logging in also takes a code.',
    turnedOff: 'The second factor is off. Your password is enough to log in.',
    replaced: 'Your new backup codes count from now on. Destroy the old ones.',
  },
  password: {
    setUpTitle: 'Set up the second factor',
    setUpLead:
      'You need an authenticator app, which shows a new code every 30 seconds. Your recovery code still opens your account without it.',
    turnOffTitle: 'Turn off the second factor',
    turnOffLead: 'Whoever has your password can then log in. Your backup codes stop working.',
    removeAppTitle: 'Remove the app',
    removeAppLead: 'Its codes stop working. Log-ins still ask for your passkey, or for a backup code.',
    codesTitle: 'New backup codes',
    codesLead: 'The backup codes you have now stop working at once.',
  },
  app: {
    title: 'Add it to your app',
    lead: 'Scan this with your authenticator app.',
    qr: 'QR code for your authenticator app',
    open: 'Open it on this device',
    byHand: 'Or type this key into the app:',
    code: 'Code that the app shows',
    codeHint: 'Six digits.',
    turnOn: 'Turn on',
    turningOn: 'Turning on…',
  },
  codes: {
    title: 'Your backup codes',
    lead: 'Each of them lets you in once when you do not have your phone. They are shown only now.',
    kept: 'I have put them in a safe place',
    fileName: 'entre-nous-backup-codes',
    fileText: (organisation: string, handle: string, codes: string, address: string) =>
      `${organisation}: backup codes of @${handle}\n\n${codes}\n\nEach replaces the code from your app once, beside your password.\nKeep them in a safe place and show them to nobody.\n${address}\n`,
  },
};

export type SecondFactorTexts = typeof en;
