import type { AdministrationTexts } from './en';

export const fr: AdministrationTexts = {
  page: {
    title: 'Administration',
    sections: 'Rubriques',
    indicators: 'Indicateurs',
    reports: 'Signalements',
    journal: 'Journal des actes',
    more: 'Afficher la suite',
    nothing: 'Rien pour l’instant.',
    loading: 'Chargement…',
    goneAccount: 'un compte qui n’existe plus',
    commandLine: 'La ligne de commande',
  },
  indicators: {
    title: 'Indicateurs de succès',
    lead: (accounts: string) => `30 derniers jours · ${accounts} comptes`,
    print: 'Imprimer',
    export: (title: string) => `Tableau « ${title} » (CSV)`,
    definition: 'Mode de calcul',
    reached: 'Atteint',
    missed: (points: number) => `À ${points} ${points > 1 ? 'points' : 'point'} de l’objectif`,
    nothing: 'Aucune mesure pour l’instant',
    use: {
      title: 'Utilisation',
      card: 'Actifs ce mois-ci',
      under: (active: string, registered: string, target: string) =>
        `${active} sur ${registered} · objectif ${target}`,
      advice:
        'Pour progresser : dites à quoi sert la messagerie et qui s’y trouve, et écrivez ici plutôt que par courriel.',
      course: (first: string, last: string, target: string) =>
        `Part des comptes actifs par semaine : de ${first} à ${last}. L’objectif est de ${target}.`,
      weeks: 'Semaine par semaine',
      head: [
        'Semaine',
        'Actifs sur 30 jours',
        'Comptes',
        'Actifs dans la semaine',
        'dont nouveaux',
        'dont fidèles',
      ],
      definition:
        'Un compte est actif un jour donné si son titulaire, connecté, a envoyé ou lu un message ; en avoir seulement reçu un ne suffit pas. L’indicateur est la part des comptes existants qui ont été actifs au moins un des 30 derniers jours, aujourd’hui compris. Les jours sont ceux du temps universel (UTC). Semaine par semaine, c’est le même calcul à la fin de chaque semaine ; les « nouveaux » sont les comptes actifs créés dans la semaine. Seul le fait d’avoir été actif un jour donné est conservé, pendant 400 jours.',
    },
    speed: {
      title: 'Rapidité',
      card: 'Délai moyen de réception',
      under: (p95: string, target: string) => `p95 ${p95} · objectif ${target}`,
      missed: (seconds: string) => `${seconds} de trop`,
      advice:
        'Pour progresser : examinez la charge et le disque du serveur, le réseau devant lui, et si les WebSockets passent.',
      course: (span: string, least: string, most: string, target: string) =>
        `Délai moyen de réception, ${span} : entre ${least} et ${most}. L’objectif est de ${target}.`,
      days: '30 jours',
      hours: '24 heures',
      view: 'Évolution',
      legend: (target: string) => `Moyenne ; en pointillé, l’objectif de ${target}`,
      histogram: 'Répartition des délais',
      upTo: (time: string) => `jusqu’à ${time}`,
      above: (time: string) => `plus de ${time}`,
      bucketHead: ['Délai', 'Messages envoyés'],
      table: 'Sous forme de tableau',
      head: ['Quand', 'Messages mesurés', 'Moyenne', '95ᵉ centile'],
      definition:
        'Du clic sur « envoyer » jusqu’à l’ouverture du message dans le navigateur du destinataire, pour les messages dont le destinataire est resté connecté depuis leur arrivée au serveur. C’est la somme de deux durées mesurées, trajet de retour compris : du clic jusqu’à la confirmation du serveur chez l’expéditeur, puis de là jusqu’à l’accusé de réception, envoyé une fois le message ouvert et groupé avec d’autres pendant 0,15 s au plus. Le délai réel est donc plus court. Ne comptent ni les messages rattrapés plus tard, ni les envois programmés, ni ceux que personne ne confirme en dix minutes. Seuls des nombres par heure sont conservés, jamais rien d’une personne ou d’un échange.',
    },
    satisfaction: {
      title: 'Satisfaction des personnes',
      card: 'Satisfaits',
      under: (answers: number, target: string) =>
        `${answers} ${answers > 1 ? 'réponses' : 'réponse'} · objectif ${target}`,
      tooFew: (enough: number) => `Affiché à partir de ${enough} réponses`,
      advice:
        'Pour progresser : lisez les commentaires, corrigez ce qui revient le plus souvent et faites-le savoir.',
      course: (first: string, last: string, target: string) =>
        `Part des satisfaits par trimestre : de ${first} à ${last}. L’objectif est de ${target}.`,
      answered: (answered: string, asked: string, share: string) =>
        `Réponses reçues : ${answered} pour ${asked} personnes interrogées en 13 semaines, soit ${share}.`,
      histogram: 'Répartition des réponses',
      scores: ['Pas du tout', 'Plutôt pas', 'Ni l’un ni l’autre', 'Plutôt', 'Très'],
      scoreHead: ['Satisfait ?', 'Réponses'],
      comments: 'Commentaires, dans le désordre',
      exportComments: 'Tableau des commentaires (CSV)',
      periods: 'Trimestre par trimestre',
      head: ['13 semaines', 'Satisfaits', 'Réponses', 'Taux de réponse'],
      definition:
        'Part des réponses « plutôt » et « très » satisfait parmi celles des 13 dernières semaines, celle-ci comprise. Les périodes de moins de cinq réponses ne sont pas affichées. Une réponse est conservée sans son auteur, avec la semaine pour seule date ; le fait d’avoir été interrogé et d’avoir répondu est conservé à part.',
    },
    survey: {
      title: 'L’enquête',
      enabled: 'Demander aux personnes si elles sont satisfaites',
      enabledHint:
        'Dans leur liste de conversations, avec cinq visages. « Plus tard » repose la question après une semaine, deux fois au plus.',
      after: 'D’abord, jours après l’inscription',
      every: 'Puis tous les … mois',
      question: { en: 'La question en anglais', fr: 'La question en français' },
      questionHint: 'Vide : la formulation de la messagerie.',
      save: 'Enregistrer',
      saved: 'Enregistré.',
      everyone: 'Interroger tout le monde…',
      everyoneSure:
        'Toutes les personnes qui n’ont pas été interrogées depuis 30 jours le seront à leur prochaine visite.',
      everyoneYes: 'Interroger tout le monde',
      everyoneAsked: 'Tout le monde sera interrogé.',
      everyoneAt: (when: string) => `Dernière enquête générale : ${when}`,
    },
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
      other: 'a fait quelque chose que cette version ne connaît pas',
    },
  },
};
