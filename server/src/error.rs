//! What can go wrong, in meanings. A handler says `Error::NotFound`; this file alone knows the status, the
//! stable `code` that the web translates, and an English sentence for everyone else.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use sea_orm::{DbErr, SqlErr};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::db;

/// Seconds until it is worth trying again.
const UNAVAILABLE_FOR: u64 = 2;

pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The body of every refusal.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub struct Problem {
    pub code: Code,
    /// An English sentence; programs look at `code`.
    pub message: String,
}

macro_rules! refusals {
    ($($(#[$doc:meta])* $name:ident $status:ident $message:literal;)*) => {
        /// The stable names of all refusals.
        #[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize, ToSchema)]
        #[serde(rename_all = "snake_case")]
        pub enum Code { $($(#[$doc])* $name),* }

        impl Code {
            pub fn status(self) -> StatusCode {
                match self { $(Code::$name => StatusCode::$status),* }
            }

            pub fn message(self) -> &'static str {
                match self { $(Code::$name => $message),* }
            }
        }
    };
}

refusals! {
    BadRequest BAD_REQUEST "The request could not be understood.";
    SignedOut UNAUTHORIZED "You are signed out.";
    WrongCredentials UNAUTHORIZED "This handle and this password do not go together.";
    WrongRecoveryCode UNAUTHORIZED "This handle and this recovery code do not go together.";
    WrongSecondFactor UNAUTHORIZED "This code is wrong, or was used already.";
    WrongPasskey UNAUTHORIZED "This passkey is not known here, or its answer came too late; please try again.";
    BadOrigin FORBIDDEN "This request does not come from the messenger's own page.";
    WrongSetupCode FORBIDDEN "This is not the set-up code that the server printed.";
    Suspended FORBIDDEN "This account is suspended. Please ask an administrator.";
    SignUpClosed FORBIDDEN "Nobody can sign up here at the moment.";
    InvitationNeeded FORBIDDEN "An invitation is needed to sign up here.";
    InvitationOver FORBIDDEN "This invitation is used up, over, or was withdrawn.";
    NoResetByMail FORBIDDEN "Only administrators make such links here.";
    NotAdministrator FORBIDDEN "Only administrators may do this.";
    NotYours FORBIDDEN "Only who sent a message may change it.";
    NotFound NOT_FOUND "There is nothing here.";
    UnknownMessage NOT_FOUND "There is no such message in this conversation.";
    NoMail NOT_FOUND "This server sends no mail.";
    MethodNotAllowed METHOD_NOT_ALLOWED "This cannot be done here.";
    TooSlow REQUEST_TIMEOUT "The request took too long.";
    HandleTaken CONFLICT "This handle is taken.";
    RegistrationExpired CONFLICT "This sign-up took too long or is done; please begin again.";
    PasskeyOpensNothing CONFLICT "This passkey is asked for beside the password: please log in with that first.";
    TooManyPasskeys CONFLICT "An account can have 10 passkeys.";
    LoginExpired CONFLICT "This log-in took too long or is done; please begin again.";
    VaultConflict CONFLICT "Another browser wrote the vault meanwhile.";
    EpochConflict CONFLICT "Another browser opened this epoch first.";
    MessageDeleted CONFLICT "This message has been deleted.";
    TooManyEdits CONFLICT "This message has been edited too often.";
    AlreadySent CONFLICT "This message has been sent already.";
    TooManyScheduled CONFLICT "No more than 100 messages can wait for their time.";
    MessageIdReused CONFLICT "This message id stands for another message.";
    LastAdministrator CONFLICT "Somebody must administer this server: first make somebody else an administrator.";
    AskedByOwner CONFLICT "Only who asked to have their account erased can take it back.";
    AdministratorsDecided CONFLICT "The administrators have decided that; only they can take it back.";
    AccountErased GONE "This account was erased.";
    ResetTooEarly CONFLICT "This link is good only a day after it was asked for.";
    ResetExpired GONE "This link was used, replaced by a later one, or is too old.";
    MailLinkOver GONE "This link was used, replaced by a later one, or is too old.";
    TooLarge PAYLOAD_TOO_LARGE "The request is too large.";
    MessageTooLarge PAYLOAD_TOO_LARGE "The message is too long.";
    BadHandle UNPROCESSABLE_ENTITY "A handle has 3 to 32 of a-z, 0-9, dot, hyphen and underscore.";
    BadDisplayName UNPROCESSABLE_ENTITY "A display name has 1 to 64 characters.";
    BadProfile UNPROCESSABLE_ENTITY "The status line has up to 100 characters, the bio up to 1,000.";
    BadAddress UNPROCESSABLE_ENTITY "This is not an e-mail address that can be used here: name@example.org, up to 254 characters without accents.";
    BadOpaque UNPROCESSABLE_ENTITY "The log-in protocol's message is not well formed.";
    BadKeyMaterial UNPROCESSABLE_ENTITY "The keys of the account are not complete or not well formed.";
    BadPasskey UNPROCESSABLE_ENTITY "This passkey cannot be used here, or took too long; please try again.";
    NoPasskeysHere UNPROCESSABLE_ENTITY "Passkeys need an address with a name, and https.";
    BadKeyBundle UNPROCESSABLE_ENTITY "The key bundle is not well formed or not signed by its own key.";
    BadGrant UNPROCESSABLE_ENTITY "The epoch's grant does not fit this conversation.";
    StaleKeyBundle UNPROCESSABLE_ENTITY "The epoch is sealed to a key that is no longer current.";
    BadEnvelope UNPROCESSABLE_ENTITY "The envelope is not well formed.";
    UnknownEpoch UNPROCESSABLE_ENTITY "The envelope's epoch does not belong to this conversation.";
    EpochClosed CONFLICT "The envelope's epoch takes no more envelopes: seal it anew under the current one.";
    BadTimer UNPROCESSABLE_ENTITY "Messages stay for ever, a day, a week, or four weeks.";
    BadTime UNPROCESSABLE_ENTITY "A message can be sent at a time to come, within a year.";
    BadReport UNPROCESSABLE_ENTITY "A report has a note of up to 1,000 characters, and up to 50 texts of the other person.";
    BadOrganisation UNPROCESSABLE_ENTITY "The name has up to 40 characters, the welcome up to 2,000; the colour is written #rrggbb; days are 1 to 3,650.";
    BadDomains UNPROCESSABLE_ENTITY "Give 1 to 50 domains, such as example.org.";
    OtherDomain UNPROCESSABLE_ENTITY "Nobody can sign up here with an address of this domain.";
    BadInvitation UNPROCESSABLE_ENTITY "Up to 500 invitations with notes of up to 200 characters, for 1 to 365 days and 1 to 10,000 people each.";
    BadReceipt UNPROCESSABLE_ENTITY "A receipt names a message that exists.";
    ConversationWithOneself UNPROCESSABLE_ENTITY "A conversation is between two people.";
    NotAnImage UNPROCESSABLE_ENTITY "The picture is not a JPEG, PNG or WebP that can be read.";
    TooManyAttempts TOO_MANY_REQUESTS "Too many attempts; please wait a moment.";
    Internal INTERNAL_SERVER_ERROR "Something went wrong here; it has been noted.";
    Unavailable SERVICE_UNAVAILABLE "The server cannot store anything at the moment; please try again.";
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Refused, for a reason the caller can understand.
    #[error("{}", .0.message())]
    Refused(Code),
    /// Refused for now.
    #[error("too many attempts")]
    TooManyAttempts { retry_after_seconds: u64 },
    /// Others were faster with the same rows: what the transaction did is undone, and may be tried again.
    #[error("others were faster")]
    Overtaken,
    /// Our fault. The inside goes to the log, once, and never to the caller.
    #[error("{0}")]
    Internal(Box<dyn std::error::Error + Send + Sync>),
}

impl Error {
    pub fn internal(inside: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Error::Internal(inside.into())
    }

    pub fn code(&self) -> Code {
        match self {
            Error::Refused(code) => *code,
            Error::TooManyAttempts { .. } => Code::TooManyAttempts,
            Error::Overtaken => Code::Unavailable,
            Error::Internal(_) => Code::Internal,
        }
    }

    /// What the caller is told; the inside of an internal error is logged here and nowhere else.
    pub fn problem(&self) -> Problem {
        if let Error::Internal(inside) = self {
            tracing::error!(error = %inside, "internal error");
        }
        Problem { code: self.code(), message: self.code().message().to_owned() }
    }
}

impl From<Code> for Error {
    fn from(code: Code) -> Self {
        Error::Refused(code)
    }
}

impl From<DbErr> for Error {
    fn from(error: DbErr) -> Self {
        if db::is_contended(&error) {
            return Error::Overtaken;
        }
        if db::is_unavailable(&error) {
            if was_silent() {
                tracing::error!(error = %error, "the database cannot be used");
            }
            return Error::Refused(Code::Unavailable);
        }
        Error::internal(error)
    }
}

/// A full disk refuses every request that stores something: said once a minute, not once a request.
fn was_silent() -> bool {
    static SAID: Mutex<Option<Instant>> = Mutex::new(None);
    let mut said = SAID.lock().unwrap_or_else(PoisonError::into_inner);
    let silent = said.is_none_or(|at| at.elapsed() >= Duration::from_secs(60));
    if silent {
        *said = Some(Instant::now());
    }
    silent
}

/// Whether a write was refused because a row with the same unique key exists.
pub fn is_duplicate(error: &DbErr) -> bool {
    matches!(error.sql_err(), Some(SqlErr::UniqueConstraintViolation(_)))
}

impl From<JsonRejection> for Error {
    fn from(rejection: JsonRejection) -> Self {
        match rejection.status() {
            StatusCode::PAYLOAD_TOO_LARGE => Code::TooLarge.into(),
            _ => Code::BadRequest.into(),
        }
    }
}

impl From<QueryRejection> for Error {
    fn from(_: QueryRejection) -> Self {
        Code::BadRequest.into()
    }
}

/// A path that is not even an id names nothing.
impl From<PathRejection> for Error {
    fn from(_: PathRejection) -> Self {
        Code::NotFound.into()
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let mut response = (self.code().status(), axum::Json(self.problem())).into_response();
        let retry_after = match self {
            Error::TooManyAttempts { retry_after_seconds } => Some(retry_after_seconds),
            _ if self.code() == Code::Unavailable => Some(UNAVAILABLE_FOR),
            _ => None,
        };
        if let Some(seconds) = retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}
