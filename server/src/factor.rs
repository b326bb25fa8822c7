//! The second factor: beside the password, a code from an app on the phone (RFC 6238), a passkey (see `passkeys.rs`), or
//! one of ten backup codes. It guards the door of the server, and opens nothing: beside it, the keys lie under the
//! password alone. It is on while there is an app, or a passkey that does not open the account by itself.
//!
//! A good password leads to a *pending log-in* then, which gives nothing but the right to name a code. Each code is good
//! once, for which the last time step that was taken is kept. The secret must be readable here, since the server makes
//! the same codes; it lies sealed under the server's key.

use std::collections::HashSet;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use sea_orm::ActiveValue::Set;
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, PaginatorTrait, QueryFilter, QuerySelect};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use totp_rs::Builder;
use utoipa::ToSchema;
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::accounts;
use crate::app::App;
use crate::clock::{MINUTE, Millis, SECOND};
use crate::error::{Code, Error, Problem, Result};
use crate::event::Event;
use crate::limits::ClientAddress;
use crate::login::{self, PasswordProof, Proof};
use crate::passkeys::{self, webauthn::Site};
use crate::schema::tables::{accounts as rows, backup_codes, pending_logins, second_factors};
use crate::sessions::{self, CurrentAccount, Origin, Session};
use crate::wire::{Bytes, Json};

/// To find the phone, and to wait for the next code.
const LIFE: Millis = 5 * MINUTE;
/// What RFC 4226 recommends, and apps expect.
const SECRET_BYTES: usize = 20;
const BACKUP_CODES: usize = 10;
/// Without O and I, which look like digits, nor L and U.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/// 80 bits: nobody finds one by its hash.
const CHARACTERS: usize = 16;
const GROUP: usize = 4;

/// What log-ins to one's account ask for beside the password.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub struct SecondFactor {
    pub on: bool,
    /// An app makes codes for it.
    pub app: bool,
    /// When it was last turned on or off; 0 if never.
    pub changed_at: Millis,
    /// How many backup codes are left.
    pub backup_codes: u64,
}

impl SecondFactor {
    pub async fn of(db: &impl ConnectionTrait, account: Uuid) -> Result<Self> {
        let row = second_factors::Entity::find_by_id(account).one(db).await?;
        let backup_codes =
            backup_codes::Entity::find().filter(backup_codes::Column::Account.eq(account)).count(db).await?;
        let app = row.as_ref().is_some_and(|row| row.secret.is_some());
        Ok(Self {
            on: app || passkeys::are_wanted(db, account).await?,
            app,
            changed_at: row.map_or(0, |row| row.changed_at),
            backup_codes,
        })
    }
}

pub async fn is_on(db: &impl ConnectionTrait, account: Uuid) -> Result<bool> {
    Ok(on_for(db, &[account]).await?.contains(&account))
}

/// Which of these accounts have it on.
pub async fn on_for(db: &impl ConnectionTrait, accounts: &[Uuid]) -> Result<HashSet<Uuid>> {
    let mut on = passkeys::wanted_by(db, accounts).await?;
    let apps = second_factors::Entity::find()
        .select_only()
        .column(second_factors::Column::Account)
        .filter(second_factors::Column::Account.is_in(accounts.iter().copied()))
        .filter(second_factors::Column::Secret.is_not_null());
    on.extend(apps.into_tuple::<Uuid>().all(db).await?);
    Ok(on)
}

async fn has_app(db: &impl ConnectionTrait, account: Uuid) -> Result<bool> {
    let row = second_factors::Entity::find_by_id(account).one(db).await?;
    Ok(row.is_some_and(|row| row.secret.is_some()))
}

// ── Logging in ───────────────────────────────────────────────────────────────────────────────────────────────────

/// The password was good, and there is a second factor: nothing is given before its code.
#[derive(Serialize, ToSchema)]
pub struct CodeWanted {
    /// Names this log-in with the code; good for one session, for five minutes.
    login: Uuid,
    /// An app makes codes for it. A backup code is good in any case.
    app: bool,
    /// There is a passkey that can be used here in the place of a code.
    passkey: bool,
}

