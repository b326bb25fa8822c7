//! One's own e-mail address, for whoever wants to give one: set with the password, used once its mailbox has confirmed it.
//! Nobody else sees it, administrators included.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Redirect;
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::app::App;
use crate::clock::{DAY, HOUR, Millis};
use crate::error::{Code, Error, Problem, Result};
use crate::limits::ClientAddress;
use crate::login::{self, PasswordProof};
use crate::mail::digest::Digest;
use crate::mail::{self, Address, Letter, Secured};
use crate::organisation::Language;
use crate::resets::by_mail;
use crate::schema::tables::{accounts as people, addresses as table, mail_tokens};
use crate::sessions::{self, CurrentAccount};
use crate::tokens;
use crate::wire::{Bytes, Json, Query};

/// To find the mail the next morning.
const CONFIRMABLE: Millis = 48 * HOUR;
/// RFC 8058 wants it to work for long; after that, a mail says it anew.
const UNSUBSCRIBABLE: Millis = 90 * DAY;

/// What a link in a mail is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Use {
    Confirm,
    /// The digest is not wanted any more. Good for as long as the mail may lie about.
    Unsubscribe,
}

impl Use {
    fn name(self) -> &'static str {
        match self {
            Use::Confirm => "confirm",
            Use::Unsubscribe => "unsubscribe",
        }
    }
}

/// One's own address.
#[derive(Serialize, ToSchema)]
pub struct OwnAddress {
    /// The one that is used; none without one.
    address: Option<String>,
    /// Waits to be confirmed, by a link in a mail to it.
    pending: Option<String>,
    digest: Digest,
}

impl OwnAddress {
    fn of(row: Option<table::Model>) -> axum::Json<Self> {
        let row = row.unwrap_or_else(|| blank(Uuid::nil()));
        axum::Json(Self { digest: Digest::named(&row.digest), address: row.address, pending: row.pending })
    }
}

fn blank(account: Uuid) -> table::Model {
    let (language, digest) = (Language::En.code().to_owned(), Digest::Off.name().to_owned());
    table::Model { account, address: None, pending: None, language, digest, told_at: 0 }
}

/// One's own address, if one has given one.
#[utoipa::path(get, path = "/address", tag = "mail", responses(
    (status = 200, body = OwnAddress), (status = "default", body = Problem)))]
pub async fn own_address(current: CurrentAccount, State(app): State<App>) -> Result<axum::Json<OwnAddress>> {
    Ok(OwnAddress::of(load(app.db.read(), current.account).await?))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewAddress {
    /// As `credentials/start` has begun it.
    login: Uuid,
    /// OPAQUE KE3.
    finalization: Bytes,
    address: String,
    /// Of the mails.
    language: Language,
}

/// Prove the password, and have a link sent to an address. It counts once that link was opened; until then the one
/// before does.
#[utoipa::path(post, path = "/address", tag = "mail", request_body = NewAddress, responses(
    (status = 200, body = OwnAddress), (status = "default", body = Problem)))]
pub async fn set_address(
    current: CurrentAccount,
    network: ClientAddress,
    State(app): State<App>,
    Json(new): Json<NewAddress>,
) -> Result<axum::Json<OwnAddress>> {
    mail::refuse_without(&app)?;
    let address: Address = new.address.parse()?;
    let proof = login::finish_proof(&app, new.login, &new.finalization).await?;
    app.limits.mail(&network, &address)?;
    let row = app
        .db
        .write(async |tx| {
            let account = sessions::standing(tx, &current).await?;
            proof.holds_for(&account)?;
            let before = load(tx, account.id).await?.unwrap_or_else(|| blank(account.id));
            let pending = Some(address.to_string()).filter(|new| before.address.as_ref() != Some(new));
            forget_tokens(tx, account.id, Use::Confirm).await?;
            if pending.is_some() {
                let letter = Letter::Confirm { account: account.id };
                mail::put(tx, &app, &letter, &address, new.language).await?;
            }
            let row = table::Model { pending, language: new.language.code().to_owned(), ..before };
            save(tx, &row).await?;
            Ok(row)
        })
        .await?;
    mail::ring(&app);
    Ok(OwnAddress::of(Some(row)))
}

/// Prove the password, and take one's address away, and what waits to be confirmed.
#[utoipa::path(post, path = "/address/remove", tag = "mail", request_body = PasswordProof, responses(
    (status = 200, body = OwnAddress), (status = "default", body = Problem)))]
