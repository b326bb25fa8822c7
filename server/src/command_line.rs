//! The administrators' acts for whoever may use the machine: `entrenous admin …` asks the running server over a Unix socket
//! in its data folder, which nobody but its owner can open. One line of JSON there, one back. What is done this way
//! stands in the journal as done by the command line.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::Failure;
use crate::accounts::{self, Role};
use crate::administration::{self, Which};
use crate::app::App;
use crate::audit::{self, Actor};
use crate::config::Storage;
use crate::erasure;
use crate::error::{Code, Error, Problem, Result};
use crate::invitations::{self, NewInvitations};
use crate::listen::{Listen, Listener, Stream};
use crate::mail;
use crate::organisation::{self, Organisation, SignUp};

const ONLY_OURS: u32 = 0o600;
const MAX_LINE: u64 = 64 << 10;
const PATIENCE: Duration = Duration::from_secs(30);

/// What can be asked for.
#[derive(Clone, Debug, clap::Subcommand, Deserialize, Serialize)]
#[serde(rename_all = "snake_case", tag = "act")]
pub enum Act {
    /// List the accounts, the latest first
    People {
        /// The beginning of a handle or a name
        #[arg(default_value = "")]
        q: String,
        #[arg(long, value_enum, default_value_t = Which::All)]
        which: Which,
    },
    /// Make somebody an administrator
    Promote { handle: String },
    /// Take the administrator's role from somebody
    Demote { handle: String },
    /// Keep somebody out
    Suspend { handle: String },
    /// Let somebody back in
    Resume { handle: String },
    /// End all sessions of somebody
    EndSessions { handle: String },
    /// Erase somebody's account in seven days, and keep them out until then
    Erase {
        handle: String,
        /// At once: nobody can take it back
        #[arg(long)]
        now: bool,
    },
    /// Do not erase somebody's account after all
    Keep { handle: String },
    /// Decide who may sign up
    SignUp { policy: SignUp },
    /// Decide for how many days something is kept
    Retain {
        what: Kept,
        /// For ever without it
        days: Option<u32>,
    },
    /// Make a link with which somebody can sign up
    Invite {
        /// For whom, or what for
        #[arg(long, default_value = "")]
        note: String,
        /// How many people may use it
        #[arg(long, default_value = "1")]
        uses: i64,
        /// How many days it can be used
        #[arg(long, default_value = "7")]
        days: i64,
    },
    /// Send a mail to an address at once, to see whether it comes
    MailTest { address: String },
    /// Show what administrators did, the latest first
    Journal,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kept {
    Messages,
    Reports,
    Journal,
}

#[derive(Clone, Debug, clap::Args)]
pub struct Admin {
    #[command(flatten)]
    pub storage: Storage,

    #[command(subcommand)]
    pub act: Act,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
enum Answer {
    Done(Value),
    Refused(Problem),
}

fn socket(storage: &Storage) -> PathBuf {
    storage.data.join("admin.sock")
}

/// Ask the server that runs on this data folder. Its answer, as JSON.
pub async fn ask(Admin { storage, act }: &Admin) -> Result<Value, Failure> {
    let path = socket(storage);
    let asked = async {
        let mut stream = UnixStream::connect(&path).await.map_err(|error| {
            format!("{}: {error}. Does the server run, with this data folder, as this user?", path.display())
        })?;
        stream.write_all(format!("{}\n", serde_json::to_string(act)?).as_bytes()).await?;
        let mut answer = String::new();
        BufReader::new(stream).read_line(&mut answer).await?;
        Ok(answer)
    };
    let answer = timeout(PATIENCE, asked).await.map_err(|_| "the server does not answer")?;
    match answer.and_then(|line: String| Ok::<Answer, Failure>(serde_json::from_str(&line)?))? {
        Answer::Done(value) => Ok(value),
        Answer::Refused(problem) => Err(problem.message.into()),
    }
}

/// Answer whoever asks, until `stopping`. Where there can be no such socket, as on some file systems of a network, the
/// server does without.
pub async fn answer(app: App, stopping: CancellationToken) {
    let path = socket(&app.config.storage);
    let listener = match Listener::bind(&Listen::Unix(path.clone()), ONLY_OURS).await {
        Ok(listener) => listener,
        Err(error) => {
            let path = path.display();
            tracing::warn!(%path, %error, "the command line cannot reach this server");
            return;
        }
    };
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stopping.cancelled() => return,
        };
        if let Ok((stream, _)) = accepted {
            let one = timeout(PATIENCE, answer_one(app.clone(), stream));
            app.tasks.spawn(async {
                if let Ok(Err(error)) = one.await {
                    tracing::debug!(%error, "the command line was not answered");
                }
            });
        }
    }
}

