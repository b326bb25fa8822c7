//! The journal of what administrators did: written in the transaction that does it, only ever added to. Whoever's
//! account it was done to can read that part of it.

use axum::extract::State;
use axum::response::Response;
use sea_orm::{ColumnTrait, Condition, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::app::App;
use crate::clock::Millis;
use crate::csv::{self, Csv, date_and_time};
use crate::error::{Code, Error, Problem, Result};
use crate::people::{self, Person};
use crate::schema::tables::audit as table;
use crate::sessions::{self, Administrator, CurrentAccount};
use crate::wire::Query;

const PAGE: u64 = 50;

/// What administrators do.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Act {
    /// `detail`: what was changed.
    SettingsChanged,
    MadeAdministrator,
    MadePerson,
    Suspended,
    Resumed,
    SessionsEnded,
    /// `detail`: how many links, for how many, how long.
    Invited,
    /// `detail`: what the invitation was noted for.
    InvitationRevoked,
    /// A link for somebody who has lost both password and recovery code.
    ResetLinkMade,
    ErasureDecided,
    ErasureUndone,
    /// `detail`: its reason.
    ReportClosed,
    ReportOpened,
    /// What a newer version has written.
    #[serde(other)]
    Other,
}

impl Act {
    /// As it is stored and sent.
    fn name(self) -> Result<String> {
        let named = serde_json::to_value(self).map_err(Error::internal)?;
        Ok(named.as_str().unwrap_or_default().to_owned())
    }

    fn named(name: &str) -> Self {
        serde_json::from_value(name.into()).unwrap_or(Act::Other)
    }
}

/// Who does it.
#[derive(Clone, Copy, Debug)]
pub enum Actor {
    Administrator(CurrentAccount),
    /// Whoever may use the machine's command line.
    CommandLine,
}

impl Actor {
    /// None for the command line.
    pub fn account(self) -> Option<Uuid> {
        match self {
            Actor::Administrator(current) => Some(current.account),
            Actor::CommandLine => None,
        }
    }

    /// A request may outlast the right to make it: its body comes when it comes.
    async fn refuse_unless_standing(self, tx: &impl ConnectionTrait) -> Result<()> {
        let Actor::Administrator(current) = self else { return Ok(()) };
        match sessions::standing(tx, &current).await?.administrator {
            true => Ok(()),
            false => Err(Code::NotAdministrator.into()),
        }
    }
}

impl From<&Administrator> for Actor {
    fn from(Administrator(current): &Administrator) -> Self {
        Actor::Administrator(*current)
    }
}

/// Write down an act, within the transaction that does it, and before what takes the right from whoever acts. Refused
/// where they no longer have it.
pub async fn record(
    tx: &impl ConnectionTrait,
    app: &App,
    actor: Actor,
    act: Act,
    account: Option<Uuid>,
    detail: &str,
) -> Result<()> {
    actor.refuse_unless_standing(tx).await?;
    let administrator = actor.account();
    let row = table::Model {
        id: app.clock.new_id(),
        administrator,
        act: act.name()?,
        account,
        detail: detail.to_owned(),
        at: app.clock.now(),
    };
    table::Entity::insert(table::ActiveModel::from(row)).exec_without_returning(tx).await?;
    tracing::info!(?act, ?account, ?administrator, "an administrator acted");
    Ok(())
}

#[derive(Serialize, ToSchema)]
pub struct AuditEntry {
    id: Uuid,
    act: Act,
    /// None for the command line, and for an account that is gone.
    administrator: Option<Person>,
    by_command_line: bool,
    /// Whose account it was done to; none if it was nobody's, or is gone.
    account: Option<Person>,
    detail: String,
    at: Millis,
}

#[derive(Serialize, ToSchema)]
pub struct AuditEntries {
    entries: Vec<AuditEntry>,
    /// For the next page.
    next: Option<Uuid>,
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct AuditPage {
    /// The last page's `next`.
    before: Option<Uuid>,
}

/// What administrators did, the latest first.
#[utoipa::path(get, path = "/administration/audit", tag = "administration", params(AuditPage), responses(
    (status = 200, body = AuditEntries), (status = "default", body = Problem)))]
pub async fn audit(
    _: Administrator,
    State(app): State<App>,
    Query(page): Query<AuditPage>,
) -> Result<axum::Json<AuditEntries>> {
    read(&app, Condition::all(), page).await
}

/// All that administrators did, the latest first, as a table (CSV in UTF-8).
#[utoipa::path(get, path = "/administration/audit/export", tag = "administration", responses(
    (status = 200, body = String, content_type = "text/csv"), (status = "default", body = Problem)))]
pub async fn export_audit(_: Administrator, State(app): State<App>) -> Result<Response> {
    let mut csv = Csv::new(&["at", "administrator", "act", "account", "account id", "detail"]);
    let mut before = None;
    loop {
        let page = read(&app, Condition::all(), AuditPage { before }).await?.0;
        for AuditEntry { act, administrator, by_command_line, account, detail, at, .. } in page.entries {
            let handle = |person: Option<Person>| person.map(|person| person.handle).unwrap_or_default();
            let by = if by_command_line { "command line".to_owned() } else { handle(administrator) };
            let id = account.as_ref().map(|person| person.id.to_string()).unwrap_or_default();
            csv.row([date_and_time(at), by, act.name()?, handle(account), id, detail], []);
        }
        before = page.next;
        if before.is_none() {
            return csv::file("journal", app.clock.now(), csv.finish());
        }
    }
}

/// What administrators did to one's own account, the latest first.
#[utoipa::path(get, path = "/audit", tag = "accounts", params(AuditPage), responses(
    (status = 200, body = AuditEntries), (status = "default", body = Problem)))]
pub async fn own_audit(
    current: CurrentAccount,
    State(app): State<App>,
    Query(page): Query<AuditPage>,
) -> Result<axum::Json<AuditEntries>> {
    read(&app, Condition::all().add(table::Column::Account.eq(current.account)), page).await
}

/// The latest of what administrators did.
pub async fn latest(app: &App) -> Result<AuditEntries> {
    let axum::Json(entries) = read(app, Condition::all(), AuditPage { before: None }).await?;
    Ok(entries)
}

async fn read(app: &App, those: Condition, page: AuditPage) -> Result<axum::Json<AuditEntries>> {
    let db = app.db.read();
    // Ids are in the order of time.
    let before = page.before.map(|before| table::Column::Id.lt(before));
    let rows = table::Entity::find()
        .filter(those.add_option(before))
        .order_by_desc(table::Column::Id)
        .limit(PAGE)
        .all(db)
        .await?;
    let next = rows.last().filter(|_| rows.len() as u64 == PAGE).map(|row| row.id);
    let named = rows.iter().flat_map(|row| row.administrator.into_iter().chain(row.account));
    let people = people::by_id(db, named).await?;
    let person = |id: Option<Uuid>| people.get(&id?).cloned();
    let entries = rows.into_iter().map(|row| AuditEntry {
        id: row.id,
        act: Act::named(&row.act),
        by_command_line: row.administrator.is_none(),
        administrator: person(row.administrator),
        account: person(row.account),
        detail: row.detail,
        at: row.at,
    });
    Ok(axum::Json(AuditEntries { entries: entries.collect(), next }))
}
