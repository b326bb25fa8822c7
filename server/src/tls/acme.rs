//! Certificates by ACME (RFC 8555), proved over the port of https itself (tls-alpn-01, RFC 8737): nothing else has
//! to be reachable. Account and certificate are kept in the data folder, so that a restart asks nobody.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use futures_util::StreamExt;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use rustls_acme::{AccountCache, AcmeConfig, AcmeState, CertCache, EventOk};
use sha2::{Digest, Sha256};

use super::{HTTP, provider};
use crate::config::Config;

/// What the authority speaks that makes sure of us.
pub const PROTOCOL: &[u8] = b"acme-tls/1";

pub type State = AcmeState<io::Error>;

pub fn open(config: &Config) -> Result<(State, ServerConfig), String> {
    let domains = config.acme.iter().map(|domain| &domain.0);
    let mut acme = AcmeConfig::new(domains)
        .contact(config.acme_contact.iter().map(|contact| &contact.0))
        .directory(&config.acme_directory)
        .cache(Folder(config.storage.data.join("acme")));
    if let Some(ca) = &config.acme_ca {
        let client = known_by(ca).map_err(|error| format!("{}: {error}", ca.display()))?;
        acme = acme.client_tls_config(Arc::new(client));
    }
    let state = acme.state();
    let mut server = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_no_client_auth()
        .with_cert_resolver(state.resolver());
    // In this order: only who speaks nothing else is taken for the authority.
    server.alpn_protocols = vec![HTTP.to_vec(), PROTOCOL.to_vec()];
    Ok((state, server))
}

/// Trusts the organisation's own authority, and no other.
fn known_by(ca: &PathBuf) -> Result<ClientConfig, Box<dyn std::error::Error>> {
    let mut roots = RootCertStore::empty();
    for root in CertificateDer::pem_file_iter(ca)? {
        roots.add(root?)?;
    }
    Ok(ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth())
}

/// Orders a certificate where there is none, and the next one when a third of its time is left. After a failure it
/// waits, longer each time.
pub async fn keep(mut state: State) {
    while let Some(event) = state.next().await {
        match event {
            Ok(EventOk::DeployedNewCert) => tracing::info!("a new certificate is served"),
            Ok(EventOk::DeployedCachedCert) => tracing::info!("the certificate of before is served"),
            Ok(EventOk::CertCacheStore | EventOk::AccountCacheStore) => {}
            Err(error) => tracing::warn!(%error, "no certificate could be had; it is tried again"),
        }
    }
}

/// Private keys, each in a file of its own that nobody else may read.
struct Folder(PathBuf);

impl Folder {
    /// What was got for other names or from another authority is not what is asked for.
    fn file(&self, kind: &str, of: &[String], directory: &str) -> PathBuf {
        let digest = Sha256::digest(format!("{directory} {}", of.join(" ")));
        let id: String = digest[..8].iter().map(|byte| format!("{byte:02x}")).collect();
        self.0.join(format!("{kind}-{id}"))
    }

    fn load(&self, kind: &str, of: &[String], directory: &str) -> io::Result<Option<Vec<u8>>> {
        match fs::read(self.file(kind, of, directory)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            read => read.map(Some),
        }
    }

    fn store(&self, kind: &str, of: &[String], directory: &str, secret: &[u8]) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.0)?;
        crate::files::write_secret(&self.file(kind, of, directory), secret)
    }
}

#[async_trait]
impl CertCache for Folder {
    type EC = io::Error;

    async fn load_cert(&self, domains: &[String], directory: &str) -> io::Result<Option<Vec<u8>>> {
        self.load("certificate", domains, directory)
    }

    async fn store_cert(&self, domains: &[String], directory: &str, cert: &[u8]) -> io::Result<()> {
        self.store("certificate", domains, directory, cert)
    }
}

#[async_trait]
impl AccountCache for Folder {
    type EA = io::Error;

    async fn load_account(&self, contact: &[String], directory: &str) -> io::Result<Option<Vec<u8>>> {
        self.load("account", contact, directory)
    }

    async fn store_account(&self, contact: &[String], directory: &str, account: &[u8]) -> io::Result<()> {
        self.store("account", contact, directory, account)
    }
}