/// Remember that the password was proven, within the transaction that found it good.
pub async fn want_code(
    tx: &impl ConnectionTrait,
    app: &App,
    proof: &Proof,
    account: Uuid,
    site: Option<&Site>,
) -> Result<CodeWanted> {
    let row = pending_logins::Model {
        // It stands for the proof of a password: nobody is to guess it, not even in part.
        id: Uuid::new_v4(),
        handle: proof.handle.clone(),
        of_record: proof.of_record.clone(),
        expires_at: app.clock.now() + LIFE,
    };
    let login = row.id;
    let row = pending_logins::ActiveModel::from(row);
    pending_logins::Entity::insert(row).exec_without_returning(tx).await?;
    Ok(CodeWanted {
        login,
        app: has_app(tx, account).await?,
        passkey: passkeys::exist(tx, account, site).await?,
    })
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LoginCode {
    login: Uuid,
    /// Six digits from the app, or a backup code.
    code: String,
}

/// Name the code that a log-in waits for, and open a session. After a wrong one it waits on.
#[utoipa::path(post, path = "/login/code", tag = "accounts", request_body = LoginCode, responses(
    (status = 200, body = Session), (status = "default", body = Problem)))]
pub async fn login_code(
    address: ClientAddress,
    origin: Origin,
    State(app): State<App>,
    headers: HeaderMap,
    Json(named): Json<LoginCode>,
) -> Result<Response> {
    app.limits.look(&address)?;
    let handle = pending(app.db.read(), &app, named.login).await?.handle;
    let guess = Guess::read(&named.code);
    match &guess {
        // Apart from the others, and looser: nobody guesses one, and whoever knows the password and wastes the
        // guesses at the app's codes must not lock out the owner.
        Some(Guess::Backup(_)) => app.limits.attempt_on(&address, &by_a_backup_code(&handle))?,
        _ => app.limits.guess(&address, &handle)?,
    }
    let guess = guess.ok_or(Code::WrongSecondFactor)?;
    let session = app
        .db
        .write(async |tx| {
            let account = proven(tx, &app, named.login).await?;
            spend(tx, &app, account.id, &guess).await?;
            done(tx, named.login).await?;
            sessions::begin(tx, &app, account.id, &origin).await
        })
        .await?;
    tracing::info!(account = %session.account(), "logged in with a second factor");
    session.answer(&app, &headers, StatusCode::OK).await
}

async fn pending(db: &impl ConnectionTrait, app: &App, login: Uuid) -> Result<pending_logins::Model> {
    let row = pending_logins::Entity::find_by_id(login).one(db).await?;
    row.filter(|row| app.clock.now() < row.expires_at).ok_or_else(|| Code::LoginExpired.into())
}

/// Whose password was proven, and has not been replaced since.
pub async fn proven(db: &impl ConnectionTrait, app: &App, login: Uuid) -> Result<rows::Model> {
    let row = pending(db, app, login).await?;
    let account = accounts::find(db, &row.handle).await?.ok_or(Code::LoginExpired)?;
    Proof { handle: row.handle, of_record: row.of_record }.holds_for(&account)?;
    Ok(account)
}

/// What it waited for has come: it is good for one session.
pub async fn done(tx: &impl ConnectionTrait, login: Uuid) -> Result<()> {
    let taken = pending_logins::Entity::delete_by_id(login).exec(tx).await?;
    if taken.rows_affected == 0 { Err(Code::LoginExpired.into()) } else { Ok(()) }
}

/// Attempts of their own, by a name that no handle has.
fn by_a_backup_code(handle: &str) -> String {
    format!("backup/{handle}")
}

/// What somebody typed, as it can be compared.
enum Guess {
    /// From the app.
    Digits(String),
    Backup(String),
}

impl Guess {
    /// Any case, I and L for 1, O for 0, hyphens and spaces anywhere.
    fn read(typed: &str) -> Option<Self> {
        let said = |c: &char| !c.is_whitespace() && !matches!(c, '-' | '\u{2010}'..='\u{2015}');
        // No more than could count: what comes is not ours.
        let said: String = typed.chars().filter(said).take(CHARACTERS + 1).collect();
        if said.len() == 6 && said.bytes().all(|byte| byte.is_ascii_digit()) {
            return Some(Self::Digits(said));
        }
        let plain = said.to_ascii_uppercase().replace(['I', 'L'], "1").replace('O', "0");
        let whole = plain.len() == CHARACTERS && plain.bytes().all(|byte| ALPHABET.contains(&byte));
        whole.then_some(Self::Backup(plain))
    }
}

