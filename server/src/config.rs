//! What an administrator can set: by flag, by `ENTRENOUS_*` environment variable, or in a TOML file, in that
//! order of precedence. Everything has a default; an unknown key in the file is an error.

mod values;

use std::ffi::{OsStr, OsString};
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use clap::error::ErrorKind;
use clap::{ArgMatches, CommandFactory, FromArgMatches, Parser};
use lettre::message::Mailbox;

use crate::command_line::Admin;
use crate::listen::Listen;
use crate::tls::{Contact, Domain};

pub use values::{
    Accent, AddressHeader, DatabaseUrl, Encryption, Journal, LogFormat, Mode, NatsUrl, Password, PublicUrl,
    Secret, SmtpUrl, TrustedProxy, is_local_host,
};

/// A private one-to-one messenger that an organisation hosts itself.
#[derive(Debug, Parser)]
#[command(name = "entrenous", version, about)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Serve the messenger
    Serve(Box<Config>),
    /// Write everything into one file, while the server runs or not
    Backup(Backup),
    /// Bring back what a backup holds, into an empty place
    Restore(Restore),
    /// Carry everything over into another database, while the server does not run
    Move(Move),
    /// Do what administrators do, by the server that runs here; answers are JSON
    Admin(Admin),
    /// Look whether everything is as the server needs it, and say what to do
    Doctor(Box<Config>),
    /// Print the description of the HTTP API (OpenAPI 3.1, JSON)
    Openapi,
}

/// Where everything is kept: the same settings for every command.
#[derive(Clone, Debug, clap::Args)]
pub struct Storage {
    /// A TOML file with any of the settings of `serve` (`public-url = "https://…"`)
    #[arg(long, env = "ENTRENOUS_CONFIG")]
    pub config: Option<PathBuf>,

    /// Folder of the server's own key, and of the database unless another is named
    #[arg(long, env = "ENTRENOUS_DATA", default_value = "data")]
    pub data: PathBuf,

    /// Database: mysql://…, postgres://…, or sqlite:///path; by default SQLite in the data folder
    #[arg(long, env = "ENTRENOUS_DATABASE", hide_env_values = true)]
    pub database: Option<DatabaseUrl>,

    /// Connections that are opened to a database server, at most
    #[arg(long, env = "ENTRENOUS_DATABASE_CONNECTIONS", default_value = "10",
          value_parser = clap::value_parser!(u32).range(2..=1_000))]
    pub database_connections: u32,

    /// How SQLite makes a commit durable: `delete` for file systems of a network, where there can be no `wal`
    #[arg(long, env = "ENTRENOUS_SQLITE_JOURNAL", value_enum, default_value_t = Journal::Wal)]
    pub sqlite_journal: Journal,

    /// File of the server's own key, the same for all nodes that share a database; by default in the data folder
    #[arg(long, env = "ENTRENOUS_KEY_FILE")]
    pub key_file: Option<PathBuf>,
}

impl Storage {
    pub fn key_file(&self) -> PathBuf {
        self.key_file.clone().unwrap_or_else(|| self.data.join("server.key"))
    }

    pub fn database(&self) -> DatabaseUrl {
        let in_the_data_folder = || DatabaseUrl::Sqlite(self.data.join("entrenous.db"));
        self.database.clone().unwrap_or_else(in_the_data_folder)
    }
}

/// What opens a sealed backup. It is never an argument, which all on the machine could see.
#[derive(Clone, Debug, clap::Args)]
pub struct Sealed {
    /// File whose first line is the passphrase; without it ENTRENOUS_PASSPHRASE, or you are asked
    #[arg(long, env = "ENTRENOUS_PASSPHRASE_FILE")]
    pub passphrase_file: Option<PathBuf>,
}

#[derive(Clone, Debug, clap::Args)]
pub struct Backup {
    #[command(flatten)]
    pub storage: Storage,

    #[command(flatten)]
    pub sealed: Sealed,

    /// Seal the file with a passphrase, and ask for one if none is given otherwise
    #[arg(long)]
    pub encrypt: bool,

    /// The file to write; it must not exist
    pub file: PathBuf,
}

#[derive(Clone, Debug, clap::Args)]
pub struct Restore {
    #[command(flatten)]
    pub storage: Storage,

