//! The kinds of values that settings have, and how each is written.

use std::convert::Infallible;
use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;

use clap::ValueEnum;
use ipnet::IpNet;

/// Where the database is. A server's URL has a password in it, and is never shown.
#[derive(Clone, Eq, PartialEq)]
pub enum DatabaseUrl {
    Sqlite(PathBuf),
    Server(String),
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "sqlite://{}", path.display()),
            Self::Server(url) => write!(f, "{}://…", url.split("://").next().unwrap_or_default()),
        }
    }
}

impl FromStr for DatabaseUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (scheme, rest) = text.split_once("://").unwrap_or_default();
        match scheme {
            "sqlite" if !rest.is_empty() => Ok(Self::Sqlite(rest.into())),
            "mysql" | "postgres" if !rest.is_empty() => Ok(Self::Server(text.to_owned())),
            "mariadb" if !rest.is_empty() => Ok(Self::Server(format!("mysql://{rest}"))),
            "postgresql" if !rest.is_empty() => Ok(Self::Server(format!("postgres://{rest}"))),
            _ => Err("give mysql://user:password@host/name, postgres://user:password@host/name or \
                      sqlite:///path/of/a/file"
                .to_owned()),
        }
    }
}

/// The rights of a file, written in octal.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Mode(pub u32);

impl FromStr for Mode {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mode = u32::from_str_radix(text, 8).ok().filter(|mode| *mode <= 0o777);
        mode.map(Self).ok_or_else(|| "give the rights in octal, as in 0660".to_owned())
    }
}

/// Whose word on the client's address is taken.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum TrustedProxy {
    Network(IpNet),
    /// Whoever comes through the Unix socket.
    Unix,
}

impl FromStr for TrustedProxy {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "unix" {
            return Ok(Self::Unix);
        }
        let network = text.parse::<IpNet>().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from));
        network.map(Self::Network).ok_or_else(|| "give addresses, networks (10.0.0.0/8) or unix".to_owned())
    }
}

/// Only one of the two: whoever sets the one lets the other pass as the client wrote it.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum AddressHeader {
    XForwardedFor,
    XRealIp,
}

impl AddressHeader {
    pub fn name(self) -> &'static str {
        match self {
            Self::XForwardedFor => "x-forwarded-for",
            Self::XRealIp => "x-real-ip",
        }
    }
}

/// Servers of NATS; they may have a password in their URLs.
#[derive(Clone)]
pub struct NatsUrl(pub Vec<async_nats::ServerAddr>);

impl fmt::Debug for NatsUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} NATS servers", self.0.len())
    }
}

impl FromStr for NatsUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let servers = text.split(',').map(|server| server.trim().parse());
        let servers: Result<_, std::io::Error> = servers.collect();
        servers.map(Self).map_err(|error| format!("give nats://host:4222 ({error})"))
    }
}

/// The server that takes the mails.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SmtpUrl {
    pub host: String,
    pub port: u16,
    pub encryption: Encryption,
}

/// From when on the connection is encrypted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Encryption {
    None,
    /// Before anything of a mail, or of a password, is said.
    StartTls,
    FromTheStart,
}

impl SmtpUrl {
    pub fn is_local(&self) -> bool {
        self.host == "localhost" || self.host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
    }
}

impl FromStr for SmtpUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong =
            || "give smtps://host, smtp://host or smtp://host:port, and user and password apart".to_owned();
        let (scheme, rest) = text.split_once("://").ok_or_else(wrong)?;
        let (rest, plain) = rest.strip_suffix("?tls=none").map_or((rest, false), |rest| (rest, true));
        let rest = rest.trim_end_matches('/');
        // An IPv6 address has colons of its own, and stands in brackets.
        let (host, port) = match rest.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => (host, Some(port.parse().map_err(|_| wrong())?)),
            _ => (rest, None),
        };
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let is_name = host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b));
        if host.is_empty() || !(is_name || host.parse::<IpAddr>().is_ok()) {
            return Err(wrong());
        }
        let (encryption, usual_port) = match (scheme, plain) {
            ("smtps", false) => (Encryption::FromTheStart, 465),
            ("smtp", true) => (Encryption::None, 25),
            ("smtp", false) => (Encryption::StartTls, 587),
            _ => return Err(wrong()),
        };
        let mut url = Self { host: host.to_ascii_lowercase(), port: port.unwrap_or(usual_port), encryption };
        // What a machine says to itself nobody overhears; and hardly any has a certificate for it.
        if url.is_local() && encryption == Encryption::StartTls {
            url = Self { encryption: Encryption::None, port: port.unwrap_or(25), ..url };
        }
        Ok(url)
    }
}

/// What is not to be shown, as somebody else has chosen it.
#[derive(Clone)]
pub struct Password(pub String);

impl FromStr for Password {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

/// SQLite's `journal_mode`.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum Journal {
    Wal,
    Delete,
    Truncate,
    Persist,
}

impl Journal {
    pub fn name(self) -> &'static str {
        match self {
            Self::Wal => "wal",
            Self::Delete => "delete",
            Self::Truncate => "truncate",
            Self::Persist => "persist",
        }
    }
}

/// An origin: scheme and host, without a path.
#[derive(Clone, Debug)]
pub struct PublicUrl {
    pub origin: String,
}

impl PublicUrl {
    pub fn is_https(&self) -> bool {
        self.origin.starts_with("https://")
    }

    pub fn is_local(&self) -> bool {
        self.origin.strip_prefix("http://").is_some_and(is_local_host)
    }
}

impl FromStr for PublicUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let origin = text.trim_end_matches('/').to_ascii_lowercase();
        let host = origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://"));
        match host {
            Some(host)
                if !host.is_empty() && host.is_ascii() && !host.contains(['/', '?', '#', '@', ' ']) =>
            {
                Ok(Self { origin })
            }
            _ => Err("give scheme and host alone, as in https://messages.example.org".to_owned()),
        }
    }
}

/// Whether a `Host` header names this machine itself: the one place where browsers trust plain http.
pub fn is_local_host(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    };
    name == "localhost" || name.ends_with(".localhost") || name == "127.0.0.1" || name == "[::1]"
}

/// A colour as `#rrggbb`.
#[derive(Clone, Debug)]
pub struct Accent(pub String);

impl FromStr for Accent {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let digits = text.strip_prefix('#').unwrap_or("");
        if digits.len() == 6 && digits.bytes().all(|b| b.is_ascii_hexdigit()) {
            Ok(Self(text.to_ascii_lowercase()))
        } else {
            Err("give a colour as #rrggbb".to_owned())
        }
    }
}

/// What is not to be shown. At least 16 characters, so that nobody guesses it.
#[derive(Clone)]
pub struct Secret(pub String);

impl FromStr for Secret {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.len() {
            ..16 => Err("give at least 16 characters".to_owned()),
            _ => Ok(Self(text.to_owned())),
        }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

#[derive(Clone, Copy, Debug, PartialEq, ValueEnum)]
pub enum LogFormat {
    Text,
    Json,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_may_go_without_https() {
        for host in ["localhost", "localhost:8080", "127.0.0.1:1", "[::1]:8080", "a.localhost"] {
            assert!(is_local_host(host), "{host}");
        }
        for host in [
            "example.org",
            "localhost.example.org",
            "notlocalhost",
            "192.168.1.5:8080",
            "127.0.0.1.example.org",
        ] {
            assert!(!is_local_host(host), "{host}");
        }
        for url in ["example.org", "https://", "https://a/b", "ftp://a", "https://user@a"] {
            assert!(url.parse::<PublicUrl>().is_err(), "{url}");
        }
    }
}
