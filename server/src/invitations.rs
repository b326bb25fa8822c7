//! Invitations: links that let somebody sign up where not everybody may. The token is in the link's fragment, which no
//! server sees, and here only as a hash: a link is shown once, to who made it.

use axum::extract::State;
use axum::http::StatusCode;
use sea_orm::sea_query::ExprTrait;
use sea_orm::{ColumnTrait, Condition, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::addresses;
use crate::app::App;
use crate::audit::{self, Act, Actor};
use crate::clock::{DAY, Millis};
use crate::error::{Code, Problem, Result};
use crate::limits::ClientAddress;
use crate::mail::{self, Address, Letter};
use crate::organisation::{Language, Organisation, SignUp};
use crate::people::{self, Person};
use crate::schema::tables::invitations as table;
use crate::sessions::Administrator;
use crate::tokens;
use crate::wire::{Json, Path, Query};

const PAGE: u64 = 50;
/// Made in one request.
const MAX_AT_ONCE: usize = 500;
const MAX_DAYS: i64 = 365;
const MAX_USES: i64 = 10_000;
/// To find the mail the next morning.
const BY_MAIL: Millis = 2 * DAY;
/// Characters.
const MAX_NOTE: usize = 200;

#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewInvitations {
    /// For whom, or what for: one invitation each, up to 500. Up to 200 characters, and perhaps none.
    pub notes: Vec<String>,
    /// How many people may sign up with each, 1 to 10,000.
    pub uses: i64,
    /// How long they can be used, 1 to 365.
    pub days: i64,
}

/// An invitation just made, with the only copy of its token.
#[derive(Serialize, ToSchema)]
pub struct NewInvitation {
    pub id: Uuid,
    pub note: String,
    /// 32 random bytes, base64url. The link is `/sign-up#` and this.
    pub token: String,
}

#[derive(Serialize, ToSchema)]
pub struct NewInvitationLinks {
    invitations: Vec<NewInvitation>,
}

#[derive(Serialize, ToSchema)]
pub struct Invitation {
    id: Uuid,
    note: String,
    /// None for the command line, and for an account that is gone.
    inviter: Option<Person>,
    uses: i64,
    used: i64,
    created_at: Millis,
    expires_at: Millis,
    revoked: bool,
}

#[derive(Serialize, ToSchema)]
pub struct Invitations {
    invitations: Vec<Invitation>,
    /// For the next page.
    next: Option<Uuid>,
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct InvitationsPage {
    /// The last page's `next`.
    before: Option<Uuid>,
}

/// Invitations, the latest first; without their tokens.
#[utoipa::path(get, path = "/administration/invitations", tag = "administration", params(InvitationsPage), responses(
    (status = 200, body = Invitations), (status = "default", body = Problem)))]
pub async fn invitations(
    _: Administrator,
    State(app): State<App>,
    Query(page): Query<InvitationsPage>,
) -> Result<axum::Json<Invitations>> {
    let db = app.db.read();
    // Ids are in the order of time.
    let before = page.before.map(|before| table::Column::Id.lt(before));
    // Who has asked for one by mail is nobody's business.
    let made = Condition::all().add(table::Column::Address.is_null());
    let rows = table::Entity::find()
        .filter(made.add_option(before))
        .order_by_desc(table::Column::Id)
        .limit(PAGE)
        .all(db)
        .await?;
    let next = rows.last().filter(|_| rows.len() as u64 == PAGE).map(|row| row.id);
    let inviters = people::by_id(db, rows.iter().filter_map(|row| row.inviter)).await?;
    let invitations = rows.into_iter().map(|row| Invitation {
        id: row.id,
        note: row.note,
        inviter: row.inviter.and_then(|inviter| inviters.get(&inviter).cloned()),
        uses: row.uses,
        used: row.used,
        created_at: row.created_at,
        expires_at: row.expires_at,
        revoked: row.revoked,
    });
    Ok(axum::Json(Invitations { invitations: invitations.collect(), next }))
}

/// Make invitations. Their tokens are in this answer and nowhere else.
#[utoipa::path(post, path = "/administration/invitations", tag = "administration", request_body = NewInvitations, responses(
    (status = 201, body = NewInvitationLinks), (status = "default", body = Problem)))]
pub async fn invite(
    administrator: Administrator,
    State(app): State<App>,
    Json(new): Json<NewInvitations>,
) -> Result<(StatusCode, axum::Json<NewInvitationLinks>)> {
    let invitations = make(&app, Actor::from(&administrator), &new).await?;
    Ok((StatusCode::CREATED, axum::Json(NewInvitationLinks { invitations })))
}

pub async fn make(app: &App, actor: Actor, new: &NewInvitations) -> Result<Vec<NewInvitation>> {
    let notes: Vec<&str> = new.notes.iter().map(|note| note.trim()).collect();
    let good = (1..=MAX_AT_ONCE).contains(&notes.len())
        && notes.iter().all(|note| note.chars().count() <= MAX_NOTE && people::is_plain_text(note))
        && (1..=MAX_USES).contains(&new.uses)
        && (1..=MAX_DAYS).contains(&new.days);
    if !good {
        return Err(Code::BadInvitation.into());
    }
    let made = notes.iter().map(|note| {
        Ok(NewInvitation { id: app.clock.new_id(), note: (*note).to_owned(), token: tokens::new()? })
    });
    let made = made.collect::<Result<Vec<_>>>()?;
    let now = app.clock.now();
    let row = |new_one: &NewInvitation| {
        table::ActiveModel::from(table::Model {
            id: new_one.id,
            token_hash: tokens::hash(&new_one.token),
            note: new_one.note.clone(),
            inviter: actor.account(),
            uses: new.uses,
            used: 0,
            created_at: now,
            expires_at: now + new.days * DAY,
            revoked: false,
            address: None,
        })
    };
    app.db
        .write(async |tx| {
            table::Entity::insert_many(made.iter().map(row)).exec_without_returning(tx).await?;
            let detail = format!("{} × {} uses, {} days", made.len(), new.uses, new.days);
            audit::record(tx, app, actor, Act::Invited, None, &detail).await
        })
        .await?;
    Ok(made)
}

