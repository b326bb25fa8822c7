//! Nodes that share a database tell each other over NATS what happens.
//!
//! The database is the truth of all of them, and this is only their fast path, as the live connection is the
//! clients': core NATS delivers at most once. Events go to the subject of the account they are for, which a node
//! listens to while somebody of that account is connected there. All nodes listen to one further subject, for
//! what they keep in memory about people: who is there, what was agreed, which session has ended, which attempts
//! were made. Whenever something may have been lost, all who are connected are sent away and come back, and find
//! by `rev` what they missed.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use async_nats::{Client, ConnectOptions, Subscriber};
use axum::extract::ws::Utf8Bytes;
use bytes::Bytes;
use futures_util::StreamExt;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tokio::sync::{OnceCell, mpsc};
use tokio::task::AbortHandle;
use tokio::time::{interval, timeout};
use uuid::Uuid;

use crate::Failure;
use crate::app::App;
use crate::config::NatsUrl;
use crate::limits::Attempt;
use crate::live::Live;

/// What may wait to be sent, as while NATS is away; what does not fit is lost, and said to be.
const QUEUE: usize = 16 << 10;
/// For a subscription to be confirmed. Without NATS the first connection after its return begins everything again.
const PATIENCE: Duration = Duration::from_secs(1);
/// A node says that it lives, and is forgotten when it has not for three times as long.
const HEARTBEAT: Duration = Duration::from_secs(5);
const SILENCE: Duration = Duration::from_secs(16);
/// Accounts in one message.
const ACCOUNTS_AT_ONCE: usize = 10_000;

/// The other nodes; without NATS there are none, and nothing is done.
#[derive(Clone, Default)]
pub struct Cluster(Option<Arc<Node>>);

struct Node {
    id: Uuid,
    /// `entrenous.` and what tells apart the installations that share a NATS server.
    prefix: String,
    client: Client,
    outgoing: mpsc::Sender<(String, Bytes)>,
    /// Taken by [`keep`].
    incoming: Mutex<Option<Incoming>>,
    followed: Mutex<HashMap<Uuid, Weak<Followed>>>,
    /// Something could not be sent.
    lost: AtomicBool,
}

struct Incoming {
    to_send: mpsc::Receiver<(String, Bytes)>,
    events: mpsc::UnboundedReceiver<async_nats::Event>,
}

/// What one node tells all others.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Notice {
    /// Something may be stored that not everybody was told of.
    BeginAgain,
    SessionEnded {
        account: Uuid,
        session: Uuid,
    },
    /// What this person and others see of each other may be different now.
    AgreedAnew {
        account: Uuid,
    },
    Attempt {
        attempt: Attempt,
    },
    /// Whether somebody attends at that node.
    Attends {
        node: Uuid,
        account: Uuid,
        there: bool,
    },
    /// Who attends at that node; `first`, and nobody else.
    Attending {
        node: Uuid,
        accounts: Vec<Uuid>,
        first: bool,
    },
    WhoAttends,
    Alive {
        node: Uuid,
    },
    Leaves {
        node: Uuid,
    },
}

/// An account whose events come here from other nodes, until this is dropped.
#[derive(Default)]
pub struct Followed {
    task: OnceCell<Option<AbortHandle>>,
}

impl Drop for Followed {
    fn drop(&mut self) {
        if let Some(Some(task)) = self.task.get() {
            task.abort();
        }
    }
}

impl Cluster {
    /// `key`: the server's own, which all nodes of an installation share and no other has.
    pub async fn connect(url: &NatsUrl, key: &[u8]) -> Result<Self, async_nats::ConnectError> {
        let (tell, events) = mpsc::unbounded_channel();
        let client = ConnectOptions::new()
            .name("entrenous")
            .no_echo()
            .retry_on_initial_connect()
            .event_callback(move |event| {
                let tell = tell.clone();
                async move { drop(tell.send(event)) }
            })
            .connect(url.0.clone())
            .await?;
        let (outgoing, to_send) = mpsc::channel(QUEUE);
        let name: String = Sha256::digest(key)[..8].iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(Self(Some(Arc::new(Node {
            id: Uuid::now_v7(),
            prefix: format!("entrenous.{name}"),
            client,
            outgoing,
            incoming: Mutex::new(Some(Incoming { to_send, events })),
            followed: Mutex::default(),
            lost: AtomicBool::new(false),
        }))))
    }

