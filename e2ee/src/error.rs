/// What can go wrong, in meanings. [`Error::code`] is stable: the web translates it, and the server hands it
/// on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Error {
    #[error("a handle has 3 to 32 characters of a-z, 0-9, '_', '.' and '-'")]
    BadHandle,
    #[error("a password has at least 10 characters")]
    PasswordTooShort,
    #[error("the handle or the password is wrong")]
    WrongCredentials,
    #[error("this is not a message of the password protocol")]
    BadOpaque,
    /// Something the server itself stored for the password protocol does not parse.
    #[error("a stored record of the password protocol is damaged")]
    DamagedRecord,
    #[error("this is not a recovery code; a character is wrong or missing")]
    BadRecoveryCode,
    #[error("the vault cannot be read")]
    BadVault,
    #[error("the vault is older than one that was seen before")]
    StaleVault,
    /// The server serves a public identity that is not the one in the vault: an alarm, never a new identity.
    #[error("the server shows another identity than the one in this account's vault")]
    OwnIdentityMismatch,
    #[error("the key bundle is malformed, or its signature is wrong")]
    BadKeyBundle,
    #[error("no key bundle of this person has been pinned")]
    PeerNotPinned,
    #[error("a conversation needs two people")]
    ConversationWithOneself,
    #[error("the epoch grant is malformed, or its signature is wrong")]
    BadGrant,
    #[error("the epoch does not follow the one before it")]
    BrokenEpochChain,
    #[error("the key of this epoch is not on the keychain")]
    UnknownEpoch,
    #[error("the envelope is malformed")]
    BadEnvelope,
    #[error("this was written by a newer version")]
    UnsupportedVersion,
    #[error("what was to be opened is not what was sealed")]
    NotAuthentic,
}

impl Error {
    /// A name for programs, in snake case; it never changes.
    pub fn code(self) -> &'static str {
        match self {
            Error::BadHandle => "bad_handle",
            Error::PasswordTooShort => "password_too_short",
            Error::WrongCredentials => "wrong_credentials",
            Error::BadOpaque => "bad_opaque",
            Error::DamagedRecord => "damaged_record",
            Error::BadRecoveryCode => "bad_recovery_code",
            Error::BadVault => "bad_vault",
            Error::StaleVault => "stale_vault",
            Error::OwnIdentityMismatch => "own_identity_mismatch",
            Error::BadKeyBundle => "bad_key_bundle",
            Error::PeerNotPinned => "peer_not_pinned",
            Error::ConversationWithOneself => "conversation_with_oneself",
            Error::BadGrant => "bad_grant",
            Error::BrokenEpochChain => "broken_epoch_chain",
            Error::UnknownEpoch => "unknown_epoch",
            Error::BadEnvelope => "bad_envelope",
            Error::UnsupportedVersion => "unsupported_version",
            Error::NotAuthentic => "not_authentic",
        }
    }
}

pub type Result<T, E = Error> = std::result::Result<T, E>;
