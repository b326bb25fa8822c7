//! A MySQL 8 server as far as its log-in goes, in front of the MariaDB beside this test, since Debian has none: accounts
//! of `caching_sha2_password`, without TLS. What follows the log-in is handed on.
//!
//! <https://dev.mysql.com/doc/dev/mysql-server/latest/page_caching_sha2_authentication_exchanges.html>

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use client::Client;
use sha2::{Digest, Sha256};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};

use crate::engines::{Engine, on};
use crate::people::{PASSWORD, in_time};

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a database server: make test-mariadb"]
async fn mysql_8_is_given_the_password_under_its_public_key_where_there_is_no_tls() {
    const SECRET: &str = "p@ss:w/örd %$'\"";
    let engine = Engine::new().await;
    let backend = engine.address.rsplit('@').next().unwrap();
    let mysql = Mysql8::before(backend, SECRET).await;
    let url = |password: &str| {
        let encoded: String = password.bytes().map(|byte| format!("%{byte:02X}")).collect();
        format!("mysql://alice:{encoded}@{}/{}", mysql.address, engine.name)
    };
    let refused = in_time(on(&url("another")).try_to_start()).await.unwrap_err();
    assert!(!refused.contains("another"));
    assert!(mysql.log_ins.refused.load(Ordering::SeqCst) > 0);

    let mut server = on(&url(SECRET));
    server.start_again().await;
    let alice = Client::register(&server.url(), "alice", "Alice", PASSWORD).await.unwrap();
    let bob = Client::register(&server.url(), "bob", "Bob", PASSWORD).await.unwrap();
    let conversation = alice.open_conversation(bob.id()).await.unwrap().id;
    alice.send(conversation, "hello").await.unwrap();
    assert!(server.stop().await.success());
    // The first by its password, the others by what is remembered of it.
    assert!(mysql.log_ins.full.load(Ordering::SeqCst) > 0);
    assert!(mysql.log_ins.fast.load(Ordering::SeqCst) > 0);
}

const CONNECT_WITH_DATABASE: u32 = 1 << 3;
const TLS: u32 = 1 << 11;
const PLUGIN_AUTH: u32 = 1 << 19;
const CONNECT_ATTRIBUTES: u32 = 1 << 20;

const MORE: u8 = 1;
const SCRAMBLE_IS_RIGHT: u8 = 3;
const SEND_THE_PASSWORD: u8 = 4;
const PUBLIC_KEY: u8 = 2;

/// How its one account has logged in.
#[derive(Default)]
struct LogIns {
    /// By the password itself, sealed to the server's public key.
    full: AtomicUsize,
    /// By a hash that the server remembers from a full one.
    fast: AtomicUsize,
    refused: AtomicUsize,
}

struct Mysql8 {
    address: SocketAddr,
    log_ins: Arc<LogIns>,
    _folder: tempfile::TempDir,
}

impl Mysql8 {
    /// Until the test ends; `backend` is `host:port` of a MariaDB whose root has no password.
    async fn before(backend: &str, password: &'static str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let key = folder.path().join("key.pem");
        openssl(
            &["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", path(&key)],
            &[],
        );
        let public = openssl(&["pkey", "-in", path(&key), "-pubout"], &[]);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let log_ins = Arc::new(LogIns::default());
        let (backend, counted) = (backend.to_owned(), Arc::clone(&log_ins));
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let door =
                    Door { backend: backend.clone(), password, public: public.clone(), key: key.clone() };
                let counted = Arc::clone(&counted);
                // A connection that breaks is the client's to notice.
                tokio::spawn(async move { door.pass(client, &counted).await });
            }
        });
        Self { address, log_ins, _folder: folder }
    }
}

struct Door {
    backend: String,
    password: &'static str,
    /// PEM
    public: Vec<u8>,
    key: std::path::PathBuf,
}

impl Door {
    async fn pass(self, mut client: TcpStream, log_ins: &LogIns) -> io::Result<()> {
        let mut backend = TcpStream::connect(&self.backend).await?;
        let hello = Hello::of(&read(&mut backend).await?.1);
        let nonce: [u8; 20] = std::array::from_fn(|_| fastrand::u8(1..));
        write(&mut client, 0, &hello.as_mysql_8(&nonce)).await?;
        let (_, answer) = read(&mut client).await?;
        let answer = Answer::of(&answer);

        let known = log_ins.full.load(Ordering::SeqCst) > 0;
        let sequence = if known && answer.scramble == scramble(self.password, &nonce) {
            log_ins.fast.fetch_add(1, Ordering::SeqCst);
            write(&mut client, 2, &[MORE, SCRAMBLE_IS_RIGHT]).await?;
            3
        } else {
            write(&mut client, 2, &[MORE, SEND_THE_PASSWORD]).await?;
            assert_eq!(read(&mut client).await?.1, [PUBLIC_KEY]);
            write(&mut client, 4, &[&[MORE], &self.public[..]].concat()).await?;
            let (_, sealed) = read(&mut client).await?;
            let options = ["-pkeyopt", "rsa_padding_mode:oaep", "-pkeyopt", "rsa_oaep_md:sha1"];
            let decrypt = ["pkeyutl", "-decrypt", "-inkey", path(&self.key)];
            let hidden = openssl(&[&decrypt[..], &options[..]].concat(), &sealed);
            let shown: Vec<u8> = hidden.iter().zip(nonce.iter().cycle()).map(|(a, b)| a ^ b).collect();
            if shown != [self.password.as_bytes(), &[0]].concat() {
                log_ins.refused.fetch_add(1, Ordering::SeqCst);
                return write(&mut client, 6, b"\xff\x15\x04#28000Access denied for user").await;
            }
            log_ins.full.fetch_add(1, Ordering::SeqCst);
            6
        };
        write(&mut backend, 1, &answer.as_root()).await?;
        write(&mut client, sequence, &read(&mut backend).await?.1).await?;
        copy_bidirectional(&mut client, &mut backend).await.map(drop)
    }
}

