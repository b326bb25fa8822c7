//! Whether this messenger serves its people: how many use it, how fast messages are, how satisfied people are.
//! docs/indicators.md has the definitions, to the letter.
//!
//! What is on the way of messages ([`pulse`]) only notes in memory; once a minute, and whenever somebody looks,
//! [`store`] writes what was noted. Of use a row a person and day is kept, of speed only counts, of satisfaction
//! what nobody can be recognised by. All of it is gone after [`KEPT`].

pub mod activity;
pub mod pulse;
pub mod satisfaction;
pub mod speed;

use axum::extract::State;
use axum::response::Response;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::app::App;
use crate::clock::{DAY, HOUR, Millis};
use crate::csv;
use crate::error::{Problem, Result};
use crate::schema::tables;
use crate::sessions::Administrator;
use crate::wire::Path;

use activity::Use;
use satisfaction::Satisfaction;
use speed::Speed;

/// More than a year, so that a month can be compared with that of the year before.
const KEPT: Millis = 400 * DAY;

#[derive(Serialize, ToSchema)]
pub struct Indicators {
    r#use: Use,
    speed: Speed,
    satisfaction: Satisfaction,
}

/// The three figures by which an organisation sees whether this messenger serves it.
#[utoipa::path(get, path = "/administration/indicators", tag = "administration", responses(
    (status = 200, body = Indicators), (status = "default", body = Problem)))]
pub async fn indicators(_: Administrator, State(app): State<App>) -> Result<axum::Json<Indicators>> {
    store(&app).await?;
    Ok(axum::Json(Indicators {
        r#use: activity::look(&app).await?,
        speed: speed::look(&app).await?,
        satisfaction: satisfaction::look(&app).await?,
    }))
}

/// What can be taken along as a table.
#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Export {
    Use,
    Speed,
    Satisfaction,
    Comments,
}

impl Export {
    fn name(self) -> &'static str {
        match self {
            Self::Use => "use",
            Self::Speed => "speed",
            Self::Satisfaction => "satisfaction",
            Self::Comments => "comments",
        }
    }
}

/// One of the figures as a table (CSV in UTF-8).
#[utoipa::path(get, path = "/administration/indicators/export/{table}", tag = "administration",
    params(("table" = String, Path, description = "`use`, `speed`, `satisfaction` or `comments`")), responses(
    (status = 200, body = String, content_type = "text/csv"), (status = "default", body = Problem)))]
pub async fn export_indicator(
    _: Administrator,
    State(app): State<App>,
    Path(table): Path<Export>,
) -> Result<Response> {
    store(&app).await?;
    let rows = match table {
        Export::Use => activity::look(&app).await?.csv(),
        Export::Speed => speed::look(&app).await?.csv(),
        Export::Satisfaction => satisfaction::look(&app).await?.csv(),
        Export::Comments => satisfaction::look(&app).await?.comments_csv(),
    };
    csv::file(table.name(), app.clock.now(), rows)
}

/// Write what was noted since the last time; what cannot be written is noted still.
pub async fn store(app: &App) -> Result<()> {
    let noted = app.pulse.take();
    let stored = app
        .db
        .write(async |tx| {
            activity::store(tx, &noted.active).await?;
            speed::store(tx, &noted.delays).await
        })
        .await;
    if stored.is_err() {
        app.pulse.give_back(noted);
    }
    stored
}

/// Write what was noted, and forget what is too old.
pub async fn tidy(app: &App) -> Result<()> {
    store(app).await?;
    let before = app.clock.now() - KEPT;
    app.db
        .write(async |tx| {
            use tables::{activity, delays, opinions, surveyed};
            activity::Entity::delete_many()
                .filter(activity::Column::Day.lt(before.div_euclid(DAY)))
                .exec(tx)
                .await?;
            delays::Entity::delete_many()
                .filter(delays::Column::Hour.lt(before.div_euclid(HOUR)))
                .exec(tx)
                .await?;
            surveyed::Entity::delete_many().filter(surveyed::Column::AskedAt.lt(before)).exec(tx).await?;
            opinions::Entity::delete_many()
                .filter(opinions::Column::Week.lt(satisfaction::week(before)))
                .exec(tx)
                .await?;
            Ok(())
        })
        .await
}
