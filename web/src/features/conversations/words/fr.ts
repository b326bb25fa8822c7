import type { WarningTexts } from './en';

export const fr: WarningTexts = {
  notTheirs: (name) =>
    `Les clés que le serveur présente pour ${name} ne sont pas les siennes. Rien n’est envoyé. Prévenez la personne qui gère ce serveur.`,
  contradiction:
    'Le serveur revient sur ce qu’il a dit : il présente de nouveau un message supprimé, annule une modification ou met un message à la place d’un autre. Ce que ce navigateur savait reste affiché. Prévenez la personne qui gère le serveur.',
  went_back:
    'Le serveur présente un état de cette conversation plus ancien qu’auparavant ; il peut manquer des messages récents. S’il n’a pas été restauré depuis une sauvegarde, prévenez la personne qui le gère.',
};