/// Refused unless the code is good; then it never is again. Within the transaction that trusts it.
async fn spend(tx: &impl ConnectionTrait, app: &App, account: Uuid, guess: &Guess) -> Result<()> {
    if !is_on(tx, account).await? {
        return Err(Code::LoginExpired.into());
    }
    match guess {
        Guess::Digits(digits) => {
            let row = second_factors::Entity::find_by_id(account).one(tx).await?;
            let (sealed, last_step) =
                row.and_then(|row| Some((row.secret?, row.last_step))).ok_or(Code::WrongSecondFactor)?;
            let secret = app
                .opaque
                .open(SEAL, &place(account), &sealed)
                .map_err(|error| Error::internal(format!("a second factor cannot be opened: {error}")))?;
            let step = step_of(&secret, digits, app.clock.now());
            let step = step.filter(|step| *step > last_step).ok_or(Code::WrongSecondFactor)?;
            second_factors::Entity::update_many()
                .set(second_factors::ActiveModel { last_step: Set(step), ..Default::default() })
                .filter(second_factors::Column::Account.eq(account))
                .exec(tx)
                .await?;
        }
        Guess::Backup(code) => {
            let of_this = (account, hash(account, code));
            if backup_codes::Entity::delete_by_id(of_this).exec(tx).await?.rows_affected == 0 {
                return Err(Code::WrongSecondFactor.into());
            }
        }
    }
    Ok(())
}

/// The time step that a code is of, if it is of this one or of one of those beside it: phones and people are late.
fn step_of(secret: &[u8], digits: &str, now: Millis) -> Option<i64> {
    let secret: [u8; SECRET_BYTES] = secret.try_into().ok()?;
    // What `Builder` says by itself: SHA-1, six digits, 30 seconds, one step to either side.
    let totp = Builder::new().with_secret(secret).build().ok()?;
    let step = totp.check(digits, u64::try_from(now / SECOND).ok()?)?;
    i64::try_from(step).ok()
}

// ── By whoever is signed in ──────────────────────────────────────────────────────────────────────────────────────

/// Codes for the day the phone is gone. They are shown here and never again.
#[derive(Serialize, ToSchema)]
pub struct BackupCodes {
    /// Each is good once.
    codes: Vec<String>,
    second_factor: SecondFactor,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewSecondFactor {
    /// As `credentials/start` has begun it.
    login: Uuid,
    /// OPAQUE KE3.
    finalization: Bytes,
    /// 20 random bytes, which the app has as well.
    secret: Bytes,
    /// What the app makes of them now.
    code: String,
}

/// Prove the password, and turn the second factor on, or replace it. The code shows that the app has the secret.
#[utoipa::path(post, path = "/second-factor/on", tag = "accounts", request_body = NewSecondFactor, responses(
    (status = 200, body = BackupCodes), (status = "default", body = Problem)))]
pub async fn turn_on_second_factor(
    current: CurrentAccount,
    State(app): State<App>,
    Json(new): Json<NewSecondFactor>,
) -> Result<axum::Json<BackupCodes>> {
    let secret = Zeroizing::new(new.secret.0);
    if secret.len() != SECRET_BYTES {
        return Err(Code::BadKeyMaterial.into());
    }
    let proof = login::finish_proof(&app, new.login, &new.finalization).await?;
    let Some(Guess::Digits(digits)) = Guess::read(&new.code) else {
        return Err(Code::WrongSecondFactor.into());
    };
    let step = step_of(&secret, &digits, app.clock.now()).ok_or(Code::WrongSecondFactor)?;
    let codes = new_codes()?;
    let second_factor = app
        .db
        .write(async |tx| {
            let account = sessions::standing(tx, &current).await?;
            proof.holds_for(&account)?;
            let sealed = app.opaque.seal(SEAL, &place(account.id), &secret);
            put(tx, &app, account.id, Some(sealed), step).await?;
            keep(tx, account.id, &codes).await?;
            SecondFactor::of(tx, account.id).await
        })
        .await?;
    tracing::info!(account = %current.account, "second factor turned on");
    Ok(shown(&app, &current, codes, second_factor))
}

