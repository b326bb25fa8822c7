//! Logging in with a password, and proving it once more where something grave is asked for: the two requests of OPAQUE
//! (RFC 9807). A handle that nobody has is answered like any other.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::accounts::{check_handle, find};
use crate::app::App;
use crate::clock::{MINUTE, Millis};
use crate::error::{Code, Error, Problem, Result};
use crate::factor::{self, CodeWanted};
use crate::handshakes;
use crate::limits::ClientAddress;
use crate::passkeys::webauthn::Site;
use crate::schema::tables::accounts;
use crate::sessions::{self, NewSession, Origin, Session};
use crate::wire::{Bytes, Json};

const LIFE: Millis = MINUTE;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LoginStart {
    handle: String,
    /// OPAQUE KE1.
    request: Bytes,
}

#[derive(Serialize, ToSchema)]
pub struct LoginStarted {
    /// Names this log-in in the second request; good once, for a minute.
    pub login: Uuid,
    /// OPAQUE KE2.
    pub response: Bytes,
}

/// Begin to log in. A handle that nobody has gets an answer of the same kind, size and cost.
#[utoipa::path(post, path = "/login/start", tag = "accounts", request_body = LoginStart, responses(
    (status = 200, body = LoginStarted), (status = "default", body = Problem)))]
pub async fn login_start(
    address: ClientAddress,
    State(app): State<App>,
    Json(start): Json<LoginStart>,
) -> Result<axum::Json<LoginStarted>> {
    check_handle(&start.handle)?;
    app.limits.attempt_on(&address, &start.handle)?;
    Ok(axum::Json(begin_proof(&app, start.handle, &start.request).await?))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LoginFinish {
    login: Uuid,
    /// OPAQUE KE3.
    finalization: Bytes,
}

/// Prove the password and open a session; or, where a second factor is on, begin to wait for its code.
#[utoipa::path(post, path = "/login/finish", tag = "accounts", request_body = LoginFinish, responses(
    (status = 200, body = Session), (status = 202, body = CodeWanted), (status = "default", body = Problem)))]
pub async fn login_finish(
    address: ClientAddress,
    origin: Origin,
    State(app): State<App>,
    headers: HeaderMap,
    Json(finish): Json<LoginFinish>,
) -> Result<Response> {
    app.limits.look(&address)?;
    let site = Site::of(&app.config, &headers);
    let proof = finish_proof(&app, finish.login, &finish.finalization).await?;
    let way_in = app
        .db
        .write(async |tx| {
            // Only someone who proved the password comes here, and an unknown handle has none to prove.
            let account = find(tx, &proof.handle).await?.ok_or(Code::WrongCredentials)?;
            proof.holds_for(&account)?;
            // Looked at here, so that no session begins beside a second factor that is just being turned on.
            if factor::is_on(tx, account.id).await? {
                return Ok(WayIn::Code(
                    factor::want_code(tx, &app, &proof, account.id, site.as_ref()).await?,
                ));
            }
            Ok(WayIn::Session(sessions::begin(tx, &app, account.id, &origin).await?))
        })
        .await?;
    match way_in {
        WayIn::Session(session) => {
            tracing::info!(account = %session.account(), "logged in");
            session.answer(&app, &headers, StatusCode::OK).await
        }
        WayIn::Code(wanted) => Ok((StatusCode::ACCEPTED, axum::Json(wanted)).into_response()),
    }
}

/// Where a good password leads.
enum WayIn {
    Session(NewSession),
    Code(CodeWanted),
}

/// A password that was proven, as it was when the proof began.
pub struct Proof {
    pub handle: String,
    /// SHA-256 of the record it was proven against.
    pub of_record: Vec<u8>,
}

impl Proof {
    /// Refused where the password has been replaced since. To be asked within the transaction that trusts the proof.
    pub fn holds_for(&self, account: &accounts::Model) -> Result<()> {
        let holds =
            account.handle == self.handle && Sha256::digest(&account.opaque_record)[..] == self.of_record;
        if holds { Ok(()) } else { Err(Code::WrongCredentials.into()) }
    }
}

/// Answer the first message of whoever says to know the password of `handle`.
pub async fn begin_proof(app: &App, handle: String, request: &Bytes) -> Result<LoginStarted> {
    let record = find(app.db.read(), &handle).await?.map(|account| account.opaque_record);
    let pending = app.opaque.start_login(&handle, record.as_deref(), &request.0).map_err(refused_opaque)?;
    let of_record: [u8; 32] = Sha256::digest(record.unwrap_or_default()).into();
    let state = [&of_record[..], &pending.state].concat();
    let login = handshakes::keep(app, handle, Some(state), LIFE).await?;
    Ok(LoginStarted { login, response: pending.response.into() })
}

pub async fn finish_proof(app: &App, login: Uuid, finalization: &Bytes) -> Result<Proof> {
    let (handle, state) = handshakes::take_login(app, login).await?;
    let (of_record, state) = state.split_at_checked(32).ok_or(Code::WrongCredentials)?;
    e2ee::opaque::server::finish_login(state, &finalization.0).map_err(|_| Code::WrongCredentials)?;
    Ok(Proof { handle, of_record: of_record.to_vec() })
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PasswordProof {
    /// As `credentials/start` has begun it.
    login: Uuid,
    /// OPAQUE KE3.
    finalization: Bytes,
}

impl PasswordProof {
    pub async fn finish(&self, app: &App) -> Result<Proof> {
        finish_proof(app, self.login, &self.finalization).await
    }
}

/// A damaged record is our own fault, anything else the caller's.
fn refused_opaque(error: e2ee::Error) -> Error {
    match error {
        e2ee::Error::DamagedRecord => Error::internal(error),
        _ => Code::BadOpaque.into(),
    }
}