    #[command(flatten)]
    pub sealed: Sealed,

    /// Only look whether the file is whole
    #[arg(long)]
    pub verify: bool,

    /// The backup
    pub file: PathBuf,
}

#[derive(Clone, Debug, clap::Args)]
pub struct Move {
    #[command(flatten)]
    pub storage: Storage,

    /// The database to take everything from; by default the configured one
    #[arg(long, env = "ENTRENOUS_MOVE_FROM", hide_env_values = true)]
    pub from: Option<DatabaseUrl>,

    /// The database to carry it to: empty, or with what an earlier move has brought
    #[arg(long, env = "ENTRENOUS_MOVE_TO", hide_env_values = true)]
    pub to: DatabaseUrl,

    /// Also when other programs are connected to the source, none of which is a server of Entre Nous
    #[arg(long)]
    pub ignore_connections: bool,
}

/// The settings of `entrenous serve`.
#[derive(Clone, Debug, clap::Args)]
pub struct Config {
    #[command(flatten)]
    pub storage: Storage,

    /// NATS, over which nodes that share a database tell each other what happens: nats://user:password@host:4222
    #[arg(long, env = "ENTRENOUS_NATS", hide_env_values = true)]
    pub nats: Option<NatsUrl>,

    /// Where to listen: an address and a port, unix:PATH, or systemd (a socket that it has opened)
    #[arg(long, env = "ENTRENOUS_LISTEN", default_value = "127.0.0.1:8080")]
    pub listen: Listen,

    /// Rights of the Unix socket's file, in octal
    #[arg(long, env = "ENTRENOUS_SOCKET_MODE", default_value = "0660")]
    pub socket_mode: Mode,

    /// Address under which people reach the server, when a proxy stands in front of it
    #[arg(long, env = "ENTRENOUS_PUBLIC_URL")]
    pub public_url: Option<PublicUrl>,

    /// Certificate to serve https with, and those of its issuers (PEM); read again whenever the file changes
    #[arg(long, env = "ENTRENOUS_TLS_CERT")]
    pub tls_cert: Option<PathBuf>,

    /// The certificate's private key (PEM)
    #[arg(long, env = "ENTRENOUS_TLS_KEY")]
    pub tls_key: Option<PathBuf>,

    /// Domains, separated by commas, for which to get a certificate by ACME and to serve https
    #[arg(long, env = "ENTRENOUS_ACME", value_delimiter = ',')]
    pub acme: Vec<Domain>,

    /// Where the certificate authority may write: mailto:somebody@example.org
    #[arg(long, env = "ENTRENOUS_ACME_CONTACT")]
    pub acme_contact: Option<Contact>,