/// Nobody else signs up with this one. Whoever has stays.
#[utoipa::path(delete, path = "/administration/invitations/{invitation}", tag = "administration",
    params(("invitation" = Uuid, Path)), responses((status = 204), (status = "default", body = Problem)))]
pub async fn revoke_invitation(
    administrator: Administrator,
    State(app): State<App>,
    Path(invitation): Path<Uuid>,
) -> Result<StatusCode> {
    app.db
        .write(async |tx| {
            let row = table::Entity::find_by_id(invitation).one(tx).await?.ok_or(Code::NotFound)?;
            if row.revoked {
                return Ok(());
            }
            let note = row.note.clone();
            let change = table::ActiveModel { revoked: sea_orm::ActiveValue::Set(true), ..row.into() };
            table::Entity::update(change).exec(tx).await?;
            audit::record(tx, &app, (&administrator).into(), Act::InvitationRevoked, None, &note).await
        })
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The invitation that a token stands for, as long as somebody can still sign up with it.
pub async fn standing(db: &impl ConnectionTrait, app: &App, token: Option<&str>) -> Result<table::Model> {
    let token = token.ok_or(Code::InvitationNeeded)?;
    let row = table::Entity::find().filter(table::Column::TokenHash.eq(tokens::hash(token))).one(db).await?;
    let row = row.ok_or(Code::InvitationOver)?;
    if row.revoked || row.used >= row.uses || app.clock.now() >= row.expires_at {
        return Err(Code::InvitationOver.into());
    }
    Ok(row)
}

/// One more has signed up with it, within the transaction that makes the account.
pub async fn consume(tx: &impl ConnectionTrait, app: &App, token: Option<&str>) -> Result<table::Model> {
    let invitation = standing(tx, app, token).await?;
    table::Entity::update_many()
        .col_expr(table::Column::Used, sea_orm::sea_query::Expr::col(table::Column::Used).add(1))
        .filter(table::Column::Id.eq(invitation.id))
        .exec(tx)
        .await?;
    Ok(invitation)
}

// ── By mail ──────────────────────────────────────────────────────────────────────────────────────────────────────

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SignUpByMail {
    address: String,
    /// Of the mail.
    language: Language,
}

/// Have a link sent with which one can sign up, where an address of the organisation's is enough. The answer is the same
/// whether or not somebody has signed up with this one: the mail says it.
#[utoipa::path(post, path = "/register/mail", tag = "mail", request_body = SignUpByMail, responses(
    (status = 202), (status = "default", body = Problem)))]
pub async fn ask_to_sign_up(
    network: ClientAddress,
    State(app): State<App>,
    Json(asked): Json<SignUpByMail>,
) -> Result<StatusCode> {
    mail::refuse_without(&app)?;
    let address: Address = asked.address.parse()?;
    let decided = Organisation::load(app.db.read()).await?;
    if decided.sign_up != SignUp::Domain {
        return Err(Code::SignUpClosed.into());
    }
    if !decided.lets_in(&address.to_string()) {
        return Err(Code::OtherDomain.into());
    }
    app.limits.mail(&network, &address)?;
    app.db.write(async |tx| mail::put(tx, &app, &Letter::SignUp, &address, asked.language).await).await?;
    mail::ring(&app);
    Ok(StatusCode::ACCEPTED)
}

/// What somebody who asked by mail gets.
pub enum ByMail {
    Token(String),
    /// The handle of who has signed up with this address.
    Has(String),
}

/// One that is good once, for whoever reads the mails of an address. One before is void. None where that was decided
/// otherwise meanwhile.
pub async fn make_by_mail(app: &App, address: &str) -> Result<Option<ByMail>> {
    let token = tokens::new()?;
    app.db
        .write(async |tx| {
            if !Organisation::load(tx).await?.lets_in(address) {
                return Ok(None);
            }
            if let Some(handle) = addresses::handle_with(tx, address).await? {
                return Ok(Some(ByMail::Has(handle)));
            }
            table::Entity::delete_many().filter(table::Column::Address.eq(address)).exec(tx).await?;
            let now = app.clock.now();
            let row = table::Model {
                id: app.clock.new_id(),
                token_hash: tokens::hash(&token),
                note: String::new(),
                inviter: None,
                uses: 1,
                used: 0,
                created_at: now,
                expires_at: now + BY_MAIL,
                revoked: false,
                address: Some(address.to_owned()),
            };
            table::Entity::insert(table::ActiveModel::from(row)).exec_without_returning(tx).await?;
            Ok(Some(ByMail::Token(token.clone())))
        })
        .await
}

/// Forget those that were asked for by mail, and are used or too old.
pub async fn tidy(app: &App) -> Result<()> {
    let now = app.clock.now();
    app.db
        .write(async |tx| {
            table::Entity::delete_many()
                .filter(table::Column::Address.is_not_null())
                .filter(table::Column::ExpiresAt.lte(now))
                .exec(tx)
                .await?;
            Ok(())
        })
        .await
}
