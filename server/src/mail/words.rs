//! The texts of the mails. Plain text, of nothing but what its reader has asked for or must know: nothing that was
//! written, no name of anybody else, nothing that tells whether it was read.

use super::letters::{Secured, Written};
use crate::organisation::Language;

/// In one language, from one messenger.
pub struct Words<'a> {
    language: Language,
    name: &'a str,
    origin: &'a str,
}

pub fn words<'a>(language: Language, name: &'a str, origin: &'a str) -> Words<'a> {
    Words { language, name, origin }
}

impl Words<'_> {
    fn mail(&self, subject: String, text: String) -> Written {
        let Words { name, origin, .. } = self;
        Written { subject, text: format!("{text}\n\n-- \n{name}\n{origin}\n"), unsubscribe: None }
    }

    fn is_french(&self) -> bool {
        self.language == Language::Fr
    }

    pub fn test(&self) -> Written {
        let name = self.name;
        self.mail(
            format!("A test from {name}"),
            format!("Hello,\n\nthis mail came from {name}: sending works."),
        )
    }

    pub fn confirm(&self, handle: &str, link: &str) -> Written {
        let name = self.name;
        if self.is_french() {
            return self.mail(
                format!("Confirmez votre adresse pour {name}"),
                format!(
                    "Bonjour,\n\n\
                     @{handle} souhaite utiliser cette adresse avec {name}. Si c’est vous, ouvrez ce lien et confirmez :\n\n\
                     {link}\n\n\
                     Il est valable une fois, pendant 48 heures.\n\n\
                     Si ce n’est pas vous, ne faites rien : sans confirmation, cette adresse ne sera pas utilisée."
                ),
            );
        }
        self.mail(
            format!("Confirm your address for {name}"),
            format!(
                "Hello,\n\n\
                 @{handle} would like to use this address with {name}. If that is you, open this link and confirm:\n\n\
                 {link}\n\n\
                 It works once, within 48 hours.\n\n\
                 If it is not you, do nothing: unless it is confirmed, this address will not be used."
            ),
        )
    }

    pub fn sign_up(&self, link: &str) -> Written {
        let name = self.name;
        if self.is_french() {
            return self.mail(
                format!("Votre inscription à {name}"),
                format!(
                    "Bonjour,\n\n\
                     ouvrez ce lien pour créer votre compte {name} :\n\n\
                     {link}\n\n\
                     Il est valable une fois, pendant 48 heures.\n\n\
                     Si vous n’avez rien demandé, ne faites rien : aucun compte ne sera créé."
                ),
            );
        }
        self.mail(
            format!("Sign up to {name}"),
            format!(
                "Hello,\n\n\
                 open this link to create your {name} account:\n\n\
                 {link}\n\n\
                 It works once, within 48 hours.\n\n\
                 If you have not asked for it, do nothing: no account will be created."
            ),
        )
    }

    pub fn has_account(&self, handle: &str) -> Written {
        let name = self.name;
        if self.is_french() {
            return self.mail(
                format!("Vous avez déjà un compte {name}"),
                format!(
                    "Bonjour,\n\n\
                     quelqu’un a voulu s’inscrire avec cette adresse, qui est déjà celle du compte @{handle}. Vous pouvez \
                     vous connecter, ou utiliser votre code de secours si vous avez oublié le mot de passe.\n\n\
                     Si ce n’est pas vous, ne faites rien."
                ),
            );
        }
        self.mail(
            format!("You already have a {name} account"),
            format!(
                "Hello,\n\n\
                 somebody wanted to sign up with this address, which is already that of the account @{handle}. You can log \
                 in, or use your recovery code if you have forgotten the password.\n\n\
                 If it was not you, do nothing."
            ),
        )
    }

    pub fn reset(&self, handle: &str, link: &str, hours: i64) -> Written {
        let Words { name, origin, .. } = self;
        if self.is_french() {
            let when = match hours {
                0 => "dès maintenant".to_owned(),
                1 => "dans une heure".to_owned(),
                _ => format!("dans {hours} heures"),
            };
            return self.mail(
                format!("Recommencer votre compte {name}"),
                format!(
                    "Bonjour,\n\n\
                     quelqu’un dit avoir perdu le mot de passe et le code de secours du compte @{handle}.\n\n\
                     Si vous avez encore votre code de secours, utilisez-le plutôt : rien n’est perdu.\n\n\
                     {origin}/recover\n\n\
                     Sinon, ce lien permettra de recommencer le compte de zéro, {when} et pendant deux jours :\n\n\
                     {link}\n\n\
                     Tous vos messages jusqu’ici seront perdus, et les personnes avec qui vous écrivez verront que votre \
                     identité a changé.\n\n\
                     Si ce n’est pas vous, ouvrez {name} et annulez la demande : un avis vous y attend. Quelqu’un a peut-être \
                     accès à vos e-mails."
                ),
            );
        }
        let when = match hours {
            0 => "from now on".to_owned(),
            1 => "in an hour from now".to_owned(),
            _ => format!("in {hours} hours from now"),
        };
        self.mail(
            format!("Begin your {name} account anew"),
            format!(
                "Hello,\n\n\
                 somebody says that the password and the recovery code of the account @{handle} are lost.\n\n\
                 If you still have your recovery code, use it instead: it loses nothing.\n\n\
                 {origin}/recover\n\n\
                 If not, this link lets you begin the account anew, {when} and for two days:\n\n\
                 {link}\n\n\
                 All your messages until now will be lost, and the people you write with see that your identity is another \
                 one.\n\n\
                 If it was not you, open {name} and call it off: a notice waits for you there. Somebody may be reading your \
                 mails."
            ),
        )
    }

    pub fn reset_refused(&self, handle: &str) -> Written {
        let name = self.name;
        if self.is_french() {
            return self.mail(
                format!("Recommencer votre compte {name}"),
                format!(
                    "Bonjour,\n\n\
                     quelqu’un dit avoir perdu le mot de passe et le code de secours du compte @{handle}. Ce compte a un second \
                     facteur, ou il administre {name} : seule une personne qui administre {name} peut vous remettre un lien \
                     pour le recommencer.\n\n\
                     Si ce n’est pas vous, ne faites rien."
                ),
            );
        }
        self.mail(
            format!("Begin your {name} account anew"),
            format!(
                "Hello,\n\n\
                 somebody says that the password and the recovery code of the account @{handle} are lost. This account has a \
                 second factor, or administers {name}: only an administrator can give you a link to begin it anew.\n\n\
                 If it was not you, do nothing."
            ),
        )
    }

    pub fn left(&self, handle: &str, removed: bool) -> Written {
        let name = self.name;
        if self.is_french() {
            let what = match removed {
                true => format!("Cette adresse a été retirée du compte @{handle}."),
                false => format!("Le compte @{handle} utilise désormais une autre adresse."),
            };
            return self.mail(
                format!("Votre adresse pour {name} a changé"),
                format!(
                    "Bonjour,\n\n\
                     {what} C’est le dernier message que {name} vous envoie ici à son sujet.\n\n\
                     Si ce n’est pas vous, quelqu’un connaît votre mot de passe : changez-le dans les réglages, ou \
                     parlez-en à la personne qui administre {name}."
                ),
            );
        }
        let what = match removed {
            true => format!("This address was removed from the account @{handle}."),
            false => format!("The account @{handle} uses another address from now on."),
        };
        self.mail(
            format!("Your address for {name} has changed"),
            format!(
                "Hello,\n\n\
                 {what} This is the last mail about it that {name} sends you here.\n\n\
                 If it was not you, somebody knows your password: change it in the settings, or tell whoever \
                 administers {name}."
            ),
        )
    }

    pub fn digest(&self, count: u64, unsubscribe: &str) -> Written {
        let Words { name, origin, .. } = self;
        if self.is_french() {
            let waiting = match count {
                1 => "Un message vous attend".to_owned(),
                _ => format!("{count} messages vous attendent"),
            };
            return self.mail(
                format!("{waiting} sur {name}"),
                format!(
                    "Bonjour,\n\n\
                     {waiting} :\n\n\
                     {origin}/\n\n\
                     Vous avez demandé à être prévenu par e-mail, une fois par jour au plus. Pour ne plus l’être :\n\n\
                     {unsubscribe}"
                ),
            );
        }
        let waiting = match count {
            1 => "One message waits for you".to_owned(),
            _ => format!("{count} messages wait for you"),
        };
        self.mail(
            format!("{waiting} at {name}"),
            format!(
                "Hello,\n\n\
                 {waiting}:\n\n\
                 {origin}/\n\n\
                 You have asked to be told by mail, once a day at most. To be told no more:\n\n\
                 {unsubscribe}"
            ),
        )
    }

    pub fn secured(&self, handle: &str, what: Secured) -> Written {
        let name = self.name;
        let asked = matches!(what, Secured::ErasureAsked);
        if self.is_french() {
            let what = match what {
                Secured::PasswordChanged => "Le mot de passe de votre compte a été changé",
                Secured::RecoveryCodeUsed => "Le code de secours de votre compte a été utilisé",
                Secured::BegunAnew => "Votre compte a été recommencé de zéro, avec une autre identité",
                Secured::ErasureAsked => "Votre compte sera supprimé dans sept jours",
            };
            let then = match asked {
                true => "D’ici là, ses réglages permettent de le garder.",
                false => "Toutes les autres sessions ont pris fin.",
            };
            return self.mail(
                format!("Sécurité de votre compte {name}"),
                format!(
                    "Bonjour,\n\n\
                     {what} (@{handle}). {then}\n\n\
                     Si c’est vous, il n’y a rien à faire. Sinon, parlez-en au plus vite à la personne qui administre \
                     {name}."
                ),
            );
        }
        let what = match what {
            Secured::PasswordChanged => "The password of your account was changed",
            Secured::RecoveryCodeUsed => "The recovery code of your account was used",
            Secured::BegunAnew => "Your account was begun anew, with another identity",
            Secured::ErasureAsked => "Your account will be deleted in seven days",
        };
        let then = match asked {
            true => "Until then it can be kept, in its settings.",
            false => "All other sessions have ended.",
        };
        self.mail(
            format!("Security of your {name} account"),
            format!(
                "Hello,\n\n\
                 {what} (@{handle}). {then}\n\n\
                 If it was you, there is nothing to do. If it was not, tell whoever administers {name} without delay."
            ),
        )
    }
}
