//! The client's side: it alone knows the password, and gets the export key, which opens the password slot.

use opaque_ke::{
    ClientLogin, ClientLoginFinishParameters, ClientRegistration, ClientRegistrationFinishParameters,
    CredentialResponse, RegistrationResponse, errors::ProtocolError,
};
use rand::rngs::OsRng;
use unicode_normalization::UnicodeNormalization;
use zeroize::{Zeroize, Zeroizing};

use super::{CONTEXT, KE2, RESPONSE, Suite, exactly, identifiers};
use crate::{Error, Result};

const MINIMUM_CHARACTERS: usize = 10;

/// A secret that only a client with the right password gets; the same at registration and at each log-in.
pub(crate) type ExportKey = Zeroizing<[u8; 64]>;

/// A password as the protocol takes it. NFKC, for ever: the same key presses must give the same bytes on
/// every system.
pub(crate) struct Password(Zeroizing<String>);

impl Password {
    pub fn new(typed: &str) -> Self {
        Password(Zeroizing::new(typed.nfkc().collect()))
    }

    pub fn is_long_enough(&self) -> bool {
        self.0.chars().count() >= MINIMUM_CHARACTERS
    }

    fn bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

pub(crate) struct Registering {
    password: Password,
    state: ClientRegistration<Suite>,
}

/// The first message, for the server, and what to keep until its answer.
pub(crate) fn start_registration(password: Password) -> Result<(Vec<u8>, Registering)> {
    let start = ClientRegistration::start(&mut OsRng, password.bytes()).map_err(|_| Error::BadOpaque)?;
    Ok((start.message.serialize().to_vec(), Registering { password, state: start.state }))
}

impl Registering {
    /// The record for the server, and the export key.
    pub fn finish(self, handle: &str, response: &[u8]) -> Result<(Vec<u8>, ExportKey)> {
        let response = exactly::<RESPONSE>(response).ok_or(Error::BadOpaque)?;
        let response = RegistrationResponse::deserialize(response).map_err(|_| Error::BadOpaque)?;
        let parameters = ClientRegistrationFinishParameters::new(identifiers(handle), None);
        let mut finish = self
            .state
            .finish(&mut OsRng, self.password.bytes(), response, parameters)
            .map_err(|_| Error::BadOpaque)?;
        let export_key = Zeroizing::new(finish.export_key.into());
        finish.export_key.zeroize();
        Ok((finish.message.serialize().to_vec(), export_key))
    }
}

pub(crate) struct LoggingIn {
    password: Password,
    state: ClientLogin<Suite>,
}

pub(crate) fn start_login(password: Password) -> Result<(Vec<u8>, LoggingIn)> {
    let start = ClientLogin::start(&mut OsRng, password.bytes()).map_err(|_| Error::BadOpaque)?;
    Ok((start.message.serialize().to_vec(), LoggingIn { password, state: start.state }))
}

impl LoggingIn {
    /// The last message, for the server, and the export key. `WrongCredentials` for a wrong password, and as
    /// well for a handle that does not exist or a server that is not the one of the registration: they look
    /// the same.
    pub fn finish(self, handle: &str, response: &[u8]) -> Result<(Vec<u8>, ExportKey)> {
        let response = exactly::<KE2>(response).ok_or(Error::BadOpaque)?;
        let response = CredentialResponse::deserialize(response).map_err(|_| Error::BadOpaque)?;
        let parameters = ClientLoginFinishParameters::new(Some(CONTEXT), identifiers(handle), None);
        let mut finish =
            self.state.finish(&mut OsRng, self.password.bytes(), response, parameters).map_err(|error| {
                match error {
                    ProtocolError::InvalidLoginError => Error::WrongCredentials,
                    _ => Error::BadOpaque,
                }
            })?;
        let export_key = Zeroizing::new(finish.export_key.into());
        finish.export_key.zeroize();
        Ok((finish.message.serialize().to_vec(), export_key))
    }
}
