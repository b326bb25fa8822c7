//! The survey: how satisfied people are. Who was asked and whether they answered is one thing, what was answered
//! another: the two are written apart, and nothing leads from one to the other (docs/threat-model.md has the limits
//! of that). Nobody is asked twice in a period, and "not now" is heard.

use axum::extract::State;
use axum::http::StatusCode;
use sea_orm::ActiveValue::Set;
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::app::App;
use crate::audit::{self, Act};
use crate::clock::{DAY, Millis};
use crate::error::{Code, Error, Problem, Result};
use crate::indicators::satisfaction;
use crate::schema::tables::{accounts, opinions, surveyed};
use crate::sessions::{Administrator, CurrentAccount};
use crate::settings;
use crate::wire::Json;

/// The name of its settings.
const SETTINGS: &str = "survey";
const MAX_COMMENT: usize = 500;
const MAX_QUESTION: usize = 200;
const MAX_DAYS: i64 = 365;
/// Less than the time for which it is known who was asked.
const MAX_MONTHS: i64 = 12;
/// A twelfth of a year.
const MONTH: Millis = 30 * DAY + DAY * 7 / 16;
/// After "not now".
const PAUSE: Millis = 7 * DAY;
/// "Not now" is asked again so often, and then is a no.
const ASKED_AGAIN: i16 = 2;
/// Whoever was asked within this time is left out when all are asked at once.
const REST: Millis = 30 * DAY;

/// When people are asked, and what.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SurveySettings {
    enabled: bool,
    /// So many days after the sign-up for the first time (0 to 365),
    after_days: i64,
    /// then every so many months (1 to 12).
    every_months: i64,
    question: Question,
}

/// In each language up to 200 characters; empty for the messenger's own words.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Question {
    en: String,
    fr: String,
}

impl Default for SurveySettings {
    fn default() -> Self {
        Self { enabled: true, after_days: 14, every_months: 3, question: Question::default() }
    }
}

/// As it is kept.
#[derive(Clone, Default, Deserialize, Serialize, ToSchema)]
#[serde(default)]
pub struct Survey {
    settings: SurveySettings,
    /// When an administrator last had everyone asked.
    everyone_at: Option<Millis>,
}

impl Survey {
    async fn load(db: &impl ConnectionTrait) -> Result<Self> {
        settings::load(db, SETTINGS).await
    }

    async fn keep(&self, tx: &impl ConnectionTrait) -> Result<()> {
        settings::keep(tx, SETTINGS, self).await
    }

    /// Whether somebody who was last asked at that time, or never, is to be asked anew.
    fn is_due(&self, signed_up_at: Millis, asked_at: Option<Millis>, now: Millis) -> bool {
        let regular = match asked_at {
            None => signed_up_at + self.settings.after_days * DAY,
            Some(asked_at) => asked_at + self.settings.every_months * MONTH,
        };
        let with_everyone = self.everyone_at.is_some_and(|everyone_at| match asked_at {
            None => signed_up_at <= everyone_at,
            Some(asked_at) => asked_at + REST <= everyone_at,
        });
        self.settings.enabled && (regular <= now || with_everyone)
    }
}

/// When people are asked, and what.
#[utoipa::path(get, path = "/administration/survey", tag = "administration", responses(
    (status = 200, body = Survey), (status = "default", body = Problem)))]
pub async fn survey_settings(_: Administrator, State(app): State<App>) -> Result<axum::Json<Survey>> {
    Survey::load(app.db.read()).await.map(axum::Json)
}

/// Change when people are asked, and what.
#[utoipa::path(put, path = "/administration/survey", tag = "administration", request_body = SurveySettings, responses(
    (status = 200, body = Survey), (status = "default", body = Problem)))]
