//! The server's side of the password protocol: bytes in, bytes out, and nothing it could keep that would tell
//! a password.

use opaque_ke::{
    CredentialFinalization, CredentialRequest, RegistrationRequest, RegistrationUpload, ServerLogin,
    ServerLoginParameters, ServerRegistration,
};
use rand::rngs::OsRng;
use zeroize::Zeroizing;

use super::{CONTEXT, KE1, KE3, RECORD, REQUEST, Suite, exactly, identifiers};
use crate::{
    Error, Result, boxes,
    codec::enc,
    keys::{Key, derive},
};

const SETUP: usize = 128;
const STATE: usize = 128;

/// The server's own long-lived secrets. Made once, at the first start, and kept: without them nobody can log
/// in again.
pub struct ServerSetup(opaque_ke::ServerSetup<Suite>);

/// The server's part of a log-in that has begun.
pub struct PendingLogin {
    /// For the client.
    pub response: Vec<u8>,
    /// For [`finish_login`]; to be kept by the server, for a minute, and used once.
    pub state: Zeroizing<Vec<u8>>,
}

impl ServerSetup {
    pub fn generate() -> Self {
        ServerSetup(opaque_ke::ServerSetup::new(&mut OsRng))
    }

    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        Zeroizing::new(self.0.serialize().to_vec())
    }

    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let bytes = exactly::<SETUP>(bytes).ok_or(Error::DamagedRecord)?;
        opaque_ke::ServerSetup::deserialize(bytes).map(ServerSetup).map_err(|_| Error::DamagedRecord)
    }

    /// Answers the first message of a registration. Nothing is to be kept.
    pub fn start_registration(&self, handle: &str, request: &[u8]) -> Result<Vec<u8>> {
        let request = exactly::<REQUEST>(request).ok_or(Error::BadOpaque)?;
        let request = RegistrationRequest::deserialize(request).map_err(|_| Error::BadOpaque)?;
        let start =
            ServerRegistration::start(&self.0, request, handle.as_bytes()).map_err(|_| Error::BadOpaque)?;
        Ok(start.message.serialize().to_vec())
    }

    /// Answers the first message of a log-in. For a handle that does not exist, `record` is `None`: the
    /// answer looks the same, and the log-in fails at its end, as with a wrong password.
    pub fn start_login(&self, handle: &str, record: Option<&[u8]>, request: &[u8]) -> Result<PendingLogin> {
        let record = record.map(read_record).transpose().map_err(|_| Error::DamagedRecord)?;
        let request = exactly::<KE1>(request).ok_or(Error::BadOpaque)?;
        let request = CredentialRequest::deserialize(request).map_err(|_| Error::BadOpaque)?;
        let start =
            ServerLogin::start(&mut OsRng, &self.0, record, request, handle.as_bytes(), parameters(handle))
                .map_err(|_| Error::BadOpaque)?;
        Ok(PendingLogin {
            response: start.message.serialize().to_vec(),
            state: Zeroizing::new(start.state.serialize().to_vec()),
        })
    }

    /// Seals what the server itself must be able to read, so that its database alone gives it to nobody.
    pub fn seal(&self, label: &str, aad: &[u8], plaintext: &[u8]) -> Vec<u8> {
        boxes::seal(&self.key(), label, aad, plaintext)
    }

    pub fn open(&self, label: &str, aad: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
        boxes::open(&self.key(), label, aad, sealed)
    }

    /// The same 32 bytes for the same value, from which nobody without the server's key finds the value, or tries one.
    pub fn tag(&self, label: &str, value: &[u8]) -> [u8; 32] {
        *derive(&*self.key(), &enc(label, &[value]))
    }

    fn key(&self) -> Key {
        derive(&self.to_bytes(), &enc("server-key", &[]))
    }
}

/// Checks what a client uploads at the end of a registration; what comes back is to be stored.
pub fn finish_registration(record: &[u8]) -> Result<Vec<u8>> {
    Ok(read_record(record)?.serialize().to_vec())
}

/// Whether the client knew the password. `state` already holds the one answer that counts, over the handle,
/// the context and all that went before.
pub fn finish_login(state: &[u8], finalization: &[u8]) -> Result<()> {
    let state = exactly::<STATE>(state).ok_or(Error::DamagedRecord)?;
    let state = ServerLogin::<Suite>::deserialize(state).map_err(|_| Error::DamagedRecord)?;
    let finalization = exactly::<KE3>(finalization).ok_or(Error::BadOpaque)?;
    let finalization = CredentialFinalization::deserialize(finalization).map_err(|_| Error::BadOpaque)?;
    state
        .finish(finalization, ServerLoginParameters::default())
        .map(drop)
        .map_err(|_| Error::WrongCredentials)
}

fn read_record(bytes: &[u8]) -> Result<ServerRegistration<Suite>> {
    let upload = exactly::<RECORD>(bytes).ok_or(Error::BadOpaque)?;
    RegistrationUpload::deserialize(upload).map(ServerRegistration::finish).map_err(|_| Error::BadOpaque)
}

fn parameters(handle: &str) -> ServerLoginParameters<'_, '_> {
    ServerLoginParameters { context: Some(CONTEXT), identifiers: identifiers(handle) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_seals_only_it_can_open_and_only_where_it_was() {
        let server = ServerSetup::generate();
        let sealed = server.seal("test", b"place", b"secret");
        let again = ServerSetup::from_bytes(&server.to_bytes()).unwrap();
        assert_eq!(&**again.open("test", b"place", &sealed).unwrap(), b"secret");
        for refused in [
            ServerSetup::generate().open("test", b"place", &sealed),
            server.open("other", b"place", &sealed),
            server.open("test", b"elsewhere", &sealed),
        ] {
            assert_eq!(refused, Err(Error::NotAuthentic));
        }
    }
}