    /// Ask the NATS server once, for whoever wants to know: its version.
    pub async fn ask(url: &NatsUrl) -> Result<String, Failure> {
        let client = ConnectOptions::new().name("entrenous doctor").connect(url.0.clone()).await?;
        client.flush().await?;
        Ok(client.server_info().version)
    }

    /// None without NATS.
    pub fn is_connected(&self) -> Option<bool> {
        let node = self.0.as_ref()?;
        Some(node.client.connection_state() == async_nats::connection::State::Connected)
    }

    pub fn has_others(&self) -> bool {
        self.0.is_some()
    }

    /// Hand an event to whoever of this account is connected to another node.
    pub fn publish(&self, account: Uuid, event: &Utf8Bytes) {
        if let Some(node) = &self.0 {
            node.send(node.subject_of(account), Bytes::from(event.clone()));
        }
    }

    pub fn tell(&self, notice: &Notice) {
        if let Some(node) = &self.0 {
            node.tell(notice);
        }
    }

    /// Somebody attends here now, or no longer.
    pub fn attends(&self, account: Uuid, there: bool) {
        if let Some(node) = &self.0 {
            node.tell(&Notice::Attends { node: node.id, account, there });
        }
    }

    /// From when this returns until what it returns is dropped, the events of other nodes for this account come here.
    pub async fn follow(&self, live: &Live, account: Uuid) -> Option<Arc<Followed>> {
        let node = self.0.as_ref()?;
        let followed = {
            let mut all = node.followed.lock().unwrap_or_else(PoisonError::into_inner);
            let held = all.get(&account).and_then(Weak::upgrade);
            held.unwrap_or_else(|| {
                let new = Arc::new(Followed::default());
                all.insert(account, Arc::downgrade(&new));
                new
            })
        };
        followed.task.get_or_init(|| node.subscribe(live.clone(), account)).await;
        Some(followed)
    }

    /// Forget the accounts of which nobody is connected any more.
    pub fn tidy(&self) {
        if let Some(node) = &self.0 {
            let mut all = node.followed.lock().unwrap_or_else(PoisonError::into_inner);
            all.retain(|_, followed| followed.strong_count() > 0);
        }
    }

    /// The last word of this node.
    pub async fn leave(&self) {
        let Some(node) = &self.0 else { return };
        node.tell(&Notice::Leaves { node: node.id });
        // Room for all means that nothing waits any more. Without NATS that is not to be had, and not missed.
        let sent = async {
            let _ = node.outgoing.reserve_many(QUEUE).await;
            let _ = node.client.flush().await;
        };
        let _ = timeout(PATIENCE, sent).await;
    }
}

impl Node {
    fn subject_of(&self, account: Uuid) -> String {
        format!("{}.account.{}", self.prefix, account.simple())
    }

    fn subject_of_nodes(&self) -> String {
        format!("{}.nodes", self.prefix)
    }

    fn tell(&self, notice: &Notice) {
        // Serialising our own types to memory cannot fail.
        self.send(self.subject_of_nodes(), serde_json::to_vec(notice).unwrap_or_default().into());
    }

    fn send(&self, subject: String, payload: Bytes) {
        if self.outgoing.try_send((subject, payload)).is_err() {
            self.lost.store(true, Ordering::Relaxed);
        }
    }

    async fn subscribe(&self, live: Live, account: Uuid) -> Option<AbortHandle> {
        let mut events = match self.client.subscribe(self.subject_of(account)).await {
            Ok(events) => events,
            Err(error) => {
                tracing::warn!(%error, "an account's events of other nodes cannot be followed");
                return None;
            }
        };
        let _ = timeout(PATIENCE, self.client.flush()).await;
        let forward = async move {
            while let Some(event) = events.next().await {
                if let Ok(text) = Utf8Bytes::try_from(event.payload) {
                    live.deliver(account, &text);
                }
            }
        };
        Some(tokio::spawn(forward).abort_handle())
    }
}