pub async fn remove_address(
    current: CurrentAccount,
    State(app): State<App>,
    Json(given): Json<PasswordProof>,
) -> Result<axum::Json<OwnAddress>> {
    let proof = given.finish(&app).await?;
    app.db
        .write(async |tx| {
            let account = sessions::standing(tx, &current).await?;
            proof.holds_for(&account)?;
            let Some(before) = load(tx, account.id).await? else { return Ok(()) };
            tell_the_one_before(tx, &app, &before, true).await?;
            // A link that is on its way went to a mailbox that no longer counts.
            by_mail::void(tx, account.id).await?;
            mail_tokens::Entity::delete_many()
                .filter(mail_tokens::Column::Account.eq(account.id))
                .exec(tx)
                .await?;
            table::Entity::delete_by_id(account.id).exec(tx).await?;
            Ok(())
        })
        .await?;
    by_mail::tell_it_is_void(&app, current.account);
    mail::ring(&app);
    Ok(OwnAddress::of(None))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewDigest {
    digest: Digest,
    /// Of the mails.
    language: Language,
}

/// Be told by mail that messages wait, or not any more; of those that are sent from now on.
#[utoipa::path(put, path = "/address/digest", tag = "mail", request_body = NewDigest, responses(
    (status = 200, body = OwnAddress), (status = "default", body = Problem)))]
pub async fn change_digest(
    current: CurrentAccount,
    State(app): State<App>,
    Json(new): Json<NewDigest>,
) -> Result<axum::Json<OwnAddress>> {
    let row = app
        .db
        .write(async |tx| {
            let before = load(tx, current.account).await?.filter(|row| row.address.is_some());
            let before = before.ok_or(Code::NotFound)?;
            let language = new.language.code().to_owned();
            let row = table::Model { digest: new.digest.name().to_owned(), language, ..before };
            save(tx, &row).await?;
            Ok(row)
        })
        .await?;
    Ok(OwnAddress::of(Some(row)))
}

#[derive(Deserialize, IntoParams)]
pub struct UnsubscribeLink {
    /// As it stands in the mail.
    token: String,
}

/// By a link in a mail, no more mails of that kind. Also for the mail programs that do it with one click (RFC 8058),
/// which is why the token is not in a fragment: it lets nobody do anything else.
#[utoipa::path(post, path = "/address/unsubscribe", tag = "mail", params(UnsubscribeLink), responses(
    (status = 204), (status = "default", body = Problem)))]
pub async fn unsubscribe(
    network: ClientAddress,
    State(app): State<App>,
    Query(link): Query<UnsubscribeLink>,
) -> Result<StatusCode> {
    app.limits.look(&network)?;
    app.db
        .write(async |tx| {
            let token = standing(tx, &app, &link.token, Use::Unsubscribe).await?;
            // Of an address that is another one now there are no mails any more.
            let row = load(tx, token.account).await?;
            if let Some(row) = row.filter(|row| row.address.as_ref() == Some(&token.address)) {
                save(tx, &table::Model { digest: Digest::Off.name().to_owned(), ..row }).await?;
            }
            Ok(())
        })
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Whoever opens that link in a browser is asked first.
#[utoipa::path(get, path = "/address/unsubscribe", tag = "mail", params(UnsubscribeLink), responses(
    (status = 303), (status = "default", body = Problem)))]
pub async fn open_unsubscribe(Query(link): Query<UnsubscribeLink>) -> Redirect {
    let plain = |c: &char| c.is_ascii_alphanumeric() || "-_".contains(*c);
    let token: String = link.token.chars().filter(plain).collect();
    Redirect::to(&format!("/unsubscribe#{token}"))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MailLink {
    /// As it stands in the link, behind the `#`.
    token: String,
}

#[derive(Serialize, ToSchema)]
pub struct Confirmed {
    handle: String,
}

/// By a link that was sent there, confirm that an address is somebody's. Whoever opens it need not be signed in.
#[utoipa::path(post, path = "/address/confirm", tag = "mail", request_body = MailLink, responses(
    (status = 200, body = Confirmed), (status = "default", body = Problem)))]
pub async fn confirm_address(
    network: ClientAddress,
    State(app): State<App>,
    Json(link): Json<MailLink>,
) -> Result<axum::Json<Confirmed>> {
    app.limits.attempt(&network)?;
    let account = app
        .db
        .write(async |tx| {
            let token = standing(tx, &app, &link.token, Use::Confirm).await?;
            let row = load(tx, token.account).await?;
            let before = row.filter(|row| row.pending.as_ref() == Some(&token.address));
            let before = before.ok_or(Code::MailLinkOver)?;
            tell_the_one_before(tx, &app, &before, false).await?;
            by_mail::void(tx, token.account).await?;
            forget_tokens(tx, token.account, Use::Confirm).await?;
            save(tx, &table::Model { address: Some(token.address), pending: None, ..before }).await?;
            let account = people::Entity::find_by_id(token.account).one(tx).await?;
            Ok(account.ok_or(Code::MailLinkOver)?)
        })
        .await?;
    by_mail::tell_it_is_void(&app, account.id);
    mail::ring(&app);
    Ok(axum::Json(Confirmed { handle: account.handle }))
}

pub async fn load(db: &impl ConnectionTrait, account: Uuid) -> Result<Option<table::Model>> {
    Ok(table::Entity::find_by_id(account).one(db).await?)
}

/// The handle of somebody who has confirmed this address.
pub async fn handle_with(db: &impl ConnectionTrait, address: &str) -> Result<Option<String>> {
    let row = table::Entity::find().filter(table::Column::Address.eq(address)).one(db).await?;
    let Some(row) = row else { return Ok(None) };
    Ok(people::Entity::find_by_id(row.account).one(db).await?.map(|account| account.handle))
}

