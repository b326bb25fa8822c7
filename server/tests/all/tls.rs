//! https without a proxy. The clients of these tests know the certificate authority, and believe nothing else.

use std::fs;
use std::net::{SocketAddr, TcpStream as Probe};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;

use client::Client;
use entrenous::config::Config;
use rcgen::{BasicConstraints, Certificate, CertificateParams, IsCa, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, ProtocolVersion, RootCertStore, SupportedProtocolVersion};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::support::{PASSWORD, TestApp, listen};

/// A certificate authority, and a folder for what it hands out.
pub struct Authority {
    cert: Certificate,
    key: KeyPair,
    folder: TempDir,
}

impl Authority {
    pub fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new([]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self { cert: params.self_signed(&key).unwrap(), key, folder: tempfile::tempdir().unwrap() }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A new certificate for `localhost` in `cert.pem`, and its key in `key.pem`.
    pub fn issue(&self) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(["localhost".to_owned()]).unwrap();
        let cert = params.signed_by(&key, &self.cert, &self.key).unwrap();
        for (name, text) in [("cert.pem", cert.pem()), ("key.pem", key.serialize_pem())] {
            fs::write(self.path("new"), text).unwrap();
            fs::rename(self.path("new"), self.path(name)).unwrap();
        }
    }

    pub fn pem(&self) -> String {
        self.cert.pem()
    }

    fn set(&self, config: &mut Config) {
        config.tls_cert = Some(self.path("cert.pem"));
        config.tls_key = Some(self.path("key.pem"));
    }

    /// A server with a certificate of this authority.
    async fn server(&self) -> TestApp {
        self.issue();
        TestApp::start_with(|config| self.set(config)).await
    }

    fn trusted(&self, version: &'static SupportedProtocolVersion) -> Arc<ClientConfig> {
        trusting(self.cert.der().clone(), version)
    }
}

fn trusting(root: CertificateDer<'static>, version: &'static SupportedProtocolVersion) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(root).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[version])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Arc::new(config)
}

fn address(app: &TestApp) -> SocketAddr {
    app.config.listen.to_string().parse().unwrap()
}

async fn connect(
    to: SocketAddr,
    name: &'static str,
    trust: &Arc<ClientConfig>,
) -> std::io::Result<TlsStream<TcpStream>> {
    let stream = TcpStream::connect(to).await?;
    TlsConnector::from(trust.clone()).connect(ServerName::try_from(name).unwrap(), stream).await
}

/// The whole answer to one request.
async fn ask(mut stream: TlsStream<TcpStream>, request: &str) -> String {
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

fn certificate(stream: &TlsStream<TcpStream>) -> Vec<u8> {
    stream.get_ref().1.peer_certificates().unwrap()[0].to_vec()
}

/// For a client that speaks no TLS of its own: what comes in here goes to `to` by TLS.
async fn tunnel(to: SocketAddr, trust: Arc<ClientConfig>) -> String {
    let listener = listen().await;
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut near, _)) = listener.accept().await {
            let trust = trust.clone();
            tokio::spawn(async move {
                let mut far = connect(to, "localhost", &trust).await.unwrap();
                copy_bidirectional(&mut near, &mut far).await
            });
        }
    });
    url
}

#[tokio::test]
async fn people_sign_up_and_write_over_each_modern_version() {
    let authority = Authority::new();
    let app = authority.server().await;
    for (version, number, protocol) in
        [(&TLS13, 3, ProtocolVersion::TLSv1_3), (&TLS12, 2, ProtocolVersion::TLSv1_2)]
    {
        let trust = authority.trusted(version);
        let stream = connect(address(&app), "localhost", &trust).await.unwrap();
        assert_eq!(stream.get_ref().1.protocol_version(), Some(protocol));
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(b"http/1.1".as_slice()));

        let url = tunnel(address(&app), trust).await;
        let alice = Client::register(&url, &format!("alice{number}"), "Alice", PASSWORD).await.unwrap();
        let bob = Client::register(&url, &format!("bob{number}"), "Bob", PASSWORD).await.unwrap();
        let conversation = alice.open_conversation(bob.id()).await.unwrap().id;
        let mut live = bob.events().await.unwrap();
        let sent = alice.send(conversation, "by TLS").await.unwrap();
        assert_eq!(live.next_message().await.unwrap().id, sent.id);
    }
}

