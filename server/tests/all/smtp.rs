//! A mail server for the tests: it speaks as much SMTP as is needed to take a mail, or to refuse it.

use std::path::Path;
use std::sync::{Arc, Mutex};

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use crate::support::listen;

/// A mail as it was taken.
#[derive(Clone, Debug)]
pub struct Mail {
    pub from: String,
    pub to: Vec<String>,
    pub headers: String,
    /// As it is read.
    pub text: String,
    /// Whether it came encrypted, and with whose password.
    pub encrypted: bool,
    pub password: Option<String>,
}

impl Mail {
    fn of(data: &str) -> (String, String) {
        let (headers, body) = data.split_once("\r\n\r\n").unwrap();
        let text = match headers.contains("quoted-printable") {
            true => quoted_printable::decode(body, quoted_printable::ParseMode::Robust).unwrap(),
            false => body.as_bytes().to_vec(),
        };
        (headers.to_owned(), String::from_utf8(text).unwrap().replace("\r\n", "\n"))
    }

    /// What stands behind `/path#` in it.
    pub fn token(&self, path: &str) -> String {
        let (_, rest) = self.text.split_once(&format!("/{path}#")).unwrap_or_else(|| panic!("{}", self.text));
        rest.chars().take_while(|c| !c.is_whitespace()).collect()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }
}

/// How it takes what comes.
#[derive(Clone, Default)]
pub struct Manners {
    /// Certificate and key; with it, the connection is encrypted from the start, or by STARTTLS.
    pub tls: Option<Arc<ServerConfig>>,
    pub from_the_start: bool,
    /// The only password that it takes.
    pub password: Option<String>,
    /// Whom it has never heard of, and whom it takes later.
    pub unknown: Vec<String>,
    pub later: Vec<String>,
}

impl Manners {
    pub fn with_certificate(cert: &Path, key: &Path) -> Self {
        let certs = CertificateDer::pem_file_iter(cert).unwrap().map(Result::unwrap).collect();
        let key = PrivateKeyDer::from_pem_file(key).unwrap();
        let config = ServerConfig::builder().with_no_client_auth().with_single_cert(certs, key).unwrap();
        Self { tls: Some(Arc::new(config)), ..Self::default() }
    }
}

pub struct Smtp {
    pub port: u16,
    manners: Arc<Mutex<Manners>>,
    mails: UnboundedReceiver<Mail>,
    taken: UnboundedSender<Mail>,
    running: Option<JoinHandle<()>>,
}

impl Smtp {
    pub async fn start() -> Self {
        Self::with(Manners::default()).await
    }

    pub async fn with(manners: Manners) -> Self {
        let listener = listen().await;
        let (taken, mails) = unbounded_channel();
        let port = listener.local_addr().unwrap().port();
        let mut smtp = Self { port, manners: Arc::new(Mutex::new(manners)), mails, taken, running: None };
        smtp.run(listener);
        smtp
    }

    fn run(&mut self, listener: TcpListener) {
        let (manners, taken) = (self.manners.clone(), self.taken.clone());
        self.running = Some(tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let manners = manners.lock().unwrap().clone();
                // Whoever leaves in the middle leaves.
                tokio::spawn(serve(stream, manners, taken.clone()));
            }
        }));
    }

    pub fn behave(&self, manners: Manners) {
        *self.manners.lock().unwrap() = manners;
    }

    pub async fn stop(&mut self) {
        let running = self.running.take().unwrap();
        running.abort();
        assert!(running.await.unwrap_err().is_cancelled());
    }

    pub async fn start_again(&mut self) {
        let listener = TcpListener::bind(("127.0.0.1", self.port)).await.unwrap();
        self.run(listener);
    }

    /// The next mail, once it came.
    pub async fn next(&mut self) -> Mail {
        self.mails.recv().await.unwrap()
    }

    /// Those that came and were not looked at.
    pub fn rest(&mut self) -> Vec<Mail> {
        std::iter::from_fn(|| self.mails.try_recv().ok()).collect()
    }
}

