import type { LeavingTexts } from './en';

export const fr: LeavingTexts = {
  section: {
    hint: 'Votre profil, vos clés et tout ce que vous avez écrit disparaissent de ce serveur, y compris des conversations des autres. Vous avez sept jours pour changer d’avis.',
    leave: 'Supprimer mon compte',
  },
  ask: {
    lead: 'Dans sept jours, et pas avant, ceci disparaît pour toujours :',
    goes: [
      'votre profil, votre photo, vos sessions et vos clés ;',
      'tout ce que vous avez écrit, y compris sous les yeux des autres ;',
      'les signalements à votre sujet, et ce qu’ils contiennent.',
    ],
    stays:
      'Ce que les autres vous ont écrit leur reste, à côté de « Compte supprimé ». Personne ne pourra reprendre votre identifiant. Les sauvegardes des administrateurs vieillissent à leur rythme.',
    data: 'Si vous voulez garder quelque chose, téléchargez d’abord « Mes données ».',
    does: 'Supprimer dans sept jours',
  },
  asked: {
    title: 'Votre compte sera supprimé',
    lead: (date) =>
      `Le ${date}. D’ici là, rien ne change, et vous pouvez garder votre compte d’une seule pression.`,
    receipt:
      'Voici votre reçu. Il vous permettra de voir plus tard que rien n’est resté. Il n’est affiché que maintenant, et n’ouvre rien.',
    done: 'Terminé',
    fileName: 'entre-nous-recu',
    fileText: (name, handle, link) =>
      `Reçu de la suppression de @${handle} sur ${name}\n\n${link}\n\nCe lien montre quand le compte a été supprimé, et ce qui l’a été.\n`,
  },
  receipt: {
    lead: 'Ce qu’est devenu un compte supprimé.',
    looking: 'Recherche…',
    unknown: 'Ce reçu n’existe pas. Le compte a peut-être été gardé, ou le lien n’est pas complet.',
    waiting: (asked, date) =>
      `La suppression a été demandée le ${asked}. Le compte sera supprimé le ${date}.`,
    working: 'Le compte est supprimé. Ses messages sont en cours d’effacement.',
    done: (date) => `Tout était effacé le ${date}.`,
    counts: (messages, conversations) =>
      `${messages <= 1 ? `${messages} message` : `${messages} messages`} dans ${conversations <= 1 ? `${conversations} conversation` : `${conversations} conversations`}.`,
    left: 'Ce qui reste : un numéro de compte sans nom, le fait que ses conversations réunissaient deux personnes et leur nombre de messages, dans le journal des administrateurs, ce qu’ils ont fait au sujet du compte, et, le cas échéant, qu’il a signalé quelqu’un, sans ce qu’il en a dit.',
  },
};
