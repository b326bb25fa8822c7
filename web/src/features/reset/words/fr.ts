import type { ResetTexts } from './en';

export const fr: ResetTexts = {
  lead: 'Avec ce lien, vous recommencez votre compte : le même identifiant, un autre mot de passe et un autre code de secours.',
  whose: (name, handle) => `Pour ${name} (@${handle})`,
  lostTitle: 'Vos messages jusqu’à présent seront perdus',
  lost: 'Ils sont scellés avec des clés perdues en même temps que votre mot de passe et votre code de secours. Plus personne ne peut les ouvrir, ni vous ni ce serveur. Vos réglages et les messages qui attendaient leur heure disparaissent aussi.',
  contacts:
    'Les personnes avec qui vous écrivez apprennent que votre numéro de sécurité a changé, et décident de vous écrire ou non sous le nouveau. Dites-leur par un autre moyen que c’est bien vous.',
  understood: 'Je comprends que mes messages jusqu’à présent sont perdus',
  notUnderstood: 'Veuillez confirmer que vous le savez.',
  begin: 'Continuer',
  preparing: 'Préparation de vos nouvelles clés…',
  looking: 'Vérification de votre lien…',
  working: 'Nouveau départ…',
  confirm: 'Recommencer',
  hereTitle: 'Votre session est encore ouverte ici',
  here: (name) =>
    `${name}, vos messages sont encore lisibles dans ce navigateur. Si ce lien est pour vous, téléchargez vos données dans les réglages avant de continuer. Pour utiliser le lien, déconnectez-vous d’abord.`,
  logOut: 'Me déconnecter et utiliser le lien',
  stay: 'Garder ma session ouverte',
};
