use uuid::Uuid;

/// The close code of a session that has ended.
const SESSION_ENDED: u16 = 4401;

/// Why something did not happen.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The server's own words.
    #[error("{status} {code}: {message}")]
    Refused { status: u16, code: String, message: String },
    /// The password is good, and the account has a second factor.
    #[error("the log-in waits for the code of the second factor")]
    CodeWanted,
    #[error("{0}")]
    Encryption(#[from] e2ee::Error),
    /// The server shows another identity for this person than the one that is pinned.
    #[error("the identity of {0} has changed")]
    IdentityChanged(Uuid),
    /// The connection failed, or what came was no answer of this API.
    #[error("{0}")]
    Connection(String),
    /// The socket was closed by the server, with its close code.
    #[error("the server closed the socket ({code}): {reason}")]
    Closed { code: u16, reason: String },
}

impl Error {
    /// The stable code, where there is one.
    pub fn code(&self) -> Option<&str> {
        match self {
            Error::Refused { code, .. } => Some(code),
            Error::Encryption(error) => Some(error.code()),
            Error::IdentityChanged(_) => Some("identity_changed"),
            Error::CodeWanted | Error::Connection(_) | Error::Closed { .. } => None,
        }
    }

    /// An answer that nobody could act upon.
    pub(crate) fn nonsense(what: &str) -> Self {
        Error::Connection(format!("the server's answer makes no sense: {what}"))
    }

    /// Whether the same may well pass later: the connection is gone, or the server cannot do it at the moment.
    /// All else is an answer.
    pub fn is_passing(&self) -> bool {
        match self {
            Error::Connection(_) => true,
            Error::Closed { code, .. } => *code != SESSION_ENDED,
            Error::Refused { status, .. } => *status >= 500 || matches!(status, 408 | 429),
            Error::CodeWanted | Error::Encryption(_) | Error::IdentityChanged(_) => false,
        }
    }

    pub(crate) fn is_refusal(&self, wanted: &str) -> bool {
        matches!(self, Error::Refused { code, .. } if code == wanted)
    }
}

impl From<reqwest::Error> for Error {
    fn from(error: reqwest::Error) -> Self {
        // The outer error says what failed; the inner one says why.
        let mut text = error.to_string();
        let mut source = std::error::Error::source(&error);
        while let Some(inner) = source {
            text = format!("{text}: {inner}");
            source = inner.source();
        }
        Error::Connection(text)
    }
}

pub type Result<T, E = Error> = std::result::Result<T, E>;