/// Prove the password, and turn the app's codes off: with them the second factor, unless a passkey is asked for as well.
#[utoipa::path(post, path = "/second-factor/off", tag = "accounts", request_body = PasswordProof, responses(
    (status = 200, body = SecondFactor), (status = "default", body = Problem)))]
pub async fn turn_off_second_factor(
    current: CurrentAccount,
    State(app): State<App>,
    Json(given): Json<PasswordProof>,
) -> Result<axum::Json<SecondFactor>> {
    let proof = given.finish(&app).await?;
    let second_factor = app
        .db
        .write(async |tx| {
            let account = sessions::standing(tx, &current).await?;
            proof.holds_for(&account)?;
            take_off_the_app(tx, &app, account.id).await?;
            SecondFactor::of(tx, account.id).await
        })
        .await?;
    tracing::info!(account = %current.account, on = second_factor.on, "codes of an app turned off");
    app.live.publish(&[current.account], &Event::SecondFactor(second_factor));
    Ok(axum::Json(second_factor))
}

/// Prove the password, and get other backup codes. Those from before are good for nothing.
#[utoipa::path(post, path = "/second-factor/backup-codes", tag = "accounts", request_body = PasswordProof, responses(
    (status = 200, body = BackupCodes), (status = "default", body = Problem)))]
pub async fn replace_backup_codes(
    current: CurrentAccount,
    State(app): State<App>,
    Json(given): Json<PasswordProof>,
) -> Result<axum::Json<BackupCodes>> {
    let proof = given.finish(&app).await?;
    let codes = new_codes()?;
    let second_factor = app
        .db
        .write(async |tx| {
            let account = sessions::standing(tx, &current).await?;
            proof.holds_for(&account)?;
            if !is_on(tx, account.id).await? {
                return Err(Code::NotFound.into());
            }
            keep(tx, account.id, &codes).await?;
            SecondFactor::of(tx, account.id).await
        })
        .await?;
    tracing::info!(account = %current.account, "backup codes replaced");
    Ok(shown(&app, &current, codes, second_factor))
}

async fn take_off_the_app(tx: &impl ConnectionTrait, app: &App, account: Uuid) -> Result<()> {
    if !has_app(tx, account).await? {
        return Ok(());
    }
    if !passkeys::are_wanted(tx, account).await? {
        return turn_off(tx, app, account).await;
    }
    // A passkey is still asked for: it stays on, with its backup codes.
    second_factors::Entity::update_many()
        .set(second_factors::ActiveModel { secret: Set(None), ..Default::default() })
        .filter(second_factors::Column::Account.eq(account))
        .exec(tx)
        .await?;
    Ok(())
}

/// A passkey is the first that is asked for beside the password. Within the transaction that adds it.
pub async fn begun_with_a_passkey(
    tx: &impl ConnectionTrait,
    app: &App,
    account: Uuid,
) -> Result<Vec<String>> {
    let codes = new_codes()?;
    put(tx, app, account, None, 0).await?;
    keep(tx, account, &codes).await?;
    Ok(codes)
}

/// Nothing is asked for beside the password any more. Within the transaction that takes the last of it away.
pub async fn turn_off(tx: &impl ConnectionTrait, app: &App, account: Uuid) -> Result<()> {
    put(tx, app, account, None, 0).await?;
    keep(tx, account, &[]).await
}

/// Somebody has lost the password, and perhaps the device with it: no code and no passkey from before lets anybody in.
pub async fn forget(tx: &impl ConnectionTrait, app: &App, account: Uuid) -> Result<()> {
    let was_on = is_on(tx, account).await?;
    passkeys::forget(tx, account).await?;
    if was_on { turn_off(tx, app, account).await } else { Ok(()) }
}

/// The account's other pages are told of it.
fn shown(
    app: &App,
    current: &CurrentAccount,
    codes: Vec<String>,
    second_factor: SecondFactor,
) -> axum::Json<BackupCodes> {
    app.live.publish(&[current.account], &Event::SecondFactor(second_factor));
    axum::Json(BackupCodes { codes, second_factor })
}

// ── What is stored ───────────────────────────────────────────────────────────────────────────────────────────────

const SEAL: &str = "second-factor";

