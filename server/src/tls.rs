//! https without a proxy. The certificate comes from two files, which are read again when they change, or from a
//! certificate authority by ACME. Whatever goes wrong with a new one, the one before stays.
//!
//! TLS 1.2 and 1.3 with the suites of rustls, which knows no weak ones.

mod acme;

use std::fmt::Display;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use rustls::ServerConfig;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use crate::config::Config;
use crate::listen::Stream;

/// For the whole handshake, which is two round trips for an honest peer.
const HANDSHAKE_PATIENCE: Duration = Duration::from_secs(10);
/// How often the files are looked at.
const LOOK: Duration = Duration::from_secs(1);
const HTTP: &[u8] = b"http/1.1";
/// The first byte of every TLS connection.
const HANDSHAKE: u8 = 22;
const NOT_HTTPS: &str = "HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain\r\nconnection: close\r\n\r\n\
    This port speaks https only.\n";

#[derive(Clone)]
pub struct Tls {
    current: watch::Receiver<Arc<ServerConfig>>,
    source: Arc<Mutex<Option<Source>>>,
}

/// Who makes the next certificate.
enum Source {
    Files(Box<Files>),
    Acme(Box<acme::State>, watch::Sender<Arc<ServerConfig>>),
}

impl Tls {
    /// As the configuration says: none, or one that can serve.
    pub fn open(config: &Config) -> Result<Option<Self>, String> {
        let (current, source) = if let (Some(cert), Some(key)) = (&config.tls_cert, &config.tls_key) {
            let (files, current) = Files::open(cert.clone(), key.clone())?;
            (current, Source::Files(Box::new(files)))
        } else if !config.acme.is_empty() {
            let (state, server) = acme::open(config)?;
            let (serve, current) = watch::channel(Arc::new(server));
            (current, Source::Acme(Box::new(state), serve))
        } else {
            return Ok(None);
        };
        Ok(Some(Self { current, source: Arc::new(Mutex::new(Some(source))) }))
    }

    /// See to it that there is always a certificate that is good. Does not return; a second call has nothing to do.
    pub async fn keep(self) {
        let source = self.source.lock().unwrap_or_else(PoisonError::into_inner).take();
        match source {
            Some(Source::Files(files)) => files.keep().await,
            Some(Source::Acme(state, _serve)) => acme::keep(*state).await,
            None => {}
        }
    }

    /// The handshake. None where that was all: a certificate authority that makes sure of us, or somebody who
    /// speaks plain http and has been told.
    pub async fn accept(&self, stream: Stream) -> io::Result<Option<Stream>> {
        timeout(HANDSHAKE_PATIENCE, self.shake_hands(stream)).await?
    }

    async fn shake_hands(&self, mut stream: Stream) -> io::Result<Option<Stream>> {
        if stream.peek().await?.is_some_and(|first| first != HANDSHAKE && first.is_ascii()) {
            // What is left unread would make the system take our answer back.
            let _ = stream.read(&mut [0; 4096]).await?;
            stream.write_all(NOT_HTTPS.as_bytes()).await?;
            stream.shutdown().await?;
            return Ok(None);
        }
        let config = self.current.borrow().clone();
        let mut stream = TlsAcceptor::from(config).accept(stream).await?;
        if stream.get_ref().1.alpn_protocol() == Some(acme::PROTOCOL) {
            stream.shutdown().await?;
            return Ok(None);
        }
        Ok(Some(Stream::Tls(Box::new(stream))))
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

/// The certificate in two files.
struct Files {
    cert: PathBuf,
    key: PathBuf,
    /// As they were when they were last read, and when they were last looked at.
    read: Stamp,
    seen: Stamp,
    serve: watch::Sender<Arc<ServerConfig>>,
}

type Stamp = [Option<(SystemTime, u64, u64)>; 2];

impl Files {
    fn open(cert: PathBuf, key: PathBuf) -> Result<(Self, watch::Receiver<Arc<ServerConfig>>), String> {
        let stamp = [&cert, &key].map(stamp);
        let (serve, current) = watch::channel(Arc::new(read(&cert, &key)?));
        Ok((Self { cert, key, read: stamp, seen: stamp, serve }, current))
    }

    async fn keep(self: Box<Self>) {
        let mut files = self;
        loop {
            tokio::time::sleep(LOOK).await;
            // The files may lie on a network, and a disk that does not answer must hold nobody up.
            let look = tokio::task::spawn_blocking(move || {
                let found = files.look();
                (files, found)
            });
            let Ok((same, found)) = look.await else { return };
            files = same;
            match found {
                Ok(false) => {}
                Ok(true) => tracing::info!("a new certificate is served"),
                Err(error) => tracing::warn!(error, "the new certificate is no good; the one before stays"),
            }
        }
    }

    /// Whether there was a new certificate, which is served from now on. Files that still change from one look to
    /// the next are being written: the key belongs to the certificate only when both are there.
    fn look(&mut self) -> Result<bool, String> {
        let now = [&self.cert, &self.key].map(stamp);
        let still = std::mem::replace(&mut self.seen, now) == now;
        if !still || now == self.read {
            return Ok(false);
        }
        self.read = now;
        // With this configuration go the sessions that could be resumed: nobody goes on with the old certificate.
        self.serve.send_replace(Arc::new(read(&self.cert, &self.key)?));
        Ok(true)
    }
}

fn stamp(path: &PathBuf) -> Option<(SystemTime, u64, u64)> {
    let found = fs::metadata(path).ok()?;
    Some((found.modified().ok()?, found.len(), found.ino()))
}

fn read(cert: &PathBuf, key: &PathBuf) -> Result<ServerConfig, String> {
    let of = |path: &PathBuf| {
        let path = path.display().to_string();
        move |error: &dyn Display| format!("{path}: {error}")
    };
    let chain: Vec<_> =
        CertificateDer::pem_file_iter(cert).and_then(Iterator::collect).map_err(|error| of(cert)(&error))?;
    let secret = PrivateKeyDer::from_pem_file(key).map_err(|error| of(key)(&error))?;
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, secret))
        .map_err(|error| of(cert)(&error))?;
    config.alpn_protocols = vec![HTTP.to_vec()];
    Ok(config)
}