    /// Directory of the certificate authority; by default that of Let's Encrypt
    #[arg(
        long,
        env = "ENTRENOUS_ACME_DIRECTORY",
        default_value = "https://acme-v02.api.letsencrypt.org/directory"
    )]
    pub acme_directory: String,

    /// Certificate (PEM) by which to know the directory, where the authority is an organisation's own
    #[arg(long, env = "ENTRENOUS_ACME_CA")]
    pub acme_ca: Option<PathBuf>,

    /// Address and port that send whoever comes by plain http to https: 0.0.0.0:80
    #[arg(long, env = "ENTRENOUS_HTTP_REDIRECT")]
    pub http_redirect: Option<SocketAddr>,

    /// Proxies whose word on the client's address is taken: addresses, networks (10.0.0.0/8), or unix (whoever comes
    /// through the Unix socket), separated by commas
    #[arg(long, env = "ENTRENOUS_TRUSTED_PROXIES", value_delimiter = ',')]
    pub trusted_proxies: Vec<TrustedProxy>,

    /// Header in which they say it; of several entries the last one counts, which is their own
    #[arg(long, env = "ENTRENOUS_ADDRESS_HEADER", value_enum, default_value_t = AddressHeader::XForwardedFor)]
    pub address_header: AddressHeader,

    /// Server that takes the mails of this one: smtps://host, or smtp://host (which must offer STARTTLS, unless it is this
    /// machine; `?tls=none` where the network between is trusted); without it, no mail is sent
    #[arg(long, env = "ENTRENOUS_SMTP")]
    pub smtp: Option<SmtpUrl>,

    /// User at that server, if it asks for one
    #[arg(long, env = "ENTRENOUS_SMTP_USER")]
    pub smtp_user: Option<String>,

    /// The user's password
    #[arg(long, env = "ENTRENOUS_SMTP_PASSWORD", hide_env_values = true)]
    pub smtp_password: Option<Password>,

    /// Certificate (PEM) by which to know that server, where its authority is an organisation's own
    #[arg(long, env = "ENTRENOUS_SMTP_CA")]
    pub smtp_ca: Option<PathBuf>,

    /// Whom the mails are from: messages@example.org, or Name <messages@example.org>
    #[arg(long, env = "ENTRENOUS_MAIL_FROM")]
    pub mail_from: Option<Mailbox>,

    /// Name of the organisation's messenger
    #[arg(long, env = "ENTRENOUS_NAME", default_value = "Entre Nous")]
    pub name: String,

    /// Accent colour, as #rrggbb
    #[arg(long, env = "ENTRENOUS_ACCENT")]
    pub accent: Option<Accent>,

    /// What to log (error, warn, info, debug, trace, or per module: entrenous=debug)
    #[arg(long, env = "ENTRENOUS_LOG", default_value = "info")]
    pub log: String,

    /// How to write the log
    #[arg(long, env = "ENTRENOUS_LOG_FORMAT", value_enum, default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,

    /// Who asks for `/metrics` with this as its bearer token is answered; without it, nobody is
    #[arg(long, env = "ENTRENOUS_METRICS_TOKEN", hide_env_values = true)]
    pub metrics_token: Option<Secret>,

    /// Log-ins and sign-ups that one network address may try in a minute
    #[arg(long, env = "ENTRENOUS_ATTEMPTS_PER_ADDRESS", default_value = "30",
          value_parser = clap::value_parser!(u32).range(1..))]
    pub attempts_per_address: u32,

    /// Log-ins that may be tried on one handle in a minute
    #[arg(long, env = "ENTRENOUS_ATTEMPTS_PER_HANDLE", default_value = "10",
          value_parser = clap::value_parser!(u32).range(1..))]
    pub attempts_per_handle: u32,

    /// Frames that one WebSocket may send in a second before it is closed
    #[arg(long, env = "ENTRENOUS_FRAMES_PER_SECOND", default_value = "200",
          value_parser = clap::value_parser!(u32).range(1..))]
    pub frames_per_second: u32,
}

impl Config {
    /// Only this machine can reach the server, so whoever opens it first may administer it.
    pub fn first_comer_is_trusted(&self) -> bool {
        self.listen.is_loopback() && self.public_url.as_ref().is_none_or(PublicUrl::is_local)
    }

    /// The server itself speaks TLS.
    pub fn has_tls(&self) -> bool {
        self.tls_cert.is_some() || !self.acme.is_empty()
    }

    /// People reach it by https, the server's own or a proxy's.
    pub fn is_https(&self) -> bool {
        self.has_tls() || self.public_url.as_ref().is_some_and(PublicUrl::is_https)
    }

    /// What one setting says of another.
    fn settle(&mut self) -> Result<(), &'static str> {
        if self.tls_cert.is_some() != self.tls_key.is_some() {
            return Err("--tls-cert and --tls-key belong together");
        }
        if self.tls_cert.is_some() && !self.acme.is_empty() {
            return Err("a certificate comes from --tls-cert or from --acme, not from both");
        }
        if let (None, Some(Domain(domain))) = (&self.public_url, self.acme.first()) {
            self.public_url = Some(PublicUrl { origin: format!("https://{domain}") });
        }
        if self.has_tls() && self.public_url.as_ref().is_some_and(|url| !url.is_https()) {
            return Err("with a certificate, --public-url begins with https://");
        }
        if self.http_redirect.is_some() && !self.is_https() {
            return Err(
                "--http-redirect needs a place to send people to: a certificate, or --public-url https://…",
            );
        }
        self.settle_mail()
    }

    fn settle_mail(&self) -> Result<(), &'static str> {
        if self.smtp.is_some() != self.mail_from.is_some() {
            return Err("--smtp and --mail-from belong together");
        }
        if self.smtp_user.is_some() != self.smtp_password.is_some() {
            return Err("--smtp-user and --smtp-password belong together");
        }
        let open = |smtp: &SmtpUrl| smtp.encryption == Encryption::None && !smtp.is_local();
        if self.smtp_user.is_some() && self.smtp.as_ref().is_some_and(open) {
            return Err("no password goes over a network in the clear: leave out ?tls=none, or --smtp-user");
        }
        Ok(())
    }

    /// Where a person opens the messenger.
    pub fn address(&self) -> String {
        if let Some(url) = &self.public_url {
            return url.origin.clone();
        }
        let Listen::Tcp(address) = &self.listen else { return self.listen.to_string() };
        let scheme = if self.has_tls() { "https" } else { "http" };
        let port = address.port();
        match address.ip() {
            ip if ip.is_loopback() || ip.is_unspecified() => format!("{scheme}://localhost:{port}"),
            IpAddr::V6(ip) => format!("{scheme}://[{ip}]:{port}"),
            IpAddr::V4(ip) => format!("{scheme}://{ip}:{port}"),
        }
    }
}

