//! The server of Entre Nous.
//!
//! # A tour
//!
//! [`serve`] opens the database ([`db`]), loads the server's own key, and answers requests until it is told to
//! stop. [`app`] has the routes on one screen; each leads to a *slice*, a file with the route, the rule and the
//! SQL of one subject:
//!
//! - [`accounts`] what one is, [`sign_up`] how it comes to be and [`login`] how one comes in (by [`handshakes`]), [`slots`] what opens an account and [`credentials`] how its owner replaces that,
//!   [`factor`] the second factor, [`sessions`] who is asking (by [`tokens`]), [`profile`] one's own page with its [`pictures`], [`people`] others
//! - [`erasure`] the end of an account, [`privacy`] what each lets the others see
//! - [`keys`] what the server keeps sealed: key bundles, vaults, keyrings; [`epochs`] whose keys those are
//! - [`conversations`] and [`messages`], [`scheduled`] those that wait for their time
//! - [`blocks`] and [`reports`]
//! - [`addresses`] of whoever wants [`mail`]
//! - [`organisation`] what was decided for all (kept by [`settings`]), [`invitations`] who may sign up,
//!   [`retention`] how long it is kept, [`administration`] what administrators do with accounts, [`resets`] for who has lost everything, [`audit`] the journal
//! - [`indicators`] how the server serves its people, [`survey`] what they are asked for it
//!
//! For whoever looks after the server: [`monitoring`] shows what the [`meters`] count and what the [`log_book`]
//! keeps, [`command_line`] answers `entrenous admin`, [`archive`] has backups, restoring and moving, [`doctor`] looks
//! for what is wrong.
//!
//! Under them lie two rooms that hide much: [`writer`], which stores everything that waits in one synced
//! transaction before it acknowledges any of it, and [`live`], which carries [`event`]s to whoever is connected.
//!
//! [`listen`] is where connections come from, [`tls`] what makes them https.
//!
//! The server never has a key that opens anything: what people write reaches it sealed (docs/e2ee.md).

pub mod accounts;
pub mod addresses;
pub mod administration;
pub mod app;
pub mod archive;
pub mod audit;
pub mod blocks;
pub mod clock;
pub mod cluster;
pub mod command_line;
pub mod config;
pub mod conversations;
pub mod credentials;
pub mod csv;
pub mod db;
pub mod doctor;
pub mod epochs;
pub mod erasure;
pub mod error;
pub mod event;
pub mod factor;
pub mod files;
pub mod handshakes;
pub mod indicators;
pub mod invitations;
pub mod keys;
pub mod limits;
pub mod listen;
pub mod live;
pub mod log_book;
pub mod login;
pub mod mail;
pub mod messages;
pub mod meters;
pub mod monitoring;
pub mod organisation;
pub mod passkeys;
pub mod people;
pub mod pictures;
pub mod privacy;
pub mod profile;
pub mod redirect;
pub mod reports;
pub mod resets;
pub mod retention;
pub mod scheduled;
pub mod schema;
pub mod sessions;
pub mod settings;
pub mod sign_up;
pub mod slots;
pub mod survey;
pub mod tls;
pub mod tokens;
pub mod web_files;
pub mod wire;
pub mod writer;

use std::fs::{self, DirBuilder};
use std::future::Future;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::time::Duration;

use axum::Router;
use e2ee::opaque::server::ServerSetup as Opaque;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use nix::sys::statvfs::statvfs;
use sea_orm::EntityTrait;
use sha2::{Digest, Sha256};
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;
use zeroize::Zeroizing;

use crate::app::App;
use crate::clock::Clock;
use crate::cluster::{Cluster, Notice};
use crate::config::Config;
use crate::db::Db;
use crate::files::make_secret;
use crate::listen::{Doors, Listener, Peer, Stream};
use crate::live::presence;
use crate::schema::tables::settings as remembered;
use crate::tls::Tls;

pub use crate::scheduled::send_due;

/// For requests under way, and for whoever is connected to be told.
const SHUTDOWN_PATIENCE: Duration = Duration::from_secs(10);
/// A client that sends its headers slower than this is holding the connection, not using it.
const HEADER_PATIENCE: Duration = Duration::from_secs(10);
/// With less than this on the disk, whatever goes wrong at the start goes wrong for want of it.
pub(crate) const ENOUGH: u64 = 1 << 20;
/// The name under which the database knows the server's key, by its SHA-256.
const SERVER_KEY: &str = "server_key";
const MAX_HEADER_BYTES: usize = 16 << 10;
const MAX_HEADERS: usize = 64;

pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Open what the configuration names: the data folder, the server's key, the database.
pub async fn open(config: Config, clock: Clock) -> Result<App, Failure> {
    let data = config.storage.data.clone();
    open_data(config, clock).await.map_err(|error| {
        let data = data.display();
        match room_left(&data.to_string()) {
            Some(left) if left < ENOUGH => {
                format!("the disk of {data} is full ({left} bytes left): {error}").into()
            }
            _ => format!("{data}: {error}").into(),
        }
    })
}

/// What SQLite says of a full disk depends on what it was about to do.
pub(crate) fn room_left(folder: &str) -> Option<u64> {
    let disk = statvfs(folder).ok()?;
    Some(disk.blocks_available() * disk.fragment_size())
}

async fn open_data(config: Config, clock: Clock) -> Result<App, Failure> {
    DirBuilder::new().recursive(true).mode(0o700).create(&config.storage.data)?;
    let db = Db::open(&config).await?;
    let has_accounts = accounts::exist(db.read()).await.map_err(|error| error.to_string())?;
    let path = config.storage.key_file();
    let key = server_key(&path, has_accounts)?;
    let opaque = Opaque::from_bytes(&key).map_err(|error| format!("{}: {error}", path.display()))?;
    agree_on_key(&db, &key, &path).await?;
    let cluster = match &config.nats {
        Some(url) => Cluster::connect(url, &key).await?,
        None => Cluster::default(),
    };
    Ok(App::new(config, clock, db, opaque, cluster).map_err(|error| error.to_string())?)
}

/// Answer requests until `shutdown`; then tell whoever is connected, finish what was begun, and close the database.
pub async fn serve(
    doors: impl Into<Doors>,
    app: App,
    shutdown: impl Future<Output = ()>,
) -> Result<(), Failure> {
    let doors = doors.into();
    let stopping = CancellationToken::new();
    if let Some(redirect) = doors.redirect {
        let router = redirect::router(app.config.address());
        app.tasks.spawn(take_in(Listener::Tcp(redirect), None, router, app.clone(), stopping.clone()));
    }
    let router = app::router(app.clone());
    if let Some(tls) = &doors.tls {
        app.tasks.spawn(stopping.clone().run_until_cancelled_owned(tls.clone().keep()));
    }
    app.tasks.spawn(take_in(doors.listener, doors.tls, router, app.clone(), stopping.clone()));
    app.tasks.spawn(command_line::answer(app.clone(), stopping.clone()));
    app.tasks.spawn(mail::keep(app.clone(), stopping.clone()));
    let counting = tokio::spawn(monitoring::keep(app.clone()));
    let housekeeping = tokio::spawn(housekeep(app.clone()));
    let presence = tokio::spawn(presence::keep(app.clone()));
    let schedule = tokio::spawn(scheduled::keep(app.clone()));
    let doubts = tokio::spawn(dispel_doubts(app.clone()));
    let others = tokio::spawn(cluster::keep(app.clone()));
    shutdown.await;
    tracing::info!("shutting down");
    housekeeping.abort();
    counting.abort();
    schedule.abort();
    doubts.abort();
    stopping.cancel();
    app.live.stop();
    app.tasks.close();
    if timeout(SHUTDOWN_PATIENCE, app.tasks.wait()).await.is_err() {
        tracing::warn!("some connections did not end in time");
    }
    presence.abort();
    // Also of those whom the stop has sent away.
    presence::settle(&app).await;
    app.writer.flush().await;
    if let Err(error) = indicators::store(&app).await {
        tracing::warn!(%error, "the last figures could not be stored");
    }
    app.live.cluster().leave().await;
    others.abort();
    app.db.clone().close().await?;
    tracing::info!("stopped");
    Ok(())
}

/// Whoever comes, until `stopping`; then nobody listens any more.
async fn take_in(
    listener: Listener,
    tls: Option<Tls>,
    router: Router,
    app: App,
    stopping: CancellationToken,
) {
    loop {
        tokio::select! {
            () = stopping.cancelled() => return,
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => {
                    app.tasks.spawn(answer(stream, tls.clone(), peer, router.clone(), stopping.clone()));
                }
                // Out of file descriptors, or a peer that left: neither is a reason to stop, nor to spin.
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        }
    }
}

