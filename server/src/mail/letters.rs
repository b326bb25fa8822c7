//! What a mail is about, and how it is written: when its turn has come, by what is true then.

use sea_orm::EntityTrait;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::digest;
use super::words::words;
use crate::addresses;
use crate::app::App;
use crate::clock::Millis;
use crate::error::{Error, Result};
use crate::invitations::{self, ByMail};
use crate::organisation::{Language, Organisation};
use crate::resets::by_mail;
use crate::schema::tables::{accounts, mails};

/// As it waits: ids, and nothing that lets anybody in.
#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "snake_case", tag = "letter")]
pub enum Letter {
    /// For administrators, to see whether it comes.
    Test,
    /// To an address that somebody says is theirs.
    Confirm { account: Uuid },
    /// To an address of which somebody says that they read its mails, and would like to sign up.
    SignUp,
    /// To an address that was somebody's.
    Left { account: Uuid, removed: bool },
    /// To an address of which somebody says that they have lost all that opens an account.
    Reset { handle: String },
    /// Messages wait that were sent in this time.
    Digest { account: Uuid, since: Millis, until: Millis },
    /// What lets one in was replaced.
    Secured { account: Uuid, what: Secured },
}

/// What was done to an account that its owner is to know of.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Secured {
    PasswordChanged,
    RecoveryCodeUsed,
    BegunAnew,
    /// It will be erased, in seven days.
    ErasureAsked,
}

/// As it is sent.
pub struct Written {
    pub subject: String,
    pub text: String,
    /// Where a mail program can say that no more of these are wanted (RFC 8058).
    pub unsubscribe: Option<String>,
}

/// None where it is not wanted any more.
pub async fn write(app: &App, row: &mails::Model) -> Result<Option<Written>> {
    let letter: Letter = serde_json::from_str(&row.letter).map_err(Error::internal)?;
    let language = Language::named(&row.language);
    let name = Organisation::load(app.db.read()).await?.name;
    let name = name.unwrap_or_else(|| app.config.name.clone());
    let origin = app.config.address();
    let w = words(language, &name, &origin);
    match letter {
        Letter::Test => Ok(Some(w.test())),
        Letter::Confirm { account } => {
            let Some(handle) = handle_of(app, account).await? else { return Ok(None) };
            let Some(token) = addresses::token_for_pending(app, account, &row.address).await? else {
                return Ok(None);
            };
            Ok(Some(w.confirm(&handle, &format!("{origin}/confirm#{token}"))))
        }
        Letter::SignUp => Ok(invitations::make_by_mail(app, &row.address).await?.map(|made| match made {
            ByMail::Token(token) => w.sign_up(&format!("{origin}/sign-up#{token}")),
            ByMail::Has(handle) => w.has_account(&handle),
        })),
        Letter::Reset { handle } => {
            let made = by_mail::make(app, &handle, &row.address).await?;
            Ok(made.map(|made| match made {
                by_mail::ByMail::Link { token, hours } => {
                    w.reset(&handle, &format!("{origin}/reset#{token}"), hours)
                }
                by_mail::ByMail::Protected => w.reset_refused(&handle),
            }))
        }
        Letter::Left { account, removed } => about(app, account, |handle| w.left(handle, removed)).await,
        Letter::Digest { account, since, until } => {
            // By now the person may have come back.
            let count = digest::count(app.db.read(), account, (since, until)).await?;
            if count == 0 {
                return Ok(None);
            }
            let Some(token) = addresses::token_for_digest(app, account, &row.address).await? else {
                return Ok(None);
            };
            let unsubscribe = Some(format!("{origin}/api/address/unsubscribe?token={token}"));
            Ok(Some(Written { unsubscribe, ..w.digest(count, &format!("{origin}/unsubscribe#{token}")) }))
        }
        Letter::Secured { account, what } => about(app, account, |handle| w.secured(handle, what)).await,
    }
}

async fn about(app: &App, account: Uuid, written: impl FnOnce(&str) -> Written) -> Result<Option<Written>> {
    Ok(handle_of(app, account).await?.map(|handle| written(&handle)))
}

async fn handle_of(app: &App, account: Uuid) -> Result<Option<String>> {
    let account = accounts::Entity::find_by_id(account).one(app.db.read()).await?;
    Ok(account.map(|account| account.handle))
}
