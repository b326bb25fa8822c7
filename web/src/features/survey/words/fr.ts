import type { SurveyTexts } from './en';

export const fr: SurveyTexts = {
  label: 'Votre avis',
  question: (name: string) => `Êtes-vous satisfait de ${name} ?`,
  scores: [
    'Pas du tout satisfait',
    'Plutôt pas satisfait',
    'Ni l’un ni l’autre',
    'Plutôt satisfait',
    'Très satisfait',
  ],
  comment: 'En une phrase, si vous le souhaitez',
  anonymous: 'Personne ne peut savoir de qui vient la réponse.',
  send: 'Envoyer la réponse',
  later: 'Plus tard',
  thanks: 'Merci de votre réponse.',
  postponed: 'La question vous sera posée une autre fois.',
};