/// Reads arguments, environment and the file that they name.
///
/// The file's values become the *defaults* of a second parse, so that one parser knows every setting, checks
/// every value, and keeps the order of precedence.
pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Cli, clap::Error> {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let matches = command().try_get_matches_from(&arguments)?;
    let named = matches.subcommand().and_then(|(_, of)| of.try_get_one::<PathBuf>("config").ok().flatten());
    let mut cli = match named {
        Some(path) => with_file(&path.display().to_string(), &arguments)?,
        None => Cli::from_arg_matches(&matches)?,
    };
    if let Command::Serve(config) = &mut cli.command {
        config.settle().map_err(|what| Cli::command().error(ErrorKind::ArgumentConflict, what))?;
    }
    Ok(cli)
}

/// Where a host names the socket that it expects a website to listen on, that is the default.
fn command() -> clap::Command {
    let Some(socket) = std::env::var_os("DOMAIN_SOCKET").filter(|path| !path.is_empty()) else {
        return Cli::command();
    };
    let mut listen = OsString::from("unix:");
    listen.push(socket);
    with_default(Cli::command(), "listen", &listen)
}

/// For each command that has this setting.
fn with_default(command: clap::Command, setting: &str, value: &OsStr) -> clap::Command {
    command.mut_subcommands(|each| {
        if each.get_arguments().all(|arg| arg.get_id() != setting) {
            return each;
        }
        each.mut_arg(setting, |arg| arg.default_value(value.to_owned()))
    })
}

fn with_file(path: &str, arguments: &[OsString]) -> Result<Cli, clap::Error> {
    let wrong = |what: String| Cli::command().error(ErrorKind::InvalidValue, what);
    let text = std::fs::read_to_string(path).map_err(|e| wrong(format!("cannot read {path}: {e}")))?;
    let table: toml::Table = text.parse().map_err(|e| wrong(format!("{path}: {e}")))?;

    let known: Vec<String> = settings().filter(|key| key != "config").collect();
    let mut command = command();
    for (key, value) in table {
        if !known.contains(&key) {
            return Err(wrong(format!("{path}: unknown setting `{key}`")));
        }
        let value = match value {
            toml::Value::String(text) => text,
            toml::Value::Integer(number) => number.to_string(),
            toml::Value::Array(texts) if texts.iter().all(toml::Value::is_str) => {
                let texts: Vec<_> = texts.iter().filter_map(toml::Value::as_str).collect();
                texts.join(",")
            }
            _ => {
                return Err(wrong(format!(
                    "{path}: `{key}` must be a text, a whole number or a list of texts"
                )));
            }
        };
        command = with_default(command, &key.replace('-', "_"), OsStr::new(&value));
    }
    let matches: ArgMatches = command.try_get_matches_from(arguments)?;
    Cli::from_arg_matches(&matches)
}

/// The names of all settings, as flags and as keys of the file.
fn settings() -> impl Iterator<Item = String> {
    let command = Cli::command();
    let serve = command.find_subcommand("serve").cloned().unwrap_or_default();
    let names: Vec<String> =
        serve.get_arguments().filter_map(|arg| arg.get_long().map(str::to_owned)).collect();
    names.into_iter()
}

