//! Arguments, logging, signals; everything else is in the library.

use std::io::IsTerminal;
use std::process::ExitCode;

use entrenous::archive::Passphrase;
use entrenous::clock::Clock;
use entrenous::command_line::{self, Admin};
use entrenous::config::{self, Backup, Command, Config, LogFormat, Move, Restore, Sealed};
use entrenous::doctor::{self, Level};
use entrenous::listen::Doors;
use entrenous::{Failure, archive, log_book, sign_up};
use nix::sys::prctl;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, fmt};

#[cfg(target_env = "musl")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = match config::parse(std::env::args_os()) {
        Ok(cli) => cli,
        Err(error) => error.exit(),
    };
    let done = match cli.command {
        Command::Serve(config) => serve(*config),
        Command::Backup(what) => backup(&what),
        Command::Restore(what) => restore(&what),
        Command::Move(what) => carry(&what),
        Command::Admin(what) => administer(&what),
        Command::Doctor(config) => examine(&config),
        Command::Openapi => print_openapi(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("entrenous: {error}"));
            ExitCode::FAILURE
        }
    }
}

#[tokio::main]
async fn serve(config: Config) -> Result<(), Failure> {
    log_to_stderr(&config)?;
    ask_the_system();
    let doors = Doors::open(&config).await?;
    let config = Config { listen: doors.listener.listen(&config.listen)?, ..config };
    let address = config.address();
    let name = config.name.clone();
    let app = entrenous::open(config, Clock::default()).await?;
    welcome(&name, &address, sign_up::setup_code(&app).await.map_err(|error| error.to_string())?);
    let mut terminate = signal(SignalKind::terminate())?;
    let shutdown = async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = tokio::signal::ctrl_c() => {}
        }
    };
    entrenous::serve(doors, app, shutdown).await
}

#[tokio::main]
async fn backup(what: &Backup) -> Result<(), Failure> {
    let passphrase = match given_passphrase(&what.sealed)? {
        None if what.encrypt => Some(asked_passphrase(true)?),
        given => given,
    };
    let now = Clock::default().now();
    let mut tell = say;
    let backup = archive::backup(&what.storage, &what.file, passphrase.as_ref(), now, &mut tell);
    let made = unless_interrupted(backup).await?;
    let (file, rows) = (what.file.display(), made.rows());
    say(&format!("{file} holds {rows} rows and the server's key, and was read again: it is whole."));
    if passphrase.is_none() {
        say("It is not sealed: whoever has it has the server's key, and all that the server knows.");
    }
    Ok(())
}

#[tokio::main]
async fn restore(what: &Restore) -> Result<(), Failure> {
    let passphrase = match archive::is_sealed(&what.file)? {
        false => None,
        true => Some(given_passphrase(&what.sealed)?.map_or_else(|| asked_passphrase(false), Ok)?),
    };
    let passphrase = passphrase.as_ref();
    let file = what.file.display();
    if what.verify {
        let there = archive::verify(&what.file, passphrase, &mut say).await?;
        let (program, engine) = (&there.header.program, &there.header.engine);
        let rows = there.rows();
        say(&format!(
            "{file} is whole: {rows} rows and the server's key, by entrenous {program} from {engine}."
        ));
        return Ok(());
    }
    let mut tell = say;
    let restore = archive::restore(&what.storage, &what.file, passphrase, &mut tell);
    let back = unless_interrupted(restore).await?;
    let (rows, people) = (back.rows(), back.rows_of("accounts"));
    let key = what.storage.key_file();
    say(&format!(
        "Restored and compared: {rows} rows, {people} accounts, and the server's key in {}.",
        key.display()
    ));
    Ok(())
}

#[tokio::main]
async fn carry(what: &Move) -> Result<(), Failure> {
    let from = what.from.clone().unwrap_or_else(|| what.storage.database());
    let moved = archive::carry(&from, &what.to, &what.storage, what.ignore_connections, &mut say).await?;
    let rows: u64 = moved.iter().map(|(_, sum)| sum.rows).sum();
    say(&format!(
        "Moved: {rows} rows, the same on both sides. Now set `database` to the new one, keep the server's key where it \
         is, and never serve the old database again."
    ));
    Ok(())
}

