//! What administrators do with accounts: see who is there, suspend and let back in, end sessions, choose who else
//! administers. Each act is written into the journal ([`crate::audit`]) in the transaction that does it. None of it opens
//! a message: no key of anybody's is within reach here.

use std::collections::HashMap;

use axum::extract::State;
use axum::http::StatusCode;
use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, Condition, ConnectionTrait, EntityTrait, PaginatorTrait, QueryFilter,
    QueryOrder, QuerySelect, QueryTrait,
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::accounts::Role;
use crate::app::App;
use crate::audit::{self, Act, Actor};
use crate::clock::{DAY, Millis};
use crate::error::{Code, Problem, Result};
use crate::factor;
use crate::people::{self, Person};
use crate::schema::tables::{accounts, sessions as signed_in};
use crate::sessions::{self, Administrator};
use crate::wire::{Json, Path, Query};

const PAGE: u64 = 50;
/// Who has not been here for so long counts as absent.
const ABSENT_AFTER: Millis = 30 * DAY;

/// An account as administrators see it.
#[derive(Serialize, ToSchema)]
pub struct Account {
    #[serde(flatten)]
    person: Person,
    role: Role,
    created_at: Millis,
    suspended_at: Option<Millis>,
    /// When it will be erased.
    erase_at: Option<Millis>,
    /// How many browsers are signed in.
    sessions: u64,
    /// When the last of these was used, to the hour; none if there is none.
    seen_at: Option<Millis>,
    /// Log-ins ask for something beside the password.
    second_factor: bool,
}

#[derive(Serialize, ToSchema)]
pub struct Accounts {
    accounts: Vec<Account>,
    /// How many there are in all, whatever was asked for.
    registered: u64,
    /// For the next page.
    next: Option<Uuid>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize, ToSchema, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Which {
    #[default]
    All,
    Administrators,
    Suspended,
    /// To be erased.
    Leaving,
    /// Signed in nowhere, or in no browser that was used in the last 30 days.
    Absent,
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct AccountsPage {
    /// The beginning of a handle, a name, or a word of it.
    #[serde(default)]
    q: String,
    #[serde(default)]
    #[param(inline)]
    which: Which,
    /// The last page's `next`.
    before: Option<Uuid>,
}

/// The accounts, the latest first.
#[utoipa::path(get, path = "/administration/people", tag = "administration", params(AccountsPage), responses(
    (status = 200, body = Accounts), (status = "default", body = Problem)))]
pub async fn accounts(
    _: Administrator,
    State(app): State<App>,
    Query(page): Query<AccountsPage>,
) -> Result<axum::Json<Accounts>> {
    Ok(axum::Json(list(&app, &page.q, page.which, page.before).await?))
}

pub async fn list(app: &App, q: &str, which: Which, before: Option<Uuid>) -> Result<Accounts> {
    use accounts::Column;
    let db = app.db.read();
    let lately = signed_in::Entity::find()
        .select_only()
        .column(signed_in::Column::Account)
        .filter(signed_in::Column::SeenAt.gt(app.clock.now() - ABSENT_AFTER));
    // Ids are in the order of time.
    let mut those = Condition::all().add_option(before.map(|before| Column::Id.lt(before)));
    those = match which {
        Which::All => those,
        Which::Administrators => those.add(Column::Administrator.eq(true)),
        Which::Suspended => those.add(Column::SuspendedAt.is_not_null()),
        Which::Leaving => those.add(Column::EraseAt.is_not_null()),
        Which::Absent => {
            those.add(Expr::col((accounts::Entity, Column::Id)).not_in_subquery(lately.into_query()))
        }
    };
    if !q.trim().is_empty() {
        let Some(found) = people::found_by(q) else {
            return Ok(Accounts { accounts: Vec::new(), registered: count(db).await?, next: None });
        };
        those = those.add(Expr::col((accounts::Entity, Column::Id)).in_subquery(found));
    }
    let rows = accounts::Entity::find().filter(those).order_by_desc(Column::Id).limit(PAGE).all(db).await?;
    let next = rows.last().filter(|_| rows.len() as u64 == PAGE).map(|row| row.id);
    let ids: Vec<Uuid> = rows.iter().map(|row| row.id).collect();
    let mut used = sessions_of(db, &ids).await?;
    let guarded = factor::on_for(db, &ids).await?;
    let accounts = rows.into_iter().map(|row| {
        let (sessions, seen_at) = used.remove(&row.id).unwrap_or_default();
        Account {
            role: Role::of(&row),
            created_at: row.created_at,
            suspended_at: row.suspended_at,
            erase_at: row.erase_at,
            sessions,
            seen_at,
            second_factor: guarded.contains(&row.id),
            person: row.into(),
        }
    });
    Ok(Accounts { accounts: accounts.collect(), registered: count(db).await?, next })
}

async fn count(db: &impl ConnectionTrait) -> Result<u64> {
    Ok(accounts::Entity::find().count(db).await?)
}