async fn serve(stream: TcpStream, manners: Manners, taken: UnboundedSender<Mail>) -> Option<()> {
    let acceptor = manners.tls.clone().map(TlsAcceptor::from);
    match acceptor {
        Some(acceptor) if manners.from_the_start => {
            let stream = acceptor.accept(stream).await.ok()?;
            talk(&mut BufReader::new(stream), &manners, true, true, &taken).await?;
        }
        acceptor => {
            let mut stream = BufReader::new(stream);
            if talk(&mut stream, &manners, true, false, &taken).await? == End::StartTls {
                let stream = acceptor?.accept(stream.into_inner()).await.ok()?;
                talk(&mut BufReader::new(stream), &manners, false, true, &taken).await?;
            }
        }
    }
    Some(())
}

#[derive(PartialEq)]
enum End {
    Quit,
    StartTls,
}

async fn talk<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut BufReader<S>,
    manners: &Manners,
    greets: bool,
    encrypted: bool,
    taken: &UnboundedSender<Mail>,
) -> Option<End> {
    if greets {
        say(stream, "220 test").await?;
    }
    let (mut from, mut to, mut password) = (String::new(), Vec::new(), None);
    loop {
        let line = hear(stream).await?;
        let (verb, rest) = line.split_once([' ', ':']).unwrap_or((&line, ""));
        let path = || rest.split_once('<').unwrap().1.split_once('>').unwrap().0.to_owned();
        match verb.to_ascii_uppercase().as_str() {
            "EHLO" => {
                let offers_tls = manners.tls.is_some() && !encrypted;
                let more = if offers_tls { "250-STARTTLS\r\n" } else { "" };
                say(stream, &format!("250-test\r\n{more}250 AUTH PLAIN")).await?;
            }
            "STARTTLS" => {
                say(stream, "220 go on").await?;
                return Some(End::StartTls);
            }
            "AUTH" => {
                let said = rest.rsplit(' ').next()?;
                let said = base64::Engine::decode(&base64::prelude::BASE64_STANDARD, said).ok()?;
                let said = String::from_utf8(said).ok()?.rsplit('\0').next()?.to_owned();
                let good = manners.password.as_ref() == Some(&said);
                password = Some(said);
                say(stream, if good { "235 welcome" } else { "535 5.7.8 wrong user or password" }).await?;
            }
            "MAIL" if manners.password.is_some() && password.is_none() => {
                say(stream, "530 5.7.0 who are you?").await?;
            }
            "MAIL" => {
                from = path();
                say(stream, "250 ok").await?;
            }
            "RCPT" => {
                let path = path();
                let answer = match () {
                    () if manners.unknown.contains(&path) => "550 5.1.1 nobody here of that name",
                    () if manners.later.contains(&path) => "450 4.2.0 come again later",
                    () => "250 ok",
                };
                to.push(path);
                say(stream, answer).await?;
            }
            "DATA" => {
                say(stream, "354 tell").await?;
                let mut data = String::new();
                loop {
                    let line = hear(stream).await?;
                    if line == "." {
                        break;
                    }
                    data.push_str(line.strip_prefix('.').unwrap_or(&line));
                    data.push_str("\r\n");
                }
                let (headers, text) = Mail::of(&data);
                let (from, to) = (std::mem::take(&mut from), std::mem::take(&mut to));
                // Before it is answered: whoever is answered finds it here.
                taken.send(Mail { from, to, headers, text, encrypted, password: password.clone() }).ok()?;
                say(stream, "250 taken").await?;
            }
            "NOOP" => say(stream, "250 ok").await?,
            "QUIT" => {
                say(stream, "221 bye").await?;
                return Some(End::Quit);
            }
            _ => say(stream, "502 what?").await?,
        }
    }
}

async fn hear<S: AsyncRead + Unpin>(stream: &mut BufReader<S>) -> Option<String> {
    let mut line = String::new();
    let read = stream.read_line(&mut line).await.ok()?;
    (read > 0).then(|| line.trim_end_matches(['\r', '\n']).to_owned())
}

async fn say<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut BufReader<S>, words: &str) -> Option<()> {
    stream.write_all(format!("{words}\r\n").as_bytes()).await.ok()?;
    stream.flush().await.ok()
}
