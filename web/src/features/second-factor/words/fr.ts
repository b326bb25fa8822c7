import type { SecondFactorTexts } from './en';

export const fr: SecondFactorTexts = {
  line: {
    title: 'Second facteur',
    isOff:
      'Désactivé. Une fois activé, votre mot de passe seul ne laisse entrer personne : il faut aussi un code donné par une application de votre téléphone.',
    isOn: (left, by) => {
      const what = {
        app: 'un code de votre application',
        passkey: 'votre clé d’accès',
        either: 'un code de votre application ou votre clé d’accès',
      }[by];
      const codes = left <= 1 ? `${left} code de repli` : `${left} codes de repli`;
      return `Activé. Il faut aussi ${what} pour se connecter. Il vous reste ${codes}.`;
    },
    addApp: 'Ajouter une application',
    removeApp: 'Retirer l’application',
    appRemoved: 'L’application est retirée. Les connexions demandent toujours votre clé d’accès.',
    setUp: 'Configurer',
    turnOff: 'Désactiver',
    newCodes: 'Nouveaux codes de repli',
    turnedOn: 'Le second facteur est activé. Désormais, il faut aussi un code pour se connecter.',
    turnedOff: 'Le second facteur est désactivé. Votre mot de passe suffit pour vous connecter.',
    replaced: 'Vos nouveaux codes de repli sont désormais les bons. Détruisez les anciens.',
  },
  password: {
    setUpTitle: 'Configurer le second facteur',
    setUpLead:
      'Il vous faut une application d’authentification, qui affiche un nouveau code toutes les 30 secondes. Votre code de secours ouvre toujours votre compte sans elle.',
    turnOffTitle: 'Désactiver le second facteur',
    turnOffLead:
      'Toute personne qui a votre mot de passe pourra alors se connecter. Vos codes de repli ne fonctionneront plus.',
    removeAppTitle: 'Retirer l’application',
    removeAppLead:
      'Ses codes ne fonctionneront plus. Les connexions demandent toujours votre clé d’accès, ou un code de repli.',
    codesTitle: 'Nouveaux codes de repli',
    codesLead: 'Vos codes de repli actuels cesseront aussitôt de fonctionner.',
  },
  app: {
    title: 'Ajouter à votre application',
    lead: 'Scannez ceci avec votre application d’authentification.',
    qr: 'Code QR pour votre application d’authentification',
    open: 'Ouvrir sur cet appareil',
    byHand: 'Ou tapez cette clé dans l’application :',
    code: 'Code affiché par l’application',
    codeHint: 'Six chiffres.',
    turnOn: 'Activer',
    turningOn: 'Activation…',
  },
  codes: {
    title: 'Vos codes de repli',
    lead: 'Chacun vous laisse entrer une fois quand vous n’avez pas votre téléphone. Ils ne sont affichés que maintenant.',
    kept: 'Je les ai mis en lieu sûr',
    fileName: 'entre-nous-codes-de-repli',
    fileText: (organisation, handle, codes, address) =>
      `${organisation} : codes de repli de @${handle}\n\n${codes}\n\nChacun remplace une fois le code de votre application, en plus de votre mot de passe.\nGardez-les en lieu sûr et ne les montrez à personne.\n${address}\n`,
  },
};
