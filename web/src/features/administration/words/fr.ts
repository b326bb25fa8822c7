import type { AdministrationTexts } from './en';

export const fr: AdministrationTexts = {
  page: {
    title: 'Administration',
    sections: 'Rubriques',
    reports: 'Signalements',
    journal: 'Journal des actes',
    more: 'Afficher la suite',
    nothing: 'Rien pour l’instant.',
    loading: 'Chargement…',
    goneAccount: 'un compte qui n’existe plus',
    commandLine: 'La ligne de commande',
  },
  reports: {
    lead: 'Ce que des personnes vous ont signalé. Il est vérifié que la personne signalée a bien envoyé ces messages ; leur contenu repose sur la parole de qui les signale.',
    by: (name: string, handle: string) => `Signalé par ${name} (${handle})`,
    disclosed: 'Messages communiqués avec le signalement',
  },
  journal: {
    lead: 'Tout ce que les administrateurs ont fait. Rien n’y est jamais modifié ; chaque personne peut lire dans ses réglages ce qui concerne son compte.',
    acts: {
      settings_changed: 'a modifié les réglages',
      made_administrator: 'a nommé administrateur',
      made_person: 'a retiré le rôle d’administrateur à',
      suspended: 'a suspendu',
      resumed: 'a rétabli',
      sessions_ended: 'a mis fin aux sessions de',
      reset_link_made: 'a fait un lien de nouveau départ pour',
      other: 'a fait quelque chose que cette version ne connaît pas',
    },
  },
};