#[tokio::main]
async fn administer(what: &Admin) -> Result<(), Failure> {
    say(&serde_json::to_string_pretty(&command_line::ask(what).await?)?);
    Ok(())
}

#[tokio::main]
async fn examine(config: &Config) -> Result<(), Failure> {
    let findings = doctor::examine(config, &Clock::default()).await;
    for finding in &findings {
        say(&finding.to_string());
    }
    match findings.iter().filter(|finding| finding.level == Level::Fail).count() {
        0 => Ok(()),
        wrong => Err(format!("{wrong} of these must be put right").into()),
    }
}

/// Whoever presses Ctrl+C leaves nothing half behind.
async fn unless_interrupted<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        done = work => done,
        _ = terminate.recv() => Err("stopped; nothing was changed".into()),
        _ = tokio::signal::ctrl_c() => Err("stopped; nothing was changed".into()),
    }
}

/// By the file or the environment.
fn given_passphrase(sealed: &Sealed) -> Result<Option<Passphrase>, Failure> {
    let given = match &sealed.passphrase_file {
        None => std::env::var("ENTRENOUS_PASSPHRASE").ok().filter(|text| !text.is_empty()),
        Some(path) => {
            let text =
                std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
            Some(text.lines().next().unwrap_or_default().to_owned())
        }
    };
    given.map(Passphrase::new).transpose()
}

/// Twice where a slip of the finger would make a file that nobody can open.
fn asked_passphrase(twice: bool) -> Result<Passphrase, Failure> {
    if !std::io::stdin().is_terminal() {
        return Err("the passphrase is missing: give --passphrase-file, or ENTRENOUS_PASSPHRASE".into());
    }
    let text = rpassword::prompt_password("Passphrase: ")?;
    if twice && rpassword::prompt_password("Once more: ")? != text {
        return Err("these were two different passphrases".into());
    }
    Passphrase::new(text)
}

/// Each open socket is a file: as many as the system allows. And memory in pages of 4 KiB, since with pages of
/// 2 MiB a small program is counted by what it might use. Without either it runs all the same.
fn ask_the_system() {
    if let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE)
        && let Err(error) = setrlimit(Resource::RLIMIT_NOFILE, hard, hard)
    {
        tracing::warn!(%error, soft, hard, "the limit of open files could not be raised");
    }
    if let Err(error) = prctl::set_thp_disable(true) {
        tracing::debug!(%error, "huge pages could not be turned off");
    }
}

/// On standard output, for the person who started the server; a set-up code is no business of the log.
fn welcome(name: &str, address: &str, setup_code: Option<String>) {
    say(&format!("\n  {name} is ready: {address}\n"));
    match setup_code {
        Some(code) => say(&format!("  The first account administers this server. Its set-up code: {code}\n")),
        None => say(
            "  Open the address and create an account; the first one administers this server.\n  Ctrl+C stops it.\n",
        ),
    }
}

#[allow(clippy::print_stdout, reason = "the one place that talks to whoever started the program")]
fn say(text: &str) {
    println!("{text}");
}

/// And what goes there also goes into the book that administrators read.
fn log_to_stderr(config: &Config) -> Result<(), Failure> {
    let to_stderr = fmt::layer().with_writer(std::io::stderr).with_ansi(std::io::stderr().is_terminal());
    let to_stderr = match config.log_format {
        LogFormat::Text => to_stderr.boxed(),
        LogFormat::Json => to_stderr.json().boxed(),
    };
    let to_book = fmt::layer().json().with_span_list(false).with_writer(log_book::Writer);
    tracing_subscriber::registry()
        .with(EnvFilter::try_new(&config.log)?)
        .with(to_stderr)
        .with(to_book)
        .init();
    Ok(())
}

fn print_openapi() -> Result<(), Failure> {
    say(&entrenous::app::description().to_pretty_json()?);
    Ok(())
}
