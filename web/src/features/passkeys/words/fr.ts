import type { PasskeyTexts } from './en';

export const fr: PasskeyTexts = {
  title: 'Clés d’accès',
  lead: 'Avec une clé d’accès, vous vous connectez par votre empreinte, votre visage ou le code PIN de votre appareil.',
  notHere:
    'Il n’y a pas de clés d’accès ici : il leur faut une adresse avec un nom et https, et un navigateur qui les connaît.',
  add: 'Ajouter une clé d’accès',
  opens: 'Ouvre vos messages : vous connecte sans votre mot de passe.',
  second: 'Second facteur seulement : demandée après votre mot de passe.',
  made: (date) => `Ajoutée le ${date}.`,
  used: (date) => `Dernière utilisation le ${date}.`,
  unused: 'Pas encore utilisée.',
  elsewhere: (site) => `Ne fonctionne qu’à l’adresse ${site}.`,
  rename: 'Renommer',
  renameOf: (name) => `Renommer ${name}`,
  remove: 'Supprimer',
  removeOf: (name) => `Supprimer ${name}`,
  new: {
    title: 'Ajouter une clé d’accès',
    lead: 'Toute personne qui déverrouille votre appareil pourra alors ouvrir vos messages. Votre mot de passe et votre code de secours restent les mêmes.',
    makeLead:
      'Votre navigateur vous demande maintenant où garder la clé d’accès, puis votre doigt, votre visage ou un code PIN.',
    make: 'Créer la clé d’accès',
    making: 'En attente de votre navigateur…',
  },
  name: {
    label: 'Nom de la clé d’accès',
    hint: 'Pour la reconnaître dans cette liste.',
    missing: 'Donnez-lui un nom.',
  },
  confirm: {
    title: 'Elle ne peut pas ouvrir vos messages',
    lead: 'La clé d’accès est créée, mais cet appareil ou ce navigateur ne lui donne pas de secret pour ouvrir vos messages. Elle peut être votre second facteur.',
    meaning:
      'Votre mot de passe seul ne laisse alors entrer personne : chaque connexion demande aussi cette clé d’accès, ou un code de repli.',
    yes: 'L’utiliser comme second facteur',
    no: 'Ne pas l’utiliser',
  },
  renameTitle: 'Renommer la clé d’accès',
  removeTitle: 'Supprimer la clé d’accès',
  removeLead: (name) =>
    `« ${name} » n’ouvrira plus votre compte. Vous pouvez aussi l’effacer de votre appareil.`,
  removeSecondLead: (name) =>
    `Les connexions ne demanderont plus « ${name} ». Vous pouvez aussi l’effacer de votre appareil.`,
  removeLastLead:
    'Votre second facteur est ainsi désactivé : toute personne qui a votre mot de passe pourra se connecter.',
  done: {
    opens: 'Votre clé d’accès est ajoutée. Elle vous connecte sans votre mot de passe.',
    second: 'Votre clé d’accès est ajoutée. Désormais, les connexions la demandent après votre mot de passe.',
    renamed: 'La clé d’accès a un autre nom.',
    removed: 'La clé d’accès est supprimée.',
  },
};
