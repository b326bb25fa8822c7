//! What the organisation has decided, changed while the server runs: who may sign up, how the messenger presents itself,
//! how long it keeps what. One document among the [`settings`].

use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::header;
use axum::response::IntoResponse;
use sea_orm::ConnectionTrait;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::app::App;
use crate::audit::{self, Act, Actor};
use crate::config::Accent;
use crate::error::{Code, Error, Problem, Result};
use crate::mail::{self, Address};
use crate::people;
use crate::pictures;
use crate::retention;
use crate::sessions::Administrator;
use crate::settings;
use crate::wire::{Bytes, Json, Path};

/// The name under which it lies in the settings.
const ORGANISATION: &str = "organisation";
/// Characters.
const MAX_NAME: usize = 40;
const MAX_WELCOME: usize = 2_000;
const MAX_DAYS: u32 = 3_650;
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
    /// Names its logo. Set by giving the picture; here it can only be kept, or taken away.
    pub logo: Option<Uuid>,
    /// For browsers that speak none of our languages.
    pub language: Option<Language>,
    /// What stands on the page to log in and to sign up, up to 2,000 characters of plain text: a welcome, or terms.
    pub welcome: String,
    /// After how many days messages disappear for all; 1 to 3,650, or none for ever.
    pub messages_days: Option<u32>,
    /// After how many days reports are forgotten, and entries of the journal.
    pub reports_days: Option<u32>,
    pub journal_days: Option<u32>,
}

impl Organisation {
    pub async fn load(db: &impl ConnectionTrait) -> Result<Self> {
        settings::load(db, ORGANISATION).await
    }

    /// Whether an address is enough to sign up.
    pub fn lets_in(&self, address: &str) -> bool {
        let domain = address.rsplit('@').next();
        self.sign_up == SignUp::Domain && self.domains.iter().any(|one| Some(one.as_str()) == domain)
    }

    fn check(self) -> Result<Self> {
        let days = self.days();
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
            && people::is_plain_text(&lines)
            && days.into_iter().flatten().all(|days| (1..=MAX_DAYS).contains(&days));
        if good { Ok(Self { name, welcome, domains, ..self }) } else { Err(Code::BadOrganisation.into()) }
    }

    fn days(&self) -> [Option<u32>; 3] {
        [self.messages_days, self.reports_days, self.journal_days]
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
    let with = |before: Organisation| {
        let logo = new.logo.and(before.logo);
        Organisation { logo, ..new.clone() }
    };
    Ok(axum::Json(change(&app, Actor::from(&administrator), with).await?))
}

/// Set the logo: a JPEG, PNG or WebP of up to 8 MiB, which is stored anew, 256 pixels wide or high at most.
#[utoipa::path(put, path = "/administration/organisation/logo", tag = "administration",
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses((status = 200, body = Organisation), (status = "default", body = Problem)))]
pub async fn set_logo(
    administrator: Administrator,
    State(app): State<App>,
    file: Result<axum::body::Bytes, BytesRejection>,
) -> Result<axum::Json<Organisation>> {
    let png = pictures::store_anew(file.map_err(|_| Code::TooLarge)?, pictures::logo).await?;
    // First the picture: an id without one would be shown as broken.
    let id = app.clock.new_id();
    app.db.write(async |tx| settings::keep(tx, &logo_name(id), &Bytes::from(png.clone())).await).await?;
    let with = |before| Organisation { logo: Some(id), ..before };
    Ok(axum::Json(change(&app, Actor::from(&administrator), with).await?))
}

fn logo_name(logo: Uuid) -> String {
    format!("logo/{}", logo.simple())
}

/// The logo. Its id never stands for another one, so browsers may keep it.
#[utoipa::path(get, path = "/logo/{logo}", tag = "accounts", params(("logo" = Uuid, Path)), responses(
    (status = 200, content_type = "image/png", body = Vec<u8>), (status = "default", body = Problem)))]
pub async fn logo(State(app): State<App>, Path(logo): Path<Uuid>) -> Result<impl IntoResponse> {
    let png: Option<Bytes> = settings::load(app.db.read(), &logo_name(logo)).await?;
    let png = png.ok_or(Code::NotFound)?;
    let headers =
        [(header::CONTENT_TYPE, "image/png"), (header::CACHE_CONTROL, "public, max-age=31536000, immutable")];
    Ok((headers, png.0))
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
            let after = with(before.clone()).check()?;
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
                if let Some(logo) = before.logo.filter(|logo| after.logo != Some(*logo)) {
                    settings::forget(tx, &logo_name(logo)).await?;
                }
                if before.days() != after.days() {
                    retention::decided(tx, app.clock.now()).await?;
                }
                audit::record(tx, app, actor, Act::SettingsChanged, None, &changes).await?;
            }
            Ok(after)
        })
        .await
}
