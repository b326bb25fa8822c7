import type { MailTexts } from './en';

export const fr: MailTexts = {
  line: {
    title: 'Adresse e-mail',
    none: 'Aucune. Vous n’en avez pas besoin. Avec elle, un e-mail vous prévient quand quelqu’un change votre mot de passe.',
    is: (address) => `${address}. Personne d’autre ne la voit.`,
    waits: (address) => `En attente : ouvrez le lien reçu par e-mail à ${address}.`,
    add: 'Ajouter une adresse',
    change: 'Changer',
    remove: 'Retirer',
    sent: (address) =>
      `Un e-mail est en route vers ${address}. Ouvrez le lien qu’il contient sous deux jours.`,
    removed: 'Votre adresse a été retirée.',
  },
  digest: {
    legend: 'Me prévenir par e-mail que des messages attendent',
    choices: { off: 'Non', after_hour: 'Après une heure', after_day: 'Après un jour' },
    hint: 'Une fois par jour au plus, et seulement pour des messages qu’aucun de vos navigateurs n’a reçus. L’e-mail dit combien, pas de qui. Les conversations en sourdine comptent aussi : le serveur ne sait pas lesquelles le sont.',
  },
  unsubscribe: {
    title: 'Ne plus recevoir ces e-mails',
    lead: 'Vous êtes ici grâce au lien d’un e-mail qui annonçait des messages.',
    ask: 'Vous pourrez les réactiver dans les réglages.',
    submit: 'Arrêter ces e-mails',
    working: 'Arrêt…',
    done: 'C’est fait. Plus aucun e-mail ne vous annoncera de messages.',
  },
  signUp: {
    lead: (domains) =>
      `Quiconque a une adresse chez ${domains} peut créer un compte : un e-mail vous apporte le lien.`,
    submit: 'M’envoyer le lien',
    sent: (address) =>
      `Si tout va bien, un e-mail est en route vers ${address}. Ouvrez le lien qu’il contient sous deux jours.`,
    again: 'Une autre adresse',
  },
  set: {
    title: 'Votre adresse e-mail',
    lead: 'Ni les autres ni les administrateurs ne la voient. Les e-mails ne disent jamais qui vous écrit, ni quoi. Votre fournisseur de messagerie voit que vous utilisez cette application.',
    address: 'Adresse e-mail',
    hint: 'Un lien reçu par e-mail confirmera qu’elle est à vous.',
    missing: 'Saisissez une adresse.',
    submit: 'Envoyer le lien',
    working: 'Envoi…',
  },
  remove: {
    title: 'Retirer votre adresse',
    lead: (address) => `Plus aucun e-mail ne partira vers ${address}, sauf un dernier pour l’annoncer.`,
  },
  lost: {
    title: 'Tout est perdu',
    lead: 'Vous n’avez plus ni votre mot de passe ni votre code de secours ? Alors votre compte ne peut que recommencer de zéro.',
    code: 'Si vous avez encore votre code de secours, utilisez-le : rien n’est perdu.',
    useCode: 'J’ai mon code de secours',
    warning:
      'Tous vos messages jusqu’ici seront perdus, et les personnes avec qui vous écrivez verront que votre identité a changé. Le lien fonctionne un jour après votre demande ; jusque-là, toute session encore ouverte de votre compte peut l’annuler.',
    address: 'L’adresse indiquée dans vos réglages',
    submit: 'M’envoyer le lien',
    sent: 'Si cet identifiant et cette adresse vont ensemble, un e-mail est en route. Un administrateur peut aussi vous donner un lien, sans ce jour d’attente.',
  },
  asked: {
    label: 'Compte',
    words: (from) =>
      `Quelqu’un a demandé un lien pour recommencer votre compte de zéro, par un e-mail à votre adresse. Vos messages seraient perdus. Le lien fonctionnera à partir du ${from}.`,
    notMe: 'Ce n’est pas moi : annuler',
    wasMe: 'C’est moi',
    calledOff: 'Annulé. Si quelqu’un d’autre lit vos e-mails, retirez l’adresse dans les réglages.',
  },
  confirm: {
    title: 'Confirmer votre adresse',
    lead: 'Vous êtes ici grâce au lien d’un e-mail.',
    ask: 'Avez-vous demandé à utiliser cette adresse avec votre compte ? Alors confirmez-la. Sinon, fermez simplement cette page.',
    submit: 'Oui, elle est à moi',
    working: 'Confirmation…',
    done: (handle) => `Cette adresse est désormais celle du compte @${handle}.`,
  },
  goOn: 'Continuer',
};