#[tokio::test]
async fn nothing_older_than_tls_1_2_and_nothing_but_http_1_1_is_spoken() {
    let authority = Authority::new();
    let app = authority.server().await;
    // A version, a random, no session, one suite with one certificate type, no compression, and what it is with.
    let hello = |minor: u8| {
        let extensions = [
            &[0, 0, 0, 14, 0, 12, 0, 0, 9][..],
            b"localhost",
            &[0, 10, 0, 4, 0, 2, 0, 23],
            &[0, 11, 0, 2, 1, 0],
            &[0, 13, 0, 4, 0, 2, 4, 3],
            &[0, 23, 0, 0],
        ]
        .concat();
        let body = [
            &[3, minor][..],
            &[7; 32],
            &[0, 0, 2, 0xc0, 0x2b, 1, 0],
            &(extensions.len() as u16).to_be_bytes(),
            &extensions,
        ]
        .concat();
        let length = body.len() as u8;
        [&[22, 3, 1, 0, length + 4, 1, 0, 0, length][..], &body].concat()
    };
    let answer = async |minor| {
        let mut stream = TcpStream::connect(address(&app)).await.unwrap();
        stream.write_all(&hello(minor)).await.unwrap();
        let mut first = [0; 7];
        stream.read_exact(&mut first).await.unwrap();
        (first[0], first[5], first[6])
    };
    let (kind, message, _) = answer(3).await;
    assert_eq!((kind, message), (22, 2), "to TLS 1.2 it says hello");
    for minor in [2, 1, 0] {
        assert_eq!(answer(minor).await, (21, 2, 70), "a fatal alert: protocol version");
    }

    let mut trust = ClientConfig::clone(&authority.trusted(&TLS13));
    trust.alpn_protocols = vec![b"h2".to_vec()];
    assert!(connect(address(&app), "localhost", &Arc::new(trust)).await.is_err());
}

#[tokio::test]
async fn a_new_certificate_is_served_without_a_restart_to_whoever_comes_next() {
    let authority = Authority::new();
    let app = authority.server().await;
    // One configuration, so that this client would like to go on with its sessions.
    let trust = authority.trusted(&TLS13);
    let before = connect(address(&app), "localhost", &trust).await.unwrap();
    let old = certificate(&before);
    authority.issue();
    while certificate(&connect(address(&app), "localhost", &trust).await.unwrap()) == old {}
    // Whoever came before stays.
    let request = "GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    assert!(ask(before, request).await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn with_a_certificate_cookies_origins_and_answers_are_https() {
    let authority = Authority::new();
    let app = authority.server().await;
    let trust = authority.trusted(&TLS13);
    let get = async |host: &str, path: &str, more: &str| {
        let stream = connect(address(&app), "localhost", &trust).await.unwrap();
        ask(stream, &format!("GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n{more}\r\n")).await
    };
    assert!(
        get("messages.example.org", "/", "").await.contains("strict-transport-security: max-age=31536000")
    );
    assert!(!get("localhost", "/", "").await.contains("strict-transport-security"));

    let alice = Client::register(&tunnel(address(&app), trust.clone()).await, "alice", "Alice", PASSWORD)
        .await
        .unwrap();
    let with = async |cookie: &str| {
        get("localhost", "/api/session", &format!("cookie: {cookie}={}\r\n", alice.token())).await
    };
    assert!(with("entrenous").await.starts_with("HTTP/1.1 401"));
    let answer = with("__Host-entrenous").await;
    assert!(answer.starts_with("HTTP/1.1 200"));
    assert!(answer.contains("set-cookie: __Host-entrenous=") && answer.contains("; Secure"), "{answer}");

    let socket = async |origin: &str| {
        let upgrade =
            "upgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==";
        let stream = connect(address(&app), "localhost", &trust).await.unwrap();
        let request = format!(
            "GET /api/live HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade\r\n{upgrade}\r\norigin: {origin}\r\n\
             authorization: Bearer {}\r\n\r\n",
            alice.token()
        );
        let mut stream = stream;
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).await.unwrap();
        String::from_utf8(answer.to_vec()).unwrap()
    };
    assert_eq!(socket("https://localhost").await, "HTTP/1.1 101");
    assert_eq!(socket("http://localhost").await, "HTTP/1.1 403");
}

#[tokio::test]
async fn whoever_speaks_plain_http_to_the_port_is_told() {
    let authority = Authority::new();
    let app = authority.server().await;
    let answer = app.request(reqwest::Method::GET, "/healthz").send().await.unwrap();
    assert_eq!(answer.status(), 400);
    assert!(answer.text().await.unwrap().contains("https"));
}

#[tokio::test]
async fn a_slow_handshake_holds_nobody_up_and_does_not_last() {
    let authority = Authority::new();
    let app = authority.server().await;
    let mut slow = Vec::new();
    for said in [b"".as_slice(), &[22], &[22, 3, 1, 1, 0, 1, 0, 0]] {
        let mut stream = TcpStream::connect(address(&app)).await.unwrap();
        stream.write_all(said).await.unwrap();
        slow.push(stream);
    }
    connect(address(&app), "localhost", &authority.trusted(&TLS13)).await.unwrap();
    for mut stream in slow {
        stream.read_to_end(&mut Vec::new()).await.unwrap();
    }
}

