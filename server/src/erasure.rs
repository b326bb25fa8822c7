//! The end of an account. Its owner asks for it, or an administrator does; for seven days it can be taken back. Then
//! everything goes that was the account's: what let its owner in, the profile, the keys, all that they ever wrote, also
//! from the conversations of the others, who keep what they wrote themselves. What is left is an id without a name, that
//! its conversations had two people, and the journal of the administrators.
//!
//! The account goes in one transaction, and with it every way in. What it wrote follows through the writer, as messages
//! do whose time is over; a server that is stopped meanwhile goes on where it was.

use std::ops::Range;

use axum::extract::State;
use axum::http::StatusCode;
use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, Condition, ConnectionTrait, EntityTrait, QueryFilter,
    QuerySelect, QueryTrait,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::addresses;
use crate::administration::refuse_if_last;
use crate::app::App;
use crate::audit::{self, Act, Actor};
use crate::clock::{DAY, Millis};
use crate::conversations::{self, Conversation};
use crate::error::{Code, Problem, Result};
use crate::event::Event;
use crate::limits::ClientAddress;
use crate::login::{PasswordProof, Proof};
use crate::mail::{self, Secured};
use crate::people::Person;
use crate::schema::tables::{
    accounts as rows, activity, addresses as given_addresses, avatars, backup_codes, challenges,
    conversations as talks, erasures as table, handshakes, invitations, key_bundles, keyring, mail_tokens,
    mails, messages as written, passkeys, pending_logins, reactions, reported_messages, reports, resets,
    scheduled, search_terms, second_factors, slots, surveyed, vaults,
};
use crate::sessions::{self, Administrator, CurrentAccount};
use crate::wire::{Json, Path};
use crate::writer::{Change, NewChange, answered};
use crate::{epochs, messages, run_due, tokens};

/// To think it over, and to notice what somebody else began.
pub const WAIT: Millis = 7 * DAY;
/// Messages that are marked in one transaction: others write meanwhile.
const AT_ONCE: i64 = 5_000;

// ── Asked for by its owner ───────────────────────────────────────────────────────────────────────────────────────

#[derive(Serialize, ToSchema)]
pub struct ErasureAsked {
    erase_at: Millis,
    /// Shown once, and stored nowhere. With it, its owner sees later what became of the account: `/receipt#token`.
    receipt: String,
}

/// Prove the password, and have one's account erased in seven days. Asked again, only the receipt is another.
#[utoipa::path(post, path = "/erasure", tag = "accounts", request_body = PasswordProof, responses(
    (status = 201, body = ErasureAsked), (status = "default", body = Problem)))]
pub async fn ask_for_erasure(
    current: CurrentAccount,
    State(app): State<App>,
    Json(given): Json<PasswordProof>,
) -> Result<(StatusCode, axum::Json<ErasureAsked>)> {
    let proof = given.finish(&app).await?;
    let receipt = tokens::new()?;
    let erase_at = app.db.write(async |tx| ask(tx, &app, &current, &proof, &receipt).await).await?;
    mail::ring(&app);
    app.live.publish(&[current.account], &Event::Erasure { erase_at: Some(erase_at) });
    tracing::info!(account = %current.account, "to be erased");
    Ok((StatusCode::CREATED, axum::Json(ErasureAsked { erase_at, receipt })))
}

async fn ask(
    tx: &impl ConnectionTrait,
    app: &App,
    current: &CurrentAccount,
    proof: &Proof,
    receipt: &str,
) -> Result<Millis> {
    let account = sessions::standing(tx, current).await?;
    proof.holds_for(&account)?;
    // Told once, whatever is pressed again.
    if account.erase_at.is_none() {
        addresses::tell(tx, app, account.id, Secured::ErasureAsked).await?;
    }
    let erase_at = plan(tx, app, account, true).await?;
    table::Entity::update_many()
        .col_expr(table::Column::Receipt, Expr::val(tokens::hash(receipt)))
        .filter(table::Column::Account.eq(current.account))
        .exec(tx)
        .await?;
    Ok(erase_at)
}