/// Sends and hears, for as long as it runs.
pub async fn keep(app: App) {
    let Some(node) = app.live.cluster().0.clone() else { return };
    let incoming = node.incoming.lock().unwrap_or_else(PoisonError::into_inner).take();
    let Some(Incoming { to_send, events }) = incoming else { return };
    tokio::join!(send(&node, to_send), hear(&app, &node), stay(&app, &node, events));
}

async fn send(node: &Node, mut to_send: mpsc::Receiver<(String, Bytes)>) {
    while let Some((subject, payload)) = to_send.recv().await {
        if node.client.publish(subject, payload).await.is_err() {
            node.lost.store(true, Ordering::Relaxed);
        }
        if node.lost.swap(false, Ordering::Relaxed) {
            tracing::warn!("events for other nodes were lost; whoever is connected there looks again");
            let notice = serde_json::to_vec(&Notice::BeginAgain).unwrap_or_default();
            let _ = node.client.publish(node.subject_of_nodes(), notice.into()).await;
        }
    }
}

async fn hear(app: &App, node: &Node) {
    let mut heartbeat = interval(HEARTBEAT);
    let mut notices: Option<Subscriber> = None;
    loop {
        let Some(heard) = &mut notices else {
            match node.client.subscribe(node.subject_of_nodes()).await {
                Ok(subscriber) => notices = Some(subscriber),
                Err(error) => {
                    tracing::warn!(%error, "other nodes cannot be heard");
                    heartbeat.tick().await;
                }
            }
            continue;
        };
        tokio::select! {
            notice = heard.next() => match notice {
                Some(notice) => match serde_json::from_slice(&notice.payload) {
                    Ok(notice) => take(app, node, notice),
                    Err(error) => tracing::warn!(%error, "another node says what this one does not understand"),
                },
                None => notices = None,
            },
            _ = heartbeat.tick() => {
                node.tell(&Notice::Alive { node: node.id });
                app.live.presence().forget_silent(SILENCE);
            }
        }
    }
}

fn take(app: &App, node: &Node, notice: Notice) {
    let presence = app.live.presence();
    match notice {
        Notice::BeginAgain => begin_again(app),
        Notice::SessionEnded { account, session } => app.live.close_session_here(account, session),
        Notice::AgreedAnew { account } => app.agreed_anew_here(account),
        Notice::Attempt { attempt } => app.limits.attempted_elsewhere(&attempt),
        Notice::Attends { node, account, there } => presence.attends_elsewhere(node, account, there),
        Notice::Attending { node, accounts, first } => presence.attending_elsewhere(node, accounts, first),
        Notice::WhoAttends => say_who_attends(app, node),
        Notice::Alive { node: other } => {
            if !presence.lives(other) {
                node.tell(&Notice::WhoAttends);
            }
        }
        Notice::Leaves { node } => presence.left_elsewhere(node),
    }
}

fn say_who_attends(app: &App, node: &Node) {
    let accounts = app.live.presence().attending_here();
    let mut parts = accounts.chunks(ACCOUNTS_AT_ONCE).map(<[Uuid]>::to_vec).collect::<Vec<_>>();
    if parts.is_empty() {
        parts.push(Vec::new());
    }
    for (number, accounts) in parts.into_iter().enumerate() {
        node.tell(&Notice::Attending { node: node.id, accounts, first: number == 0 });
    }
}

/// Whatever was not heard: what is remembered is asked again, and whoever is connected looks again.
fn begin_again(app: &App) {
    app.agreements.changed();
    app.live.begin_again();
}

/// While there was no connection, others may have told what was not heard here.
async fn stay(app: &App, node: &Node, mut events: mpsc::UnboundedReceiver<async_nats::Event>) {
    let mut was_away = false;
    while let Some(event) = events.recv().await {
        match event {
            async_nats::Event::Connected => {
                if was_away {
                    tracing::info!("NATS is back; whoever is connected looks again");
                    begin_again(app);
                }
                node.tell(&Notice::WhoAttends);
                say_who_attends(app, node);
            }
            async_nats::Event::Disconnected | async_nats::Event::Closed => {
                was_away = true;
                tracing::warn!("NATS is away; what happens on other nodes is found a little later");
            }
            async_nats::Event::SlowConsumer(_) => {
                tracing::warn!(
                    "more comes from other nodes than can be told; whoever is connected looks again"
                );
                begin_again(app);
            }
            event => tracing::debug!(%event, "NATS"),
        }
    }
}