/// A name that a certificate can be had for.
#[derive(Clone, Debug)]
pub struct Domain(pub String);

impl FromStr for Domain {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let name = text.to_ascii_lowercase();
        let is_label = |label: &str| {
            !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        };
        let is_name = name.split('.').all(is_label) && name.bytes().any(|byte| byte.is_ascii_alphabetic());
        if is_name { Ok(Self(name)) } else { Err("give a name alone, as in messages.example.org".to_owned()) }
    }
}

/// Where a certificate authority may write.
#[derive(Clone, Debug)]
pub struct Contact(pub String);

impl FromStr for Contact {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.strip_prefix("mailto:") {
            Some(address) if address.contains('@') => Ok(Self(text.to_owned())),
            _ => Err("give mailto:somebody@example.org".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A new certificate and its key.
    fn write(cert: &PathBuf, key: &PathBuf) {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        fs::write(cert, made.cert.pem()).unwrap();
        fs::write(key, made.key_pair.serialize_pem()).unwrap();
    }

    #[test]
    fn a_broken_certificate_leaves_the_one_before_and_the_next_good_one_is_taken() {
        let folder = tempfile::tempdir().unwrap();
        let (cert, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
        let (other, others_key) = (folder.path().join("other.pem"), folder.path().join("others-key.pem"));
        write(&cert, &key);
        write(&other, &others_key);
        let (mut files, current) = Files::open(cert.clone(), key.clone()).unwrap();
        let first = current.borrow().clone();
        assert_eq!(files.look(), Ok(false));

        let break_it: [&dyn Fn(); 4] = [
            &|| fs::write(&cert, "-----BEGIN CERTIFICATE-----\n").unwrap(),
            &|| fs::write(&cert, "").unwrap(),
            // It is good, but the key is not its own.
            &|| fs::write(&cert, fs::read(&other).unwrap()).unwrap(),
            &|| fs::remove_file(&key).unwrap(),
        ];
        for what in break_it {
            what();
            assert_eq!(files.look(), Ok(false), "it may still be being written");
            assert!(files.look().is_err());
            assert_eq!(files.look(), Ok(false), "once is enough");
            assert!(Arc::ptr_eq(&first, &current.borrow()));
        }
        write(&cert, &key);
        assert_eq!(files.look(), Ok(false));
        assert_eq!(files.look(), Ok(true));
        assert!(!Arc::ptr_eq(&first, &current.borrow()));
    }

    #[test]
    fn what_cannot_be_served_is_said_at_the_start() {
        let folder = tempfile::tempdir().unwrap();
        let (cert, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
        let error = Files::open(cert.clone(), key.clone()).err().unwrap();
        assert!(error.contains("cert.pem"), "{error}");
        write(&cert, &key);
        fs::write(&key, "no key").unwrap();
        let error = Files::open(cert, key).err().unwrap();
        assert!(error.contains("key.pem") && !error.contains("no key"), "{error}");
    }
}
