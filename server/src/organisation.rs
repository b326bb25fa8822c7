//! What the organisation has decided, changed while the server runs: who may sign up, and how the messenger presents
//! itself. One document among the [`settings`].

use axum::extract::State;
use sea_orm::ConnectionTrait;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::app::App;
use crate::audit::{self, Act, Actor};
use crate::config::Accent;
use crate::error::{Code, Error, Problem, Result};
use crate::mail::{self, Address};
use crate::people;
use crate::sessions::Administrator;
use crate::settings;
use crate::wire::Json;

/// The name under which it lies in the settings.
const ORGANISATION: &str = "organisation";
/// Characters.
const MAX_NAME: usize = 40;
const MAX_WELCOME: usize = 2_000;
const MAX_DOMAINS: usize = 50;

#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize, ToSchema, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum SignUp {
    /// Whoever comes.
    #[default]
    Open,
    /// With an invitation.
    Invited,
    /// With an invitation, or with an e-mail address of one of the organisation's domains: a link is sent there.
    Domain,
    Closed,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Language {
    #[default]
    En,
    Fr,
}

impl Language {
    /// As it is stored and sent.
    pub fn code(self) -> &'static str {
        match self {
            Language::En => "en",
            Language::Fr => "fr",
        }
    }

    pub fn named(code: &str) -> Self {
        if code == Language::Fr.code() { Language::Fr } else { Language::En }
    }
}

/// What was decided; what was not is as the configuration has it.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Organisation {
    pub sign_up: SignUp,
    /// For `domain`: up to 50.
    pub domains: Vec<String>,
    /// Whether the link to begin anew, for who has lost everything, also comes by mail. By default it does not: whoever
    /// reads somebody's mails could then take over the account.
    pub reset_by_mail: bool,
    /// The name of this messenger, 1 to 40 characters.
    pub name: Option<String>,
    /// Its accent colour, as #rrggbb.
    pub accent: Option<String>,
    /// For browsers that speak none of our languages.
    pub language: Option<Language>,
    /// What stands on the page to log in and to sign up, up to 2,000 characters of plain text: a welcome, or terms.
    pub welcome: String,
}

impl Organisation {
    pub async fn load(db: &impl ConnectionTrait) -> Result<Self> {
        settings::load(db, ORGANISATION).await
    }

    fn check(self) -> Result<Self> {
        let domains =
            self.domains.iter().map(|domain| domain.trim().trim_start_matches('@').to_ascii_lowercase());
        let mut domains: Vec<String> = domains.filter(|domain| !domain.is_empty()).collect();
        domains.dedup();
        let is_domain = |domain: &String| format!("somebody@{domain}").parse::<Address>().is_ok();
        if domains.len() > MAX_DOMAINS || !domains.iter().all(is_domain) {
            return Err(Code::BadDomains.into());
        }
        let name = self.name.map(|name| name.trim().to_owned()).filter(|name| !name.is_empty());
        let welcome = self.welcome.trim().to_owned();
        let fits = |name: &String| name.chars().count() <= MAX_NAME && people::is_plain_text(name);
        let lines = welcome.replace(['\n', '\t'], " ");
        let good = name.as_ref().is_none_or(fits)
            && self.accent.as_ref().is_none_or(|accent| accent.parse::<Accent>().is_ok())
            && welcome.chars().count() <= MAX_WELCOME
            && people::is_plain_text(&lines);
        if good { Ok(Self { name, welcome, domains, ..self }) } else { Err(Code::BadOrganisation.into()) }
    }

    /// What of it another one has changed, in the words of the API.
    fn changes(&self, later: &Self) -> Result<String> {
        let of = |document: &Self| serde_json::to_value(document).map_err(Error::internal);
        let (before, after) = (of(self)?, of(later)?);
        let names = after.as_object().into_iter().flatten().filter(|(name, value)| before[name] != **value);
        let changed = names.map(|(name, value)| match value {
            serde_json::Value::String(text) if text.len() > 60 => name.clone(),
            value => format!("{name}: {value}"),
        });
        Ok(changed.collect::<Vec<_>>().join(", "))
    }
}

/// What the organisation has decided.
#[utoipa::path(get, path = "/administration/organisation", tag = "administration", responses(
    (status = 200, body = Organisation), (status = "default", body = Problem)))]
pub async fn organisation(_: Administrator, State(app): State<App>) -> Result<axum::Json<Organisation>> {
    Ok(axum::Json(Organisation::load(app.db.read()).await?))
}

/// Decide something else.
#[utoipa::path(put, path = "/administration/organisation", tag = "administration", request_body = Organisation, responses(
    (status = 200, body = Organisation), (status = "default", body = Problem)))]
pub async fn change_organisation(
    administrator: Administrator,
    State(app): State<App>,
    Json(new): Json<Organisation>,
) -> Result<axum::Json<Organisation>> {
    let new = new.check()?;
    let changed = change(&app, Actor::from(&administrator), |_| new.clone()).await?;
    Ok(axum::Json(changed))
}

/// Decide something else, by what was decided before.
pub async fn change(
    app: &App,
    actor: Actor,
    with: impl Fn(Organisation) -> Organisation,
) -> Result<Organisation> {
    app.db
        .write(async |tx| {
            let before = Organisation::load(tx).await?;
            let after = with(before.clone());
            // Not what nobody could use.
            if after.sign_up == SignUp::Domain && before.sign_up != SignUp::Domain {
                mail::refuse_without(app)?;
            }
            if after.reset_by_mail && !before.reset_by_mail {
                mail::refuse_without(app)?;
            }
            if after.sign_up == SignUp::Domain && after.domains.is_empty() {
                return Err(Code::BadDomains.into());
            }
            let changes = before.changes(&after)?;
            if !changes.is_empty() {
                settings::keep(tx, ORGANISATION, &after).await?;
                audit::record(tx, app, actor, Act::SettingsChanged, None, &changes).await?;
            }
            Ok(after)
        })
        .await
}