#[tokio::test]
async fn plain_http_is_sent_on_to_the_public_address() {
    let authority = Authority::new();
    authority.issue();
    let at = listen().await.local_addr().unwrap();
    let app = TestApp::start_with(|config| {
        authority.set(config);
        config.http_redirect = Some(at);
        config.public_url = "https://messages.example.org".parse().ok();
    })
    .await;
    let browser = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    for (path, target) in [("", "/"), ("/c/a/1?b=c", "/c/a/1?b=c"), ("//evil.example/", "//evil.example/")] {
        let answer = browser.post(format!("http://{at}{path}")).send().await.unwrap();
        assert_eq!(answer.status(), 308);
        assert_eq!(answer.headers()["location"], format!("https://messages.example.org{target}"));
    }
    drop(app);
}

/// Let's Encrypt's own test server, and a name server for which every name is this machine.
struct Pebble {
    processes: Vec<Child>,
    management: SocketAddr,
}

impl Pebble {
    /// It will look for proofs on the port of `app`. Returns when it answers.
    fn start(authority: &Authority, ports: [SocketAddr; 3], app: u16) -> Self {
        let [directory, management, names] = ports;
        let config = serde_json::json!({"pebble": {
            "listenAddress": directory, "managementListenAddress": management, "httpPort": 1, "tlsPort": app,
            "certificate": authority.path("cert.pem"), "privateKey": authority.path("key.pem"),
        }});
        fs::write(authority.path("pebble.json"), config.to_string()).unwrap();
        let run = |program: &str, arguments: &[&str]| {
            Command::new(program)
                .args(arguments)
                .env("PEBBLE_VA_NOSLEEP", "1")
                .env("PEBBLE_WFE_NONCEREJECT", "0")
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .kill_on_drop(true)
                .spawn()
                .unwrap_or_else(|error| panic!("{program}: {error}"))
        };
        let names = names.to_string();
        let off = ["-http01", "", "-https01", "", "-tlsalpn01", "", "-management", "", "-defaultIPv6", ""];
        let name_server = run("pebble-challtestsrv", &[["-dns01", &names].as_slice(), &off].concat());
        let config = authority.path("pebble.json").display().to_string();
        let pebble = run("pebble", &["-config", &config, "-dnsserver", &names]);
        for port in [names.parse().unwrap(), directory, management] {
            while Probe::connect(port).is_err() {}
        }
        Self { processes: vec![name_server, pebble], management }
    }

    /// What its certificates are to be known by.
    async fn root(&self, authority: &Authority) -> CertificateDer<'static> {
        let stream = connect(self.management, "localhost", &authority.trusted(&TLS13)).await.unwrap();
        let answer = ask(stream, "GET /roots/0 HTTP/1.0\r\nhost: localhost\r\n\r\n").await;
        CertificateDer::from_pem_slice(answer.split_once("\r\n\r\n").unwrap().1.as_bytes()).unwrap()
    }

    async fn stop(mut self) {
        for process in &mut self.processes {
            process.kill().await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_certificate_is_got_by_acme_and_kept_where_nobody_else_can_read_it() {
    const NAME: &str = "messages.example.org";
    let authority = Authority::new();
    authority.issue();
    fs::write(authority.path("ca.pem"), authority.cert.pem()).unwrap();
    let ports = [listen().await, listen().await, listen().await].map(|port| port.local_addr().unwrap());
    let mut pebble = None;
    let mut app = TestApp::start_with(|config| {
        let port = config.listen.to_string().parse::<SocketAddr>().unwrap().port();
        pebble = Some(Pebble::start(&authority, ports, port));
        config.acme = [NAME, "www.example.org"].map(|name| name.parse().unwrap()).to_vec();
        config.acme_contact = "mailto:somebody@example.org".parse().ok();
        config.acme_directory = format!("https://localhost:{}/dir", ports[0].port());
        config.acme_ca = Some(authority.path("ca.pem"));
        config.public_url = format!("https://{NAME}").parse().ok();
    })
    .await;
    let pebble = pebble.unwrap();
    let trust = trusting(pebble.root(&authority).await, &TLS13);
    let stream = loop {
        if let Ok(stream) = connect(address(&app), NAME, &trust).await {
            break stream;
        }
    };
    connect(address(&app), "www.example.org", &trust).await.unwrap();
    let got = certificate(&stream);
    drop(stream);
    app.stop().await;

    let rights = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let folder = app.config.storage.data.join("acme");
    assert_eq!(rights(&folder), 0o700);
    let files: Vec<_> = fs::read_dir(&folder).unwrap().map(|file| file.unwrap().path()).collect();
    assert_eq!(files.len(), 2, "account and certificate: {files:?}");
    assert!(files.iter().all(|file| rights(file) == 0o600));

    // With the authority out of reach it goes on with what it has.
    pebble.stop().await;
    app.start_again().await;
    let stream = loop {
        if let Ok(stream) = connect(address(&app), NAME, &trust).await {
            break stream;
        }
    };
    assert_eq!(certificate(&stream), got);
}