/// What MariaDB says first.
struct Hello {
    capabilities: u32,
    charset: u8,
    status: [u8; 2],
}

impl Hello {
    fn of(packet: &[u8]) -> Self {
        let version = packet.iter().position(|byte| *byte == 0).unwrap();
        // After the connection's number, eight bytes of a nonce, and a zero.
        let rest = &packet[version + 1 + 4 + 9..];
        let capabilities = u32::from_le_bytes([rest[0], rest[1], rest[5], rest[6]]);
        Self { capabilities, charset: rest[2], status: [rest[3], rest[4]] }
    }

    fn as_mysql_8(&self, nonce: &[u8; 20]) -> Vec<u8> {
        // The lowest bit: it is not MariaDB that speaks.
        let capabilities = (self.capabilities & !TLS | PLUGIN_AUTH | 1).to_le_bytes();
        let mut packet = b"\x0a8.0.36\0\x01\0\0\0".to_vec();
        packet.extend_from_slice(&nonce[..8]);
        packet.extend_from_slice(&[0, capabilities[0], capabilities[1], self.charset]);
        packet.extend_from_slice(&self.status);
        packet.extend_from_slice(&[capabilities[2], capabilities[3], 21]);
        packet.extend_from_slice(&[0; 10]);
        packet.extend_from_slice(&nonce[8..]);
        packet.extend_from_slice(b"\0caching_sha2_password\0");
        packet
    }
}

/// What the client answers to it.
struct Answer {
    capabilities: u32,
    /// Capabilities, largest packet, character set.
    head: Vec<u8>,
    scramble: Vec<u8>,
    /// With the zero after it.
    database: Vec<u8>,
}

impl Answer {
    fn of(packet: &[u8]) -> Self {
        let (head, rest) = packet.split_at(32);
        let user = rest.iter().position(|byte| *byte == 0).unwrap() + 1;
        let length = usize::from(rest[user]);
        let scramble = rest[user + 1..][..length].to_vec();
        let capabilities = u32::from_le_bytes(head[..4].try_into().unwrap());
        let mut database = &rest[user + 1 + length..][..0];
        if capabilities & CONNECT_WITH_DATABASE != 0 {
            database = rest[user + 1 + length..].split_inclusive(|byte| *byte == 0).next().unwrap();
        }
        Self { capabilities, head: head.to_vec(), scramble, database: database.to_vec() }
    }

    fn as_root(&self) -> Vec<u8> {
        let capabilities = (self.capabilities & !CONNECT_ATTRIBUTES).to_le_bytes();
        let zero: &[u8] = &[0];
        [&capabilities, &self.head[4..], b"root\0", zero, &self.database, b"mysql_native_password\0"].concat()
    }
}

/// SHA-256(password) xor SHA-256(SHA-256(SHA-256(password)) ‖ nonce)
fn scramble(password: &str, nonce: &[u8]) -> Vec<u8> {
    let once = Sha256::digest(password);
    let twice = Sha256::digest(once);
    let mask = Sha256::new().chain_update(twice).chain_update(nonce).finalize();
    once.iter().zip(mask).map(|(a, b)| a ^ b).collect()
}

/// Its number in the exchange, and what it holds.
async fn read(stream: &mut TcpStream) -> io::Result<(u8, Vec<u8>)> {
    let mut head = [0; 4];
    stream.read_exact(&mut head).await?;
    let mut packet = vec![0; u32::from_le_bytes([head[0], head[1], head[2], 0]) as usize];
    stream.read_exact(&mut packet).await?;
    Ok((head[3], packet))
}

async fn write(stream: &mut TcpStream, number: u8, packet: &[u8]) -> io::Result<()> {
    let length = u32::try_from(packet.len()).unwrap().to_le_bytes();
    stream.write_all(&[&length[..3], &[number], packet].concat()).await
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// What the program of that name prints, given this.
fn openssl(arguments: &[&str], given: &[u8]) -> Vec<u8> {
    use std::io::Write as _;
    let mut command = Command::new("openssl");
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(given).unwrap();
    let done = child.wait_with_output().unwrap();
    assert!(done.status.success(), "openssl {arguments:?}");
    done.stdout
}