/// How many sessions each has, and when the last of them was used.
async fn sessions_of(
    db: &impl ConnectionTrait,
    accounts: &[Uuid],
) -> Result<HashMap<Uuid, (u64, Option<Millis>)>> {
    let mut of: HashMap<Uuid, (u64, Option<Millis>)> = HashMap::new();
    let rows = signed_in::Entity::find()
        .select_only()
        .columns([signed_in::Column::Account, signed_in::Column::SeenAt])
        .filter(signed_in::Column::Account.is_in(accounts.iter().copied()));
    for (account, seen_at) in rows.into_tuple::<(Uuid, Millis)>().all(db).await? {
        let (sessions, last) = of.entry(account).or_default();
        *sessions += 1;
        *last = std::cmp::Ord::max(*last, Some(seen_at));
    }
    Ok(of)
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewRole {
    role: Role,
}

/// Make somebody an administrator, or a person like all others. There is always one administrator who can act.
#[utoipa::path(put, path = "/administration/people/{account}/role", tag = "administration", request_body = NewRole,
    params(("account" = Uuid, Path)), responses((status = 204), (status = "default", body = Problem)))]
pub async fn change_role(
    administrator: Administrator,
    State(app): State<App>,
    Path(account): Path<Uuid>,
    Json(new): Json<NewRole>,
) -> Result<StatusCode> {
    give_role(&app, (&administrator).into(), account, new.role).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub async fn give_role(app: &App, actor: Actor, account: Uuid, role: Role) -> Result<()> {
    app.db
        .write(async |tx| {
            let row = find(tx, account).await?;
            if Role::of(&row) == role {
                return Ok(());
            }
            let act = match role {
                Role::Administrator => Act::MadeAdministrator,
                Role::Person => Act::MadePerson,
            };
            if role == Role::Person {
                refuse_if_last(tx, &row).await?;
            }
            audit::record(tx, app, actor, act, Some(account), "").await?;
            let administrator = Set(role == Role::Administrator);
            accounts::ActiveModel { administrator, ..row.into() }.update(tx).await?;
            Ok(())
        })
        .await
}

/// Keep somebody out: their sessions end, and no password lets them in. What others have of them stays.
#[utoipa::path(put, path = "/administration/people/{account}/suspension", tag = "administration",
    params(("account" = Uuid, Path)), responses((status = 204), (status = "default", body = Problem)))]
pub async fn suspend(
    administrator: Administrator,
    State(app): State<App>,
    Path(account): Path<Uuid>,
) -> Result<StatusCode> {
    keep_out(&app, (&administrator).into(), account).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub async fn keep_out(app: &App, actor: Actor, account: Uuid) -> Result<()> {
    let ended = app
        .db
        .write(async |tx| {
            let row = find(tx, account).await?;
            if row.suspended_at.is_some() {
                return sessions::end_all(tx, account, None).await;
            }
            refuse_if_last(tx, &row).await?;
            audit::record(tx, app, actor, Act::Suspended, Some(account), "").await?;
            let suspended_at = Set(Some(app.clock.now()));
            accounts::ActiveModel { suspended_at, ..row.into() }.update(tx).await?;
            sessions::end_all(tx, account, None).await
        })
        .await?;
    ended.close(app);
    Ok(())
}

/// Let somebody back in.
#[utoipa::path(delete, path = "/administration/people/{account}/suspension", tag = "administration",
    params(("account" = Uuid, Path)), responses((status = 204), (status = "default", body = Problem)))]
pub async fn resume(
    administrator: Administrator,
    State(app): State<App>,
    Path(account): Path<Uuid>,
) -> Result<StatusCode> {
    let_back_in(&app, (&administrator).into(), account).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub async fn let_back_in(app: &App, actor: Actor, account: Uuid) -> Result<()> {
    app.db
        .write(async |tx| {
            let row = find(tx, account).await?;
            if row.suspended_at.is_none() {
                return Ok(());
            }
            accounts::ActiveModel { suspended_at: Set(None), ..row.into() }.update(tx).await?;
            audit::record(tx, app, actor, Act::Resumed, Some(account), "").await
        })
        .await
}

/// End all sessions of somebody: they log in again.
#[utoipa::path(delete, path = "/administration/people/{account}/sessions", tag = "administration",
    params(("account" = Uuid, Path)), responses((status = 204), (status = "default", body = Problem)))]
pub async fn end_sessions(
    administrator: Administrator,
    State(app): State<App>,
    Path(account): Path<Uuid>,
) -> Result<StatusCode> {
    sign_out(&app, (&administrator).into(), account).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub async fn sign_out(app: &App, actor: Actor, account: Uuid) -> Result<()> {
    let ended = app
        .db
        .write(async |tx| {
            let row = find(tx, account).await?;
            // As when its owner does it: what is written from now on goes under new keys.
            let secured_at = Set(app.clock.now());
            accounts::ActiveModel { secured_at, ..row.into() }.update(tx).await?;
            audit::record(tx, app, actor, Act::SessionsEnded, Some(account), "").await?;
            sessions::end_all(tx, account, None).await
        })
        .await?;
    ended.close(app);
    Ok(())
}

async fn find(tx: &impl ConnectionTrait, account: Uuid) -> Result<accounts::Model> {
    Ok(accounts::Entity::find_by_id(account).one(tx).await?.ok_or(Code::NotFound)?)
}

/// Without an administrator who can log in and stays, nobody could make one but whoever has the machine.
pub async fn refuse_if_last(tx: &impl ConnectionTrait, account: &accounts::Model) -> Result<()> {
    if !account.administrator || account.suspended_at.is_some() || account.erase_at.is_some() {
        return Ok(());
    }
    let others = accounts::Entity::find()
        .filter(accounts::Column::Administrator.eq(true))
        .filter(accounts::Column::SuspendedAt.is_null())
        .filter(accounts::Column::EraseAt.is_null())
        .filter(accounts::Column::Id.ne(account.id));
    match others.count(tx).await? {
        0 => Err(Code::LastAdministrator.into()),
        _ => Ok(()),
    }
}