async fn answer_one(app: App, mut stream: Stream) -> io::Result<()> {
    let mut line = String::new();
    BufReader::new((&mut stream).take(MAX_LINE)).read_line(&mut line).await?;
    let done = match serde_json::from_str(&line) {
        Ok(act) => run(&app, act).await,
        Err(_) => Err(Code::BadRequest.into()),
    };
    let answer = match done {
        Ok(value) => Answer::Done(value),
        Err(error) => Answer::Refused(error.problem()),
    };
    let mut bytes = serde_json::to_vec(&answer)?;
    bytes.push(b'\n');
    stream.write_all(&bytes).await?;
    stream.shutdown().await
}

async fn run(app: &App, act: Act) -> Result<Value> {
    let by = Actor::CommandLine;
    match act {
        Act::People { q, which } => in_json(&administration::list(app, &q, which, None).await?),
        Act::Promote { handle } => {
            let account = of(app, &handle).await?;
            done(administration::give_role(app, by, account, Role::Administrator).await)
        }
        Act::Demote { handle } => {
            let account = of(app, &handle).await?;
            done(administration::give_role(app, by, account, Role::Person).await)
        }
        Act::Suspend { handle } => done(administration::keep_out(app, by, of(app, &handle).await?).await),
        Act::Resume { handle } => done(administration::let_back_in(app, by, of(app, &handle).await?).await),
        Act::EndSessions { handle } => done(administration::sign_out(app, by, of(app, &handle).await?).await),
        Act::Erase { handle, now: true } => done(erasure::erase_now(app, by, of(app, &handle).await?).await),
        Act::Erase { handle, now: false } => {
            in_json(&erasure::decide(app, by, of(app, &handle).await?, erasure::WAIT).await?)
        }
        Act::Keep { handle } => done(erasure::undo(app, by, of(app, &handle).await?).await),
        Act::SignUp { policy } => {
            let decide = |decided| Organisation { sign_up: policy, ..decided };
            in_json(&organisation::change(app, by, decide).await?)
        }
        Act::Retain { what, days } => {
            let decide = |mut decided: Organisation| {
                match what {
                    Kept::Messages => decided.messages_days = days,
                    Kept::Reports => decided.reports_days = days,
                    Kept::Journal => decided.journal_days = days,
                }
                decided
            };
            in_json(&organisation::change(app, by, decide).await?)
        }
        Act::Invite { note, uses, days } => {
            let new = NewInvitations { notes: vec![note], uses, days };
            let made = invitations::make(app, by, &new).await?;
            let address = app.config.address();
            let links = made.iter().map(|one| format!("{address}/sign-up#{}", one.token));
            Ok(json!({"links": links.collect::<Vec<_>>()}))
        }
        Act::MailTest { address } => Ok(match mail::send_test(app, &address.parse()?).await? {
            Ok(()) => json!({"sent": true}),
            Err(why) => json!({"sent": false, "why": why}),
        }),
        Act::Journal => in_json(&audit::latest(app).await?),
    }
}

async fn of(app: &App, handle: &str) -> Result<Uuid> {
    let handle = handle.trim_start_matches('@');
    Ok(accounts::find(app.db.read(), handle).await?.ok_or(Code::NotFound)?.id)
}

fn done(done: Result<()>) -> Result<Value> {
    done.map(|()| json!({"done": true}))
}

fn in_json(value: &impl Serialize) -> Result<Value> {
    serde_json::to_value(value).map_err(Error::internal)
}