/// A sealed secret opens in its own account's row and in no other.
fn place(account: Uuid) -> Vec<u8> {
    e2ee::enc("second-factor-aad", &[account.as_bytes()])
}

async fn put(
    tx: &impl ConnectionTrait,
    app: &App,
    account: Uuid,
    secret: Option<Vec<u8>>,
    last_step: i64,
) -> Result<()> {
    let row = second_factors::Model { account, secret, last_step, changed_at: app.clock.now() };
    second_factors::Entity::delete_by_id(account).exec(tx).await?;
    second_factors::Entity::insert(second_factors::ActiveModel::from(row)).exec_without_returning(tx).await?;
    Ok(())
}

/// In the place of those from before.
async fn keep(tx: &impl ConnectionTrait, account: Uuid, codes: &[String]) -> Result<()> {
    backup_codes::Entity::delete_many().filter(backup_codes::Column::Account.eq(account)).exec(tx).await?;
    let rows = codes.iter().map(|code| {
        let hash = hash(account, &code.replace('-', ""));
        backup_codes::ActiveModel { account: Set(account), hash: Set(hash) }
    });
    if rows.len() > 0 {
        backup_codes::Entity::insert_many(rows).exec_without_returning(tx).await?;
    }
    Ok(())
}

/// Of the account too, so that one try tells nothing of the codes of others.
fn hash(account: Uuid, code: &str) -> Vec<u8> {
    Sha256::digest(e2ee::enc("backup-code", &[account.as_bytes(), code.as_bytes()])).to_vec()
}

/// Four groups of four: `7K3D-QW9M-…`.
fn new_codes() -> Result<Vec<String>> {
    (0..BACKUP_CODES).map(|_| new_code()).collect()
}

fn new_code() -> Result<String> {
    let mut random = Zeroizing::new([0; CHARACTERS]);
    getrandom::fill(&mut *random).map_err(Error::internal)?;
    // 32 letters, of which each byte chooses one with the same chance.
    let letters: String = random.iter().map(|byte| char::from(ALPHABET[usize::from(byte % 32)])).collect();
    Ok(letters.as_bytes().chunks(GROUP).map(String::from_utf8_lossy).collect::<Vec<_>>().join("-"))
}

/// Forget log-ins whose code never came.
pub async fn tidy(app: &App) -> Result<()> {
    let now = app.clock.now();
    app.db
        .write(async |tx| {
            let over = pending_logins::Column::ExpiresAt.lte(now);
            pending_logins::Entity::delete_many().filter(over).exec(tx).await?;
            Ok(())
        })
        .await
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6238, appendix B, for SHA-1; of its eight digits the last six.
    #[test]
    fn the_codes_are_those_of_the_rfc() {
        let secret = b"12345678901234567890";
        for (second, code) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
            (20_000_000_000, "353130"),
        ] {
            let step = second / 30;
            let good = Some(step);
            for (late, expected) in [(-31, None), (-30, good), (0, good), (59, good), (60, None)] {
                assert_eq!(step_of(secret, code, (step * 30 + late) * SECOND), expected, "{code} {late}");
            }
        }
    }

    #[test]
    fn a_code_is_read_as_people_write_it() {
        let read = |typed| match Guess::read(typed) {
            Some(Guess::Digits(code)) => format!("digits {code}"),
            Some(Guess::Backup(code)) => format!("backup {code}"),
            None => String::new(),
        };
        assert_eq!(read(" 123 456 "), "digits 123456");
        assert_eq!(read("abcd-efgh\u{2013}jkmn pqrs"), "backup ABCDEFGHJKMNPQRS");
        assert_eq!(read("ilo0-1111-1111-1111"), "backup 1100111111111111");
        let longer = format!("{}0", "1".repeat(16));
        for nothing in ["", "12345", "1234567", "12345é", "U111-1111-1111-1111", &longer] {
            assert_eq!(read(nothing), "", "{nothing}");
        }
    }

    #[test]
    fn backup_codes_are_written_so_that_they_are_read_again() {
        let codes = new_codes().unwrap();
        assert_eq!(codes.len(), BACKUP_CODES);
        for code in &codes {
            assert!(
                matches!(Guess::read(code), Some(Guess::Backup(plain)) if plain == code.replace('-', ""))
            );
            assert_eq!(codes.iter().filter(|other| *other == code).count(), 1);
        }
    }
}