/// Keep one's account after all; not where administrators have decided otherwise.
#[utoipa::path(delete, path = "/erasure", tag = "accounts", responses(
    (status = 204), (status = "default", body = Problem)))]
pub async fn take_erasure_back(current: CurrentAccount, State(app): State<App>) -> Result<StatusCode> {
    app.db
        .write(async |tx| {
            let planned = table::Entity::find_by_id(current.account).one(tx).await?.ok_or(Code::NotFound)?;
            if !planned.by_owner {
                return Err(Code::AdministratorsDecided.into());
            }
            keep(tx, current.account).await
        })
        .await?;
    app.live.publish(&[current.account], &Event::Erasure { erase_at: None });
    tracing::info!(account = %current.account, "not to be erased after all");
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ShowReceipt {
    token: String,
}

/// What became of an account whose owner had it erased.
#[derive(Serialize, ToSchema)]
pub struct Receipt {
    asked_at: Millis,
    /// When it will be erased; none once that has begun.
    erase_at: Option<Millis>,
    /// When nothing was left.
    done_at: Option<Millis>,
    /// How many of its messages were erased, of how many conversations.
    messages: i64,
    conversations: i64,
}

/// Show what became of one's account. Nobody needs to be signed in, nor could be.
#[utoipa::path(post, path = "/receipts", tag = "accounts", request_body = ShowReceipt, responses(
    (status = 200, body = Receipt), (status = "default", body = Problem)))]
pub async fn receipt(
    address: ClientAddress,
    State(app): State<App>,
    Json(show): Json<ShowReceipt>,
) -> Result<axum::Json<Receipt>> {
    app.limits.look(&address)?;
    let db = app.db.read();
    let those = table::Column::Receipt.eq(tokens::hash(&show.token));
    let row = table::Entity::find().filter(those).one(db).await?.ok_or(Code::NotFound)?;
    let account = rows::Entity::find_by_id(row.account).one(db).await?;
    let table::Model { asked_at, done_at, messages, conversations, .. } = row;
    let erase_at = account.and_then(|account| account.erase_at);
    Ok(axum::Json(Receipt { asked_at, erase_at, done_at, messages, conversations }))
}

// ── Decided by administrators ────────────────────────────────────────────────────────────────────────────────────

#[derive(Serialize, ToSchema)]
pub struct Erasing {
    pub erase_at: Millis,
}

/// Have somebody's account erased in seven days. Until then they are kept out, and an administrator can take it back.
#[utoipa::path(put, path = "/administration/people/{account}/erasure", tag = "administration",
    params(("account" = Uuid, Path)), responses((status = 200, body = Erasing), (status = "default", body = Problem)))]
pub async fn decide_erasure(
    administrator: Administrator,
    State(app): State<App>,
    Path(account): Path<Uuid>,
) -> Result<axum::Json<Erasing>> {
    Ok(axum::Json(decide(&app, (&administrator).into(), account, WAIT).await?))
}

/// Not to erase somebody's account after all. They stay kept out until they are let back in. What its owner has asked
/// for, only its owner takes back: that stands again.
#[utoipa::path(delete, path = "/administration/people/{account}/erasure", tag = "administration",
    params(("account" = Uuid, Path)), responses((status = 204), (status = "default", body = Problem)))]