pub async fn change_survey(
    administrator: Administrator,
    State(app): State<App>,
    Json(mut new): Json<SurveySettings>,
) -> Result<axum::Json<Survey>> {
    for question in [&mut new.question.en, &mut new.question.fr] {
        *question = question.trim().to_owned();
        if question.chars().count() > MAX_QUESTION || question.contains('\0') {
            return Err(Code::BadRequest.into());
        }
    }
    if !(0..=MAX_DAYS).contains(&new.after_days) || !(1..=MAX_MONTHS).contains(&new.every_months) {
        return Err(Code::BadRequest.into());
    }
    let changed = app
        .db
        .write(async |tx| {
            let before = Survey::load(tx).await?;
            let changed = Survey { settings: new.clone(), ..before.clone() };
            if changed.settings != before.settings {
                changed.keep(tx).await?;
                let detail = serde_json::to_string(&serde_json::json!({"survey": new}));
                let detail = detail.map_err(Error::internal)?;
                let actor = (&administrator).into();
                audit::record(tx, &app, actor, Act::SettingsChanged, None, &detail).await?;
            }
            Ok(changed)
        })
        .await?;
    Ok(axum::Json(changed))
}

/// Have everyone asked who was not asked in the last 30 days, from now on, each when they next come.
#[utoipa::path(post, path = "/administration/survey/everyone", tag = "administration", responses(
    (status = 200, body = Survey), (status = "default", body = Problem)))]
pub async fn ask_everyone(
    administrator: Administrator,
    State(app): State<App>,
) -> Result<axum::Json<Survey>> {
    let changed = app
        .db
        .write(async |tx| {
            let now = app.clock.now();
            let changed = Survey { everyone_at: Some(now), ..Survey::load(tx).await? };
            changed.keep(tx).await?;
            let actor = (&administrator).into();
            audit::record(tx, &app, actor, Act::SettingsChanged, None, r#"{"survey":"everyone"}"#).await?;
            Ok(changed)
        })
        .await?;
    Ok(axum::Json(changed))
}

#[derive(Serialize, ToSchema)]
pub struct Asked {
    /// Absent when there is nothing to ask.
    #[serde(skip_serializing_if = "Option::is_none")]
    question: Option<Question>,
}

/// Whether one is asked how satisfied one is. Whoever gets a question counts as asked.
#[utoipa::path(get, path = "/survey", tag = "accounts", responses(
    (status = 200, body = Asked), (status = "default", body = Problem)))]
pub async fn survey(current: CurrentAccount, State(app): State<App>) -> Result<axum::Json<Asked>> {
    let db = app.db.read();
    let survey = Survey::load(db).await?;
    let mut standing = standing(db, current.account, &survey, app.clock.now()).await?;
    if let Standing::Due = standing {
        standing = app.db.write(async |tx| ask(tx, &app, current.account).await).await?;
    }
    let question = matches!(standing, Standing::Open).then_some(survey.settings.question);
    Ok(axum::Json(Asked { question }))
}

/// Where somebody stands with the survey.
enum Standing {
    /// There is nothing to ask.
    Quiet,
    /// They are to be asked anew,
    Due,
    /// or were, and have not answered.
    Open,
}

async fn standing(
    db: &impl ConnectionTrait,
    account: Uuid,
    survey: &Survey,
    now: Millis,
) -> Result<Standing> {
    let last = last_asked(db, account).await?;
    let account = accounts::Entity::find_by_id(account).one(db).await?.ok_or(Code::SignedOut)?;
    if survey.is_due(account.created_at, last.as_ref().map(|row| row.asked_at), now) {
        return Ok(Standing::Due);
    }
    let is_shown = |row: &surveyed::Model| survey.settings.enabled && is_open(row) && row.again_at <= now;
    Ok(if last.as_ref().is_some_and(is_shown) { Standing::Open } else { Standing::Quiet })
}

async fn last_asked(db: &impl ConnectionTrait, account: Uuid) -> Result<Option<surveyed::Model>> {
    Ok(surveyed::Entity::find()
        .filter(surveyed::Column::Account.eq(account))
        .order_by_desc(surveyed::Column::AskedAt)
        .one(db)
        .await?)
}