/// One connection, until it ends or `stopping` lets it finish what it is at.
async fn answer(stream: Stream, tls: Option<Tls>, peer: Peer, router: Router, stopping: CancellationToken) {
    let stream = tokio::select! {
        ready = prepare(stream, tls) => ready,
        () = stopping.cancelled() => return,
    };
    let stream = match stream {
        Ok(Some(stream)) => stream,
        Ok(None) => return,
        Err(error) => {
            tracing::debug!(%error, "a connection could not be prepared");
            return;
        }
    };
    let service = router.map_request(move |mut request: axum::http::Request<hyper::body::Incoming>| {
        request.extensions_mut().insert(peer);
        request.map(axum::body::Body::new)
    });
    let mut connection = std::pin::pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEADER_PATIENCE)
            .max_buf_size(MAX_HEADER_BYTES)
            .max_headers(MAX_HEADERS)
            .serve_connection(TokioIo::new(stream), TowerToHyperService::new(service))
            .with_upgrades()
    );
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stopping.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended badly");
    }
}

/// None where the handshake was all that the peer wanted.
async fn prepare(stream: Stream, tls: Option<Tls>) -> io::Result<Option<Stream>> {
    stream.prepare()?;
    match tls {
        Some(tls) => tls.accept(stream).await,
        None => Ok(Some(stream)),
    }
}

/// What happens at a time: messages disappear, and the keys that opened them. How many messages.
pub async fn run_due(app: &App) -> error::Result<usize> {
    let mut gone = 0;
    while messages::are_due(app).await? {
        gone += writer::answered(|answer| app.writer.expire(answer)).await?;
    }
    epochs::erase_outlived(app).await?;
    Ok(gone)
}

/// What may be stored without anybody having been told is found by whoever looks again.
async fn dispel_doubts(app: App) {
    loop {
        app.db.doubted().await;
        app.live.begin_again();
        app.live.cluster().tell(&Notice::BeginAgain);
    }
}

async fn housekeep(app: App) {
    let mut minute = interval(Duration::from_secs(60));
    minute.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for minutes in 0_u64.. {
        minute.tick().await;
        app.limits.tidy();
        app.shelf.tidy(app.clock.now());
        app.live.presence().tidy();
        app.live.cluster().tidy();
        for tidied in [
            handshakes::tidy(&app).await,
            factor::tidy(&app).await,
            passkeys::tidy(&app).await,
            resets::tidy(&app).await,
            addresses::tidy(&app).await,
            invitations::tidy(&app).await,
            mail::digest::look(&app).await.map(drop),
            sessions::tidy(&app).await,
            erasure::tidy(&app).await,
            indicators::tidy(&app).await,
            run_due(&app).await.map(drop),
        ] {
            if let Err(error) = tidied {
                tracing::warn!(%error, "housekeeping failed");
            }
        }
        if minutes.is_multiple_of(60)
            && let Err(error) = retention::tidy(&app).await
        {
            tracing::warn!(%error, "what was kept long enough could not be let go");
        }
    }
}

/// The server's half of the password protocol. Without this file no password opens anything, so it is made
/// once, readable by nobody else, and synced before it is used; and never made anew where accounts need the
/// old one.
fn server_key(path: &Path, has_accounts: bool) -> Result<Zeroizing<Vec<u8>>, Failure> {
    match fs::read(path) {
        Ok(key) => Ok(Zeroizing::new(key)),
        Err(error) if error.kind() == io::ErrorKind::NotFound && !has_accounts => {
            // Of two nodes that come first to one folder, one finds the other's key.
            make_secret(path, &Opaque::generate().to_bytes())?;
            Ok(Zeroizing::new(fs::read(path)?))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(format!(
            "{} is missing, and no account of this database can log in without it: restore it from a backup",
            path.display()
        )
        .into()),
        Err(error) => Err(format!("{}: {error}", path.display()).into()),
    }
}

/// The database remembers which key it is served with. A node with another one would make accounts that nobody
/// can log in to on the others.
async fn agree_on_key(db: &Db, key: &[u8], path: &Path) -> Result<(), Failure> {
    let own = Sha256::digest(key).to_vec();
    let known = db
        .write(async |tx| {
            if let Some(row) = remembered::Entity::find_by_id(SERVER_KEY).one(tx).await? {
                return Ok(row.value);
            }
            // Of two nodes that come first, one begins again and finds the other's.
            let row = remembered::Model { name: SERVER_KEY.to_owned(), value: own.clone() };
            remembered::Entity::insert(remembered::ActiveModel::from(row))
                .on_conflict_do_nothing()
                .exec_without_returning(tx)
                .await?;
            Ok(own.clone())
        })
        .await
        .map_err(|error| error.to_string())?;
    if known == own {
        return Ok(());
    }
    Err(format!(
        "{} is not the key that this database is served with: nobody could log in with a password. Nodes that \
         share a database need the same key: copy the file from the other node, or from the backup that belongs to \
         this database",
        path.display()
    )
    .into())
}