impl Default for Config {
    fn default() -> Self {
        match parse(["entrenous", "serve"].map(OsString::from)).map(|cli| cli.command) {
            Ok(Command::Serve(config)) => *config,
            _ => unreachable!("the defaults parse"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn serve(arguments: &[&str]) -> Result<Config, String> {
        let all = ["entrenous", "serve"].iter().chain(arguments).map(OsString::from);
        match parse(all).map(|cli| cli.command) {
            Ok(Command::Serve(config)) => Ok(*config),
            Ok(_) => unreachable!("serve was asked for"),
            Err(error) => Err(error.to_string()),
        }
    }

    fn file(text: &str) -> (tempfile::TempDir, String) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("entrenous.toml");
        std::fs::write(&path, text).unwrap();
        let path = path.display().to_string();
        (folder, path)
    }

    #[test]
    fn it_serves_this_machine_without_any_setting() {
        let config = serve(&[]).unwrap();
        assert_eq!(config.address(), "http://localhost:8080");
        assert!(config.first_comer_is_trusted());
    }

    #[test]
    fn a_flag_wins_over_the_file_and_the_file_over_the_default() {
        let (_folder, path) =
            file("name = 'From the file'\nframes-per-second = 7\npublic-url = 'https://Msg.example.org/'");
        let config = serve(&["--config", &path, "--name", "From the flag"]).unwrap();
        assert_eq!((config.name.as_str(), config.frames_per_second), ("From the flag", 7));
        assert_eq!(config.address(), "https://msg.example.org");
        assert!(!config.first_comer_is_trusted(), "others reach it through the proxy");
    }

    #[test]
    fn what_is_not_understood_in_the_file_is_an_error() {
        for (text, complaint) in [
            ("nmae = 'typo'", "unknown setting `nmae`"),
            ("config = 'another.toml'", "unknown setting"),
            ("name = [1]", "must be a text"),
            ("database = 'oracle://host/name'", "mysql://"),
            ("trusted-proxies = 'somebody'", "networks"),
            ("socket-mode = '0888'", "octal"),
            ("name = ", "entrenous.toml"),
            ("accent = 'teal'", "#rrggbb"),
            ("attempts-per-handle = 0", "0"),
        ] {
            let (_folder, path) = file(text);
            let error = serve(&["--config", &path]).unwrap_err();
            assert!(error.contains(complaint), "{text}: {error}");
        }
        assert!(serve(&["--config", "/nowhere.toml"]).unwrap_err().contains("/nowhere.toml"));
    }

    #[test]
    fn a_certificate_makes_everything_https() {
        let config = serve(&["--tls-cert", "c.pem", "--tls-key", "k.pem"]).unwrap();
        assert!(config.is_https() && config.first_comer_is_trusted());
        assert_eq!(config.address(), "https://localhost:8080");
        let config =
            serve(&["--acme", "msg.example.org,www.example.org", "--listen", "0.0.0.0:443"]).unwrap();
        assert_eq!(config.address(), "https://msg.example.org");
        assert_eq!(config.acme.len(), 2);
        let config = serve(&["--acme", "msg.example.org", "--public-url", "https://a.example.org"]).unwrap();
        assert_eq!(config.address(), "https://a.example.org");
    }

    #[test]
    fn certificates_that_make_no_sense_are_refused() {
        let (_folder, path) = file("tls-key = 'key.pem'");
        assert!(serve(&["--config", &path, "--tls-cert", "cert.pem"]).is_ok(), "one here and one there");
        for (arguments, complaint) in [
            (&["--config", path.as_str()][..], "belong together"),
            (&["--tls-cert", "c"], "belong together"),
            (&["--tls-cert", "c", "--tls-key", "k", "--acme", "example.org"], "not from both"),
            (&["--acme", "example.org", "--public-url", "http://example.org"], "https://"),
            (&["--http-redirect", "0.0.0.0:80"], "--http-redirect"),
            (&["--acme", "https://example.org"], "a name alone"),
            (&["--acme", "192.168.1.5"], "a name alone"),
            (&["--acme", "*.example.org"], "a name alone"),
            (&["--acme", "example.org", "--acme-contact", "me@example.org"], "mailto:"),
        ] {
            let error = serve(arguments).unwrap_err();
            assert!(error.contains(complaint), "{arguments:?}: {error}");
        }
    }

    #[test]
    fn lists_are_lists_in_the_file_and_have_commas_in_a_flag() {
        let both = [TrustedProxy::Network("10.0.0.0/8".parse().unwrap()), TrustedProxy::Unix];
        assert_eq!(serve(&["--trusted-proxies", "10.0.0.0/8,unix"]).unwrap().trusted_proxies, both);
        let (_folder, path) = file("trusted-proxies = ['10.0.0.0/8', 'unix']");
        assert_eq!(serve(&["--config", &path]).unwrap().trusted_proxies, both);
        assert_eq!(serve(&[]).unwrap().trusted_proxies, []);
    }

    #[test]
    fn every_command_reads_the_same_file() {
        let (_folder, path) = file("data = '/srv/entrenous'\nname = 'Ours'\nlisten = '127.0.0.1:9'");
        for command in [
            &["backup", "a"][..],
            &["restore", "a"],
            &["move", "--to", "sqlite:///b"],
            &["doctor"],
            &["admin", "journal"],
        ] {
            let (verb, rest) = command.split_first().unwrap();
            let all = ["entrenous", verb, "--config", &path].into_iter().chain(rest.iter().copied());
            let storage = match parse(all.map(OsString::from)).unwrap().command {
                Command::Backup(of) => of.storage,
                Command::Restore(of) => of.storage,
                Command::Move(of) => of.storage,
                Command::Admin(of) => of.storage,
                Command::Doctor(of) => {
                    assert_eq!((of.name.as_str(), of.listen.to_string().as_str()), ("Ours", "127.0.0.1:9"));
                    of.storage
                }
                Command::Serve(_) | Command::Openapi => unreachable!("something else was asked for"),
            };
            assert_eq!(storage.key_file(), PathBuf::from("/srv/entrenous/server.key"), "{verb}");
        }
    }

    #[test]
    fn mail_goes_encrypted_or_nowhere_but_this_machine() {
        let from = ["--mail-from", "Ours <messages@example.org>"];
        let smtp = |url| serve(&[&from[..], &["--smtp", url]].concat()).map(|config| config.smtp.unwrap());
        for (url, host, port, encryption) in [
            ("smtps://mail.example.org", "mail.example.org", 465, Encryption::FromTheStart),
            ("smtp://Mail.example.org/", "mail.example.org", 587, Encryption::StartTls),
            ("smtp://mail.example.org:2525", "mail.example.org", 2525, Encryption::StartTls),
            ("smtp://mail:25?tls=none", "mail", 25, Encryption::None),
            ("smtp://localhost", "localhost", 25, Encryption::None),
            ("smtp://[::1]:1025", "::1", 1025, Encryption::None),
            ("smtp://[2001:db8::1]", "2001:db8::1", 587, Encryption::StartTls),
        ] {
            assert_eq!(smtp(url), Ok(SmtpUrl { host: host.to_owned(), port, encryption }), "{url}");
        }
        for url in
            ["mail.example.org", "http://a", "smtp://", "smtp://u:p@host", "smtp://a:b", "smtps://a?tls=none"]
        {
            assert!(smtp(url).unwrap_err().contains("smtps://host"), "{url}");
        }
        for (arguments, complaint) in [
            (&["--smtp", "smtp://a"][..], "belong together"),
            (&["--smtp", "smtp://a", "--mail-from", "nobody"], "--mail-from"),
            (&["--smtp-user", "u"], "belong together"),
        ] {
            assert!(serve(arguments).unwrap_err().contains(complaint), "{arguments:?}");
        }
        let login = ["--smtp-user", "u", "--smtp-password", "a secret", "--mail-from", "a@example.org"];
        assert!(
            serve(&[&login[..], &["--smtp", "smtp://a?tls=none"]].concat())
                .unwrap_err()
                .contains("in the clear")
        );
        let config = serve(&[&login[..], &["--smtp", "smtp://a"]].concat()).unwrap();
        assert!(!format!("{config:?}").contains("a secret"));
    }

    #[test]
    fn the_password_of_a_database_is_not_shown() {
        let config = serve(&["--database", "mysql://user:secret@host/us$er"]).unwrap();
        let shown = format!("{config:?}");
        assert!(shown.contains("mysql://…") && !shown.contains("secret"), "{shown}");
    }
}
