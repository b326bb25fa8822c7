//! Arguments, logging, signals; everything else is in the library.

use std::io::IsTerminal;
use std::process::ExitCode;

use entrenous::accounts;
use entrenous::clock::Clock;
use entrenous::config::{self, Command, Config, LogFormat};
use entrenous::listen::Doors;
use nix::sys::prctl;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

#[cfg(target_env = "musl")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

type Failure = Box<dyn std::error::Error + Send + Sync>;

fn main() -> ExitCode {
    let cli = match config::parse(std::env::args_os()) {
        Ok(cli) => cli,
        Err(error) => error.exit(),
    };
    let done = match cli.command {
        Command::Serve(config) => serve(*config),
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
    welcome(&name, &address, accounts::setup_code(&app).await.map_err(|error| error.to_string())?);
    let mut terminate = signal(SignalKind::terminate())?;
    let shutdown = async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = tokio::signal::ctrl_c() => {}
        }
    };
    entrenous::serve(doors, app, shutdown).await
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

fn log_to_stderr(config: &Config) -> Result<(), Failure> {
    let log = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::try_new(&config.log)?)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    match config.log_format {
        LogFormat::Text => log.init(),
        LogFormat::Json => log.json().init(),
    }
    Ok(())
}

fn print_openapi() -> Result<(), Failure> {
    say(&entrenous::app::description().to_pretty_json()?);
    Ok(())
}