fn is_open(row: &surveyed::Model) -> bool {
    !row.answered && row.put_off <= ASKED_AGAIN
}

/// Note that they are asked from now on, if another of their browsers has not.
async fn ask(tx: &impl ConnectionTrait, app: &App, account: Uuid) -> Result<Standing> {
    let now = app.clock.now();
    let survey = Survey::load(tx).await?;
    match standing(tx, account, &survey, now).await? {
        Standing::Due => {}
        other => return Ok(other),
    }
    let row = surveyed::Model { account, asked_at: now, again_at: now, put_off: 0, answered: false };
    surveyed::Entity::insert(surveyed::ActiveModel::from(row)).exec_without_returning(tx).await?;
    Ok(Standing::Open)
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    /// From 1, not at all, to 5, very.
    score: i16,
    /// Up to 500 characters.
    #[serde(default)]
    comment: String,
}

/// Say how satisfied one is. Nobody can find out who said it.
#[utoipa::path(post, path = "/survey/answer", tag = "accounts", request_body = Answer, responses(
    (status = 204), (status = "default", body = Problem)))]
pub async fn answer_survey(
    current: CurrentAccount,
    State(app): State<App>,
    Json(Answer { score, comment }): Json<Answer>,
) -> Result<StatusCode> {
    // Not every database takes a NUL.
    let comment = comment.trim().replace('\0', "\u{FFFD}");
    if !(1..=5).contains(&score) || comment.chars().count() > MAX_COMMENT {
        return Err(Code::BadRequest.into());
    }
    let asked = app
        .db
        .write(async |tx| {
            let row = open_question(tx, current.account).await?;
            set_answered(tx, &row, true).await?;
            Ok(row)
        })
        .await?;
    // In a transaction of its own, which knows nothing of the account.
    let opinion =
        opinions::Model { id: Uuid::new_v4(), week: satisfaction::week(app.clock.now()), score, comment };
    let stored = app
        .db
        .write(async |tx| {
            let row = opinions::ActiveModel::from(opinion.clone());
            Ok(opinions::Entity::insert(row).exec_without_returning(tx).await?)
        })
        .await;
    if stored.is_err() {
        app.db.write(async |tx| set_answered(tx, &asked, false).await).await?;
    }
    stored?;
    Ok(StatusCode::NO_CONTENT)
}

/// Not now: the question comes back after a week, twice at most.
#[utoipa::path(post, path = "/survey/later", tag = "accounts", responses(
    (status = 204), (status = "default", body = Problem)))]
pub async fn put_survey_off(current: CurrentAccount, State(app): State<App>) -> Result<StatusCode> {
    app.db
        .write(async |tx| {
            let row = open_question(tx, current.account).await?;
            let again_at = app.clock.now() + PAUSE;
            change(
                tx,
                &row,
                surveyed::ActiveModel {
                    again_at: Set(again_at),
                    put_off: Set(row.put_off + 1),
                    ..Default::default()
                },
            )
            .await
        })
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The question that waits for an answer.
async fn open_question(tx: &impl ConnectionTrait, account: Uuid) -> Result<surveyed::Model> {
    Ok(last_asked(tx, account).await?.filter(is_open).ok_or(Code::NotFound)?)
}

async fn set_answered(tx: &impl ConnectionTrait, row: &surveyed::Model, answered: bool) -> Result<()> {
    change(tx, row, surveyed::ActiveModel { answered: Set(answered), ..Default::default() }).await
}

async fn change(tx: &impl ConnectionTrait, row: &surveyed::Model, to: surveyed::ActiveModel) -> Result<()> {
    surveyed::Entity::update_many()
        .set(to)
        .filter(surveyed::Column::Account.eq(row.account))
        .filter(surveyed::Column::AskedAt.eq(row.asked_at))
        .exec(tx)
        .await?;
    Ok(())
}