/// Of a new account, by whoever was let in by a mail to it.
pub async fn keep_confirmed(
    tx: &impl ConnectionTrait,
    account: Uuid,
    address: String,
    language: Language,
) -> Result<()> {
    let language = language.code().to_owned();
    save(tx, &table::Model { address: Some(address), language, ..blank(account) }).await
}

pub async fn save(tx: &impl ConnectionTrait, row: &table::Model) -> Result<()> {
    table::Entity::delete_by_id(row.account).exec(tx).await?;
    table::Entity::insert(table::ActiveModel::from(row.clone())).exec_without_returning(tx).await?;
    Ok(())
}

/// Whoever has the mailbox from before learns that it is no longer the one, whoever did it.
async fn tell_the_one_before(
    tx: &impl ConnectionTrait,
    app: &App,
    before: &table::Model,
    removed: bool,
) -> Result<()> {
    let letter = Letter::Left { account: before.account, removed };
    write_to(tx, app, before, &letter).await
}

/// Tell the owner of an account, by mail if they have given an address, what was done to it.
pub async fn tell(tx: &impl ConnectionTrait, app: &App, account: Uuid, what: Secured) -> Result<()> {
    match load(tx, account).await? {
        Some(row) => write_to(tx, app, &row, &Letter::Secured { account, what }).await,
        None => Ok(()),
    }
}

/// To the address that counts, if there is one. What else the transaction does goes on where the mails are too many.
pub async fn write_to(
    tx: &impl ConnectionTrait,
    app: &App,
    row: &table::Model,
    letter: &Letter,
) -> Result<()> {
    let Some(address) = row.address.as_ref().filter(|_| app.mail.is_some()) else { return Ok(()) };
    match mail::put(tx, app, letter, &address.parse()?, Language::named(&row.language)).await {
        // Not what ends the transaction itself.
        Err(Error::Refused(Code::Unavailable)) => Ok(()),
        done => done,
    }
}

// ── Links ────────────────────────────────────────────────────────────────────────────────────────────────────────

/// A token for the link that confirms an address, if that is still asked for. One before is void.
pub async fn token_for_pending(app: &App, account: Uuid, address: &str) -> Result<Option<String>> {
    let token = tokens::new()?;
    app.db
        .write(async |tx| {
            let row = load(tx, account).await?;
            if row.is_none_or(|row| row.pending.as_deref() != Some(address)) {
                return Ok(None);
            }
            forget_tokens(tx, account, Use::Confirm).await?;
            keep_token(tx, app, &token, Use::Confirm, (account, address), CONFIRMABLE).await?;
            Ok(Some(token.clone()))
        })
        .await
}

/// A token to be told no more, if the digest still goes to this address.
pub async fn token_for_digest(app: &App, account: Uuid, address: &str) -> Result<Option<String>> {
    let token = tokens::new()?;
    app.db
        .write(async |tx| {
            let row = load(tx, account).await?.filter(|row| row.address.as_deref() == Some(address));
            if row.is_none_or(|row| Digest::named(&row.digest) == Digest::Off) {
                return Ok(None);
            }
            keep_token(tx, app, &token, Use::Unsubscribe, (account, address), UNSUBSCRIBABLE).await?;
            Ok(Some(token.clone()))
        })
        .await
}

async fn keep_token(
    tx: &impl ConnectionTrait,
    app: &App,
    token: &str,
    of: Use,
    (account, address): (Uuid, &str),
    life: Millis,
) -> Result<()> {
    let row = mail_tokens::Model {
        token_hash: tokens::hash(token),
        purpose: of.name().to_owned(),
        account,
        address: address.to_owned(),
        expires_at: app.clock.now() + life,
    };
    mail_tokens::Entity::insert(mail_tokens::ActiveModel::from(row)).exec_without_returning(tx).await?;
    Ok(())
}

async fn standing(db: &impl ConnectionTrait, app: &App, token: &str, of: Use) -> Result<mail_tokens::Model> {
    let row = mail_tokens::Entity::find_by_id(tokens::hash(token)).one(db).await?;
    let good = |row: &mail_tokens::Model| row.purpose == of.name() && app.clock.now() < row.expires_at;
    row.filter(good).ok_or_else(|| Code::MailLinkOver.into())
}

async fn forget_tokens(tx: &impl ConnectionTrait, account: Uuid, of: Use) -> Result<()> {
    mail_tokens::Entity::delete_many()
        .filter(mail_tokens::Column::Account.eq(account))
        .filter(mail_tokens::Column::Purpose.eq(of.name()))
        .exec(tx)
        .await?;
    Ok(())
}

/// Forget links that are too old.
pub async fn tidy(app: &App) -> Result<()> {
    let now = app.clock.now();
    app.db
        .write(async |tx| {
            mail_tokens::Entity::delete_many()
                .filter(mail_tokens::Column::ExpiresAt.lte(now))
                .exec(tx)
                .await?;
            Ok(())
        })
        .await
}