pub async fn undo_erasure(
    administrator: Administrator,
    State(app): State<App>,
    Path(account): Path<Uuid>,
) -> Result<StatusCode> {
    undo(&app, (&administrator).into(), account).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// When: `wait` from now, or earlier where it was decided before.
pub async fn decide(app: &App, actor: Actor, account: Uuid, wait: Millis) -> Result<Erasing> {
    let (erase_at, ended) = app
        .db
        .write(async |tx| {
            let row = rows::Entity::find_by_id(account).one(tx).await?.ok_or(Code::NotFound)?;
            plan(tx, app, row.clone(), false).await?;
            audit::record(tx, app, actor, Act::ErasureDecided, Some(account), "").await?;
            let now = app.clock.now();
            let erase_at = row.erase_at.map_or(now + wait, |planned| Ord::min(planned, now + wait));
            let suspended_at = Set(row.suspended_at.or(Some(now)));
            rows::ActiveModel { erase_at: Set(Some(erase_at)), suspended_at, ..row.into() }
                .update(tx)
                .await?;
            Ok((erase_at, sessions::end_all(tx, account, None).await?))
        })
        .await?;
    ended.close(app);
    Ok(Erasing { erase_at })
}

pub async fn undo(app: &App, actor: Actor, account: Uuid) -> Result<()> {
    app.db
        .write(async |tx| {
            let planned = table::Entity::find_by_id(account).one(tx).await?.ok_or(Code::NotFound)?;
            if planned.by_owner {
                return Err(Code::AskedByOwner.into());
            }
            // Only who has asked for it has a receipt.
            if planned.receipt.is_some() {
                table::ActiveModel { by_owner: Set(true), ..planned.into() }.update(tx).await?;
            } else {
                keep(tx, account).await?;
            }
            audit::record(tx, app, actor, Act::ErasureUndone, Some(account), "").await
        })
        .await
}

/// Erase at once: nobody can take it back.
pub async fn erase_now(app: &App, actor: Actor, account: Uuid) -> Result<()> {
    decide(app, actor, account, 0).await?;
    tidy(app).await
}

// ── Both ─────────────────────────────────────────────────────────────────────────────────────────────────────────

/// Note that an account is to be erased; when, where it was not noted before. Once an administrator has decided it,
/// its owner does not take it back.
async fn plan(tx: &impl ConnectionTrait, app: &App, account: rows::Model, by_owner: bool) -> Result<Millis> {
    let planned = table::Entity::find_by_id(account.id).one(tx).await?;
    if let (Some(planned), Some(erase_at)) = (planned, account.erase_at) {
        if planned.by_owner && !by_owner {
            table::ActiveModel { by_owner: Set(false), ..planned.into() }.update(tx).await?;
        }
        return Ok(erase_at);
    }
    refuse_if_last(tx, &account).await?;
    let now = app.clock.now();
    let row = table::Model {
        account: account.id,
        by_owner,
        asked_at: now,
        begun_at: None,
        done_at: None,
        receipt: None,
        handle: None,
        messages: 0,
        conversations: 0,
    };
    table::Entity::insert(table::ActiveModel::from(row)).exec_without_returning(tx).await?;
    let erase_at = now + WAIT;
    rows::ActiveModel { erase_at: Set(Some(erase_at)), ..account.into() }.update(tx).await?;
    Ok(erase_at)
}

async fn keep(tx: &impl ConnectionTrait, account: Uuid) -> Result<()> {
    let not_begun =
        Condition::all().add(table::Column::Account.eq(account)).add(table::Column::BegunAt.is_null());
    if table::Entity::delete_many().filter(not_begun).exec(tx).await?.rows_affected == 0 {
        return Err(Code::NotFound.into());
    }
    rows::Entity::update_many()
        .col_expr(rows::Column::EraseAt, Expr::val(Option::<Millis>::None))
        .filter(rows::Column::Id.eq(account))
        .exec(tx)
        .await?;
    Ok(())
}

/// Whether an account that was erased had this handle. Nobody gets it again: who knew its owner could take the new one
/// for the old.
pub async fn was_taken(db: &impl ConnectionTrait, app: &App, handle: &str) -> Result<bool> {
    let those = table::Column::Handle.eq(tag(app, handle));
    Ok(table::Entity::find().filter(those).one(db).await?.is_some())
}

fn tag(app: &App, handle: &str) -> Vec<u8> {
    app.opaque.tag("erased-handle", handle.as_bytes()).to_vec()
}

/// Those of these accounts that were erased.
pub async fn gone(db: &impl ConnectionTrait, accounts: Vec<Uuid>) -> Result<Vec<Uuid>> {
    let those = table::Entity::find()
        .select_only()
        .column(table::Column::Account)
        .filter(table::Column::Account.is_in(accounts))
        .filter(table::Column::BegunAt.is_not_null());
    Ok(those.into_tuple().all(db).await?)
}

// ── When the time has come ───────────────────────────────────────────────────────────────────────────────────────

/// Erase what is due, and go on where it was begun. One that cannot be erased holds up no other.
pub async fn tidy(app: &App) -> Result<()> {
    let open = table::Entity::find().filter(table::Column::DoneAt.is_null()).all(app.db.read()).await?;
    let mut done = Ok(());
    for row in open {
        done = done.and(erase(app, row).await);
    }
    done
}

async fn erase(app: &App, row: table::Model) -> Result<()> {
    let begun_at = match row.begun_at {
        Some(begun_at) => Some(begun_at),
        None => begin(app, row.account).await?,
    };
    match begun_at {
        Some(begun_at) => finish(app, row.account, begun_at).await,
        None => Ok(()),
    }
}

/// The account itself, if it is due: when that was.
async fn begin(app: &App, account: Uuid) -> Result<Option<Millis>> {
    let now = app.clock.now();
    let erased = app
        .db
        .write(async |tx| {
            let Some(row) = rows::Entity::find_by_id(account).one(tx).await? else { return Ok(None) };
            if row.erase_at.is_none_or(|erase_at| now < erase_at) {
                return Ok(None);
            }
            let ended = sessions::end_all(tx, account, None).await?;
            forget(tx, &row).await?;
            let change = table::ActiveModel {
                account: Set(account),
                begun_at: Set(Some(now)),
                handle: Set(Some(tag(app, &row.handle))),
                ..Default::default()
            };
            change.update(tx).await?;
            Ok(Some(ended))
        })
        .await?;
    let Some(ended) = erased else { return Ok(None) };
    ended.close(app);
    tracing::info!(%account, "the account is erased; what it wrote follows");
    let contacts = conversations::contacts(app.db.read(), account).await?;
    app.live.publish(&contacts, &Event::Profile { person: Person::gone(account) });
    Ok(Some(now))
}

/// Everything that is kept for the account or of it, but what it wrote.
async fn forget(tx: &impl ConnectionTrait, account: &rows::Model) -> Result<()> {
    let id = account.id;
    macro_rules! forget {
        ($($table:ident of $column:ident $value:expr;)*) => {
            $($table::Entity::delete_many().filter($table::Column::$column.eq($value)).exec(tx).await?;)*
        };
    }
    // What they told of others stays, but not in their words.
    reports::Entity::update_many()
        .col_expr(reports::Column::Note, Expr::val(""))
        .filter(reports::Column::Reporter.eq(id))
        .exec(tx)
        .await?;
    let about = reports::Entity::find().select_only().column(reports::Column::Id);
    let about = about.filter(reports::Column::Account.eq(id)).into_query();
    let disclosed = reported_messages::Column::Report.in_subquery(about);
    reported_messages::Entity::delete_many().filter(disclosed).exec(tx).await?;
    // What is addressed to them.
    let given = given_addresses::Entity::find_by_id(id).one(tx).await?;
    for address in given.into_iter().flat_map(|row| [row.address, row.pending]).flatten() {
        forget! {
            mails of Address address.as_str();
            // By which they have signed up.
            invitations of Address address.as_str();
        }
    }
    forget! {
        given_addresses of Account id;
        mail_tokens of Account id;
        passkeys of Account id;
        challenges of About id;
        reports of Account id;
        vaults of Account id;
        slots of Account id;
        key_bundles of Account id;
        keyring of Account id;
        second_factors of Account id;
        backup_codes of Account id;
        resets of Account id;
        avatars of Account id;
        search_terms of Account id;
        activity of Account id;
        surveyed of Account id;
        handshakes of Handle account.handle.as_str();
        pending_logins of Handle account.handle.as_str();
        rows of Id id;
    }
    // Nobody else comes in by a link of theirs.
    invitations::Entity::update_many()
        .col_expr(invitations::Column::Revoked, Expr::val(true))
        .filter(invitations::Column::Inviter.eq(id))
        .exec(tx)
        .await?;
    // Nothing more is written to nobody, also not what waits for its time.
    talks::Entity::update_many()
        .col_expr(talks::Column::ClosedEpoch, Expr::col(talks::Column::Epoch))
        .filter(with(id))
        .exec(tx)
        .await?;
    let theirs = talks::Entity::find().select_only().column(talks::Column::Id).filter(with(id)).into_query();
    scheduled::Entity::delete_many()
        .filter(scheduled::Column::Conversation.in_subquery(theirs))
        .exec(tx)
        .await?;
    Ok(())
}

fn with(account: Uuid) -> Condition {
    Condition::any().add(talks::Column::Low.eq(account)).add(talks::Column::High.eq(account))
}

/// What it wrote, wherever that lies.
async fn finish(app: &App, account: Uuid, begun_at: Millis) -> Result<()> {
    let talks = talks::Entity::find().filter(with(account)).all(app.db.read()).await?;
    for talk in &talks {
        take_reactions_back(app, account, talk).await?;
        for first in (1..=talk.seq).step_by(AT_ONCE as usize) {
            let seqs = first..first + AT_ONCE;
            app.db.write(async |tx| mark(tx, account, talk.id, seqs.clone(), begun_at).await).await?;
        }
        app.db.write(async |tx| epochs::outlive(tx, talk.id, talk.epoch, begun_at).await).await?;
    }
    run_due(app).await?;
    let done = table::ActiveModel {
        account: Set(account),
        done_at: Set(Some(app.clock.now())),
        conversations: Set(talks.len() as i64),
        ..Default::default()
    };
    app.db.write(async |tx| Ok(done.clone().update(tx).await?)).await?;
    tracing::info!(%account, conversations = talks.len(), "erased");
    Ok(())
}

/// Others see that what it felt about their messages is gone.
async fn take_reactions_back(app: &App, account: Uuid, talk: &talks::Model) -> Result<()> {
    let reacted = reactions::Entity::find()
        .select_only()
        .column(reactions::Column::Seq)
        .filter(reactions::Column::Conversation.eq(talk.id))
        .filter(reactions::Column::Sender.eq(account))
        .into_query();
    let targets = written::Entity::find()
        .select_only()
        .column(written::Column::Id)
        .filter(written::Column::Conversation.eq(talk.id))
        .filter(written::Column::Seq.in_subquery(reacted))
        .into_tuple::<Uuid>();
    let conversation = Conversation { id: talk.id, me: account, low: talk.low, high: talk.high };
    for target in targets.all(app.db.read()).await? {
        let change = Change::Unreact;
        answered(|answer| app.writer.change(NewChange { conversation, target, change, answer })).await?;
    }
    Ok(())
}

/// Its messages are to disappear, and are counted.
async fn mark(
    tx: &impl ConnectionTrait,
    account: Uuid,
    conversation: Uuid,
    seqs: Range<i64>,
    begun_at: Millis,
) -> Result<()> {
    let marked = messages::let_disappear(tx, conversation, seqs, Some(account), begun_at).await?;
    table::Entity::update_many()
        .col_expr(table::Column::Messages, Expr::col(table::Column::Messages).add(marked))
        .filter(table::Column::Account.eq(account))
        .exec(tx)
        .await?;
    Ok(())
}
