//! The mail server that takes our mails, and what may be said to it.

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, UNIX_EPOCH};

use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Mailbox, Message};
use lettre::transport::smtp::AsyncSmtpTransport;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use lettre::{AsyncTransport, Tokio1Executor};

use super::letters::Written;
use crate::Failure;
use crate::app::App;
use crate::config::{Config, Encryption};
use crate::error::{Code, Error, Result};
use crate::organisation::Organisation;
use crate::schema::tables::mails;

/// For each step of the protocol.
const PATIENCE: Duration = Duration::from_secs(20);
/// RFC 5321, 4.5.3.1.3, without the brackets.
const MAX_ADDRESS: usize = 254;

/// An address that mail can be sent to, in lower case, so that it can be compared.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Address(lettre::Address);

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Address {
    type Err = Error;

    /// Nothing but a name and a domain: no quotes, no comments, no address of a machine, nothing that ends a line, and
    /// none of the signs by which mail servers once sent on to yet another domain (`%`, `!`).
    fn from_str(text: &str) -> Result<Self> {
        let text = text.trim().to_ascii_lowercase();
        let plain = |b: u8| b.is_ascii_graphic() && !b"!%\"'(),:;<>[\\]`|".contains(&b);
        let good = text.len() <= MAX_ADDRESS && text.bytes().all(plain);
        let address = good.then(|| text.parse::<lettre::Address>().ok()).flatten();
        let address = address.filter(|address| address.domain().contains('.'));
        address.map(Self).ok_or_else(|| Code::BadAddress.into())
    }
}

pub struct Relay {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
    /// What this server is called where a name is needed.
    host: String,
}

/// What became of a mail.
pub enum Sent {
    Taken,
    /// This one will never be taken.
    Refused(u16),
    /// Not now, but perhaps another one.
    Later(u16),
    /// No mail is taken at the moment: for whoever looks after the server.
    Down(String),
}

impl Relay {
    /// None where none is configured.
    pub fn new(config: &Config) -> Result<Option<Self>, Failure> {
        let (Some(smtp), Some(from)) = (&config.smtp, &config.mail_from) else { return Ok(None) };
        let host = config.address();
        let host = host.split_once("://").map_or("localhost", |(_, host)| host);
        let host = host.rsplit_once(':').map_or(host, |(host, _)| host).to_owned();
        let parameters = || -> Result<TlsParameters, Failure> {
            let parameters = TlsParameters::builder(smtp.host.clone());
            let Some(file) = &config.smtp_ca else { return Ok(parameters.build()?) };
            let shown = file.display();
            let pem = std::fs::read(file).map_err(|error| format!("{shown}: {error}"))?;
            let authority = Certificate::from_pem(&pem).map_err(|error| format!("{shown}: {error}"))?;
            Ok(parameters.add_root_certificate(authority).build()?)
        };
        let tls = match smtp.encryption {
            Encryption::None => Tls::None,
            Encryption::StartTls => Tls::Required(parameters()?),
            Encryption::FromTheStart => Tls::Wrapper(parameters()?),
        };
        let mut transport = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&smtp.host)
            .port(smtp.port)
            .tls(tls)
            .timeout(Some(PATIENCE))
            .hello_name(ClientId::Domain(host.clone()));
        if let (Some(user), Some(password)) = (&config.smtp_user, &config.smtp_password) {
            transport = transport.credentials(Credentials::new(user.clone(), password.0.clone()));
        }
        Ok(Some(Self { transport: transport.build(), from: from.clone(), host }))
    }

    /// Whether it answers, speaks TLS as it is asked to, and takes user and password; why not, in its words.
    pub async fn ask(&self) -> Result<(), String> {
        match self.transport.test_connection().await {
            Ok(true) => Ok(()),
            Ok(false) => Err("it does not answer as a mail server does".to_owned()),
            Err(error) => Err(in_words(&error)),
        }
    }

    pub async fn send(&self, app: &App, row: &mails::Model, written: Written) -> Result<Sent> {
        let to: Address = row.address.parse()?;
        let mut from = self.from.clone();
        if from.name.is_none() {
            let decided = Organisation::load(app.db.read()).await?.name;
            from.name = Some(decided.unwrap_or_else(|| app.config.name.clone()));
        }
        let date = UNIX_EPOCH + Duration::from_millis(app.clock.now().unsigned_abs());
        let mut message = Message::builder()
            .from(from)
            .to(Mailbox::new(None, to.0))
            .date(date)
            // The same at each attempt: who got it twice shows it once.
            .message_id(Some(format!("<{}@{}>", row.id, self.host)))
            .subject(written.subject)
            .header(ContentType::TEXT_PLAIN)
            // RFC 3834: no holiday greetings, please.
            .raw_header(raw("Auto-Submitted", "auto-generated".to_owned()));
        if let Some(address) = written.unsubscribe {
            message = message
                .raw_header(raw("List-Unsubscribe", format!("<{address}>")))
                .raw_header(raw("List-Unsubscribe-Post", "List-Unsubscribe=One-Click".to_owned()));
        }
        let message = message.body(written.text).map_err(Error::internal)?;
        Ok(match self.transport.send(message).await {
            Ok(_) => Sent::Taken,
            Err(error) => match error.status().map(u16::from) {
                // What is wrong with user and password is wrong with all mails.
                None | Some(421 | 454 | 530..=538) => Sent::Down(in_words(&error)),
                Some(status) if error.is_permanent() => Sent::Refused(status),
                Some(status) => Sent::Later(status),
            },
        })
    }
}

/// Of ASCII, and of our own making.
fn raw(name: &'static str, value: String) -> HeaderValue {
    HeaderValue::dangerous_new_pre_encoded(HeaderName::new_from_ascii_str(name), value.clone(), value)
}

/// Without what stands in a mail: errors before it is taken name nobody.
fn in_words(error: &lettre::transport::smtp::Error) -> String {
    let mut words = error.to_string();
    let mut inside = std::error::Error::source(error);
    while let Some(error) = inside {
        let more = error.to_string();
        if !words.contains(&more) {
            words = format!("{words}: {more}");
        }
        inside = error.source();
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_name_and_a_domain_and_nothing_else() {
        for (text, address) in [
            ("alice@example.org", "alice@example.org"),
            (" Alice.Martin+msg@Mail.Example.ORG ", "alice.martin+msg@mail.example.org"),
            ("a@xn--mnchen-3ya.de", "a@xn--mnchen-3ya.de"),
        ] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), address, "{text}");
        }
        let long = format!("{}@example.org", "a".repeat(250));
        for text in [
            "",
            "alice",
            "alice@",
            "@example.org",
            "alice@localhost",
            "alice@[127.0.0.1]",
            "a@b@example.org",
            "alice@example.org\r\nBcc: bob@example.org",
            "alice@example.org\nSubject: x",
            "alice@example.org,bob@example.org",
            "Alice <alice@example.org>",
            "\"a b\"@example.org",
            "alice@exa mple.org",
            "alice@example.org\0",
            "élodie@example.org",
            &long,
        ] {
            assert!(text.parse::<Address>().is_err(), "{text:?}");
        }
    }
}
