//! What two people see of each other at this moment: whether the other is there, or when they last were, and
//! that they type.
//!
//! Somebody is there while one of their connections says so, or for a minute after a request that does (where
//! no socket can be opened). Only a connection that has the conversation with them open is told. A connection that
//! neither attends nor watches takes no room here.
//!
//! Changes only note whose watchers are to be told; one task ([`keep`]) then looks and tells, one after the
//! other, so that what is told last is what is true. Nothing is stored but the minute in which somebody left.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::extract::State;
use axum::http::StatusCode;
use sea_orm::{ColumnTrait, Condition, EntityTrait, QueryFilter, QuerySelect};
use serde::Serialize;
use tokio::sync::Notify;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{ConnectionId, Mailbox, json};
use crate::app::App;
use crate::clock::{Clock, MINUTE, Millis};
use crate::cluster::Cluster;
use crate::conversations::Conversation;
use crate::error::{Problem, Result};
use crate::event::Event;
use crate::schema::tables::accounts;
use crate::sessions::CurrentAccount;

/// How long the word of a request holds; the page gives it twice as often.
const WORD: Millis = MINUTE;
/// When thousands leave at once, messages are stored in between.
const STORED_AT_ONCE: usize = 200;

/// Whether somebody is there. Nothing is said of who hides it, of who blocks, and of who was never seen.
#[derive(Clone, Copy, Debug, Default, Serialize, ToSchema)]
pub struct Presence {
    online: bool,
    /// When they were last there, to the minute; absent while they are.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_seen: Option<Millis>,
}

/// Say that one is there, for the next minute. Over a WebSocket the frame `attending` says it better.
#[utoipa::path(post, path = "/attending", tag = "live", responses(
    (status = 204), (status = "default", body = Problem)))]
pub async fn attending(current: CurrentAccount, State(app): State<App>) -> StatusCode {
    app.live.presence().attend_for_now(current.account);
    StatusCode::NO_CONTENT
}

/// Whether the other person is there, or when they last were.
#[utoipa::path(get, path = "/conversations/{conversation}/presence", tag = "live",
    params(("conversation" = Uuid, Path)), responses(
    (status = 200, body = Presence), (status = "default", body = Problem)))]
pub async fn presence(conversation: Conversation, State(app): State<App>) -> Result<axum::Json<Presence>> {
    look(&app, &conversation).await.map(axum::Json)
}

/// Say that one is typing. The answer is the same whether anybody is told or not.
#[utoipa::path(post, path = "/conversations/{conversation}/typing", tag = "live",
    params(("conversation" = Uuid, Path)), responses(
    (status = 204), (status = "default", body = Problem)))]
pub async fn typing(conversation: Conversation, State(app): State<App>) -> Result<StatusCode> {
    type_in(&app, &conversation).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The one rule, for requests and sockets alike.
pub async fn type_in(app: &App, conversation: &Conversation) -> Result<()> {
    app.limits.typing(conversation.me)?;
    if app.agreed(conversation).await?.typing {
        let event = Event::Typing { conversation: conversation.id, account: conversation.me };
        app.live.publish(&[conversation.peer()], &event);
    }
    Ok(())
}

/// The other person, as the caller may see them.
async fn look(app: &App, conversation: &Conversation) -> Result<Presence> {
    if !app.agreed(conversation).await?.presence {
        return Ok(Presence::default());
    }
    let peer = conversation.peer();
    let (online, left) = app.live.presence().of(peer);
    let last_seen = match (online, left) {
        (true, _) => None,
        (false, Some(left)) => Some(left),
        (false, None) => {
            let select = accounts::Entity::find_by_id(peer).select_only().column(accounts::Column::LastSeen);
            select.into_tuple::<Option<Millis>>().one(app.db.read()).await?.flatten()
        }
    };
    Ok(Presence { online, last_seen })
}

/// Tells of changes as they come, until it is dropped.
pub async fn keep(app: App) {
    loop {
        app.live.presence().wake.notified().await;
        settle(&app).await;
    }
}

/// Store who has left, and tell who watches. What cannot be done now is done at the next change.
pub async fn settle(app: &App) {
    if let Err(error) = store(app).await {
        tracing::debug!(%error, "it could not be stored when somebody was last seen");
    }
    for Watch { mailbox, conversation } in app.live.presence().take_due() {
        match look(app, &conversation).await {
            Ok(Presence { online, last_seen }) => {
                let account = conversation.peer();
                mailbox.push(json(&Event::Presence { account, online, last_seen }));
            }
            Err(error) => tracing::debug!(%error, "somebody's presence could not be looked at"),
        }
    }
}

async fn store(app: &App) -> Result<()> {
    use accounts::Column;
    loop {
        if app.live.presence().left(1).is_empty() {
            return Ok(());
        }
        let left = app
            .db
            .write(async |tx| {
                // Looked at in here: whoever has shown themselves again meanwhile has had it forgotten.
                let left = app.live.presence().left(STORED_AT_ONCE);
                for (account, at) in &left {
                    let earlier =
                        Condition::any().add(Column::LastSeen.is_null()).add(Column::LastSeen.lt(*at));
                    accounts::Entity::update_many()
                        .col_expr(Column::LastSeen, (*at).into())
                        .filter(Column::Id.eq(*account))
                        .filter(Column::SharesPresence.eq(true))
                        .filter(earlier)
                        .exec(tx)
                        .await?;
                }
                Ok(left)
            })
            .await?;
        app.live.presence().stored(&left);
    }
}

/// Everybody who is there, and who looks.
pub struct Attendance {
    clock: Clock,
    cluster: Cluster,
    room: Mutex<Room>,
    wake: Notify,
}

#[derive(Default)]
struct Room {
    /// By account.
    attending: BTreeSet<(Uuid, ConnectionId)>,
    /// Who said so by a request, and when.
    words: HashMap<Uuid, Millis>,
    /// By node: who attends there.
    elsewhere: HashMap<Uuid, Elsewhere>,
    watching: HashMap<ConnectionId, Watch>,
    /// The same, by the account that is watched.
    watched: BTreeSet<(Uuid, ConnectionId)>,
    /// Who is to be told.
    due: HashSet<ConnectionId>,
    /// Who has left, in which minute, until that is stored.
    left: HashMap<Uuid, Millis>,
}

struct Elsewhere {
    heard_at: Instant,
    accounts: HashSet<Uuid>,
}

#[derive(Clone)]
struct Watch {
    mailbox: Arc<Mailbox>,
    conversation: Conversation,
}

impl Attendance {
    pub fn new(clock: Clock, cluster: Cluster) -> Self {
        Self { clock, cluster, room: Mutex::default(), wake: Notify::new() }
    }

    pub(super) fn attend(&self, account: Uuid, connection: ConnectionId, attending: bool) {
        self.change(account, |room, _| {
            if attending {
                room.attending.insert((account, connection));
            } else {
                room.attending.remove(&(account, connection));
            }
        });
    }

    fn attend_for_now(&self, account: Uuid) {
        self.change(account, |room, now| {
            room.words.insert(account, now);
        });
    }

    /// From now on this connection is told about the other person of this conversation, and of no one else.
    pub(super) fn watch(&self, mailbox: &Arc<Mailbox>, conversation: Option<Conversation>) {
        let mut room = self.room();
        if let Some(watch) = room.watching.remove(&mailbox.id) {
            room.watched.remove(&(watch.conversation.peer(), mailbox.id));
            room.due.remove(&mailbox.id);
        }
        if let Some(conversation) = conversation {
            room.watched.insert((conversation.peer(), mailbox.id));
            room.watching.insert(mailbox.id, Watch { mailbox: mailbox.clone(), conversation });
            room.due.insert(mailbox.id);
            self.wake.notify_one();
        }
    }

    /// The connection is gone.
    pub(super) fn leave(&self, account: Uuid, mailbox: &Arc<Mailbox>) {
        self.watch(mailbox, None);
        self.attend(account, mailbox.id, false);
    }

    /// What was while somebody hid it is not to be stored when they show it.
    pub fn forget(&self, account: Uuid) {
        self.room().left.remove(&account);
    }

    /// What this person and others see of each other may be different now.
    pub fn agreed_anew(&self, account: Uuid) {
        let mut room = self.room();
        let mine = room.watching.values().filter(|watch| watch.conversation.me == account);
        let mine: Vec<_> = mine.map(|watch| watch.mailbox.id).collect();
        room.due.extend(mine);
        room.tell_of(account);
        self.wake.notify_one();
    }

    /// Who said by a request that they are there, and has not said it again.
    pub fn tidy(&self) {
        let now = self.clock.now();
        let mut room = self.room();
        let over: Vec<_> = room.words.extract_if(|_, said| now >= *said + WORD).collect();
        for (account, said) in over {
            if room.is_here(account, now) {
                continue;
            }
            self.cluster.attends(account, false);
            if !room.is_there(account, now) {
                room.left.insert(account, minute(said));
                room.tell_of(account);
            }
        }
        self.wake.notify_one();
    }

    /// Everybody who attends at this node.
    pub fn attending_here(&self) -> Vec<Uuid> {
        let now = self.clock.now();
        let room = self.room();
        let words = room.words.keys().filter(|account| room.is_here(**account, now));
        let all: HashSet<Uuid> =
            room.attending.iter().map(|(account, _)| account).chain(words).copied().collect();
        all.into_iter().collect()
    }

    /// Another node says that it lives. Whether it is known.
    pub fn lives(&self, node: Uuid) -> bool {
        let mut room = self.room();
        let known = room.elsewhere.get_mut(&node);
        known.map(|node| node.heard_at = Instant::now()).is_some()
    }

    pub fn attends_elsewhere(&self, node: Uuid, account: Uuid, there: bool) {
        let now = self.clock.now();
        let mut room = self.room();
        let at_node = room.elsewhere.entry(node).or_insert_with(Elsewhere::new);
        if there {
            at_node.accounts.insert(account);
            room.tell_of(account);
        } else if at_node.accounts.remove(&account) {
            room.may_have_left(account, now);
        }
        self.wake.notify_one();
    }

    /// `first`: and nobody who was said to attend there before.
    pub fn attending_elsewhere(&self, node: Uuid, accounts: Vec<Uuid>, first: bool) {
        if first {
            self.left_elsewhere(node);
        }
        let mut room = self.room();
        accounts.iter().for_each(|account| room.tell_of(*account));
        room.elsewhere.entry(node).or_insert_with(Elsewhere::new).accounts.extend(accounts);
        self.wake.notify_one();
    }

    /// Nodes that have not said for so long that they live.
    pub fn forget_silent(&self, silence: Duration) {
        let room = self.room();
        let silent = room.elsewhere.iter().filter(|(_, node)| node.heard_at.elapsed() > silence);
        let silent: Vec<_> = silent.map(|(node, _)| *node).collect();
        drop(room);
        silent.into_iter().for_each(|node| self.left_elsewhere(node));
    }

    /// The node is gone, with all who attended there.
    pub fn left_elsewhere(&self, node: Uuid) {
        let now = self.clock.now();
        let mut room = self.room();
        let left = room.elsewhere.remove(&node).map(|node| node.accounts).unwrap_or_default();
        left.into_iter().for_each(|account| room.may_have_left(account, now));
        self.wake.notify_one();
    }

    fn change(&self, account: Uuid, change: impl FnOnce(&mut Room, Millis)) {
        let now = self.clock.now();
        let mut room = self.room();
        let (was_here, was_there) = (room.is_here(account, now), room.is_there(account, now));
        change(&mut room, now);
        let here = room.is_here(account, now);
        if here != was_here {
            self.cluster.attends(account, here);
        }
        if room.is_there(account, now) == was_there {
            return;
        }
        if was_there {
            room.left.insert(account, minute(now));
        }
        room.tell_of(account);
        self.wake.notify_one();
    }

    /// Whether somebody is there; else when they left, if that is not stored yet.
    fn of(&self, account: Uuid) -> (bool, Option<Millis>) {
        let now = self.clock.now();
        let room = self.room();
        let left = room.words.get(&account).map(|said| minute(*said));
        (room.is_there(account, now), left.max(room.left.get(&account).copied()))
    }

    fn take_due(&self) -> Vec<Watch> {
        let mut room = self.room();
        let due = std::mem::take(&mut room.due);
        due.into_iter().filter_map(|connection| room.watching.get(&connection).cloned()).collect()
    }

    fn left(&self, most: usize) -> HashMap<Uuid, Millis> {
        self.room().left.iter().take(most).map(|(account, at)| (*account, *at)).collect()
    }

    /// Unless they have left again meanwhile.
    fn stored(&self, stored: &HashMap<Uuid, Millis>) {
        self.room().left.retain(|account, at| stored.get(account) != Some(at));
    }

    fn room(&self) -> MutexGuard<'_, Room> {
        self.room.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Elsewhere {
    fn new() -> Self {
        Self { heard_at: Instant::now(), accounts: HashSet::new() }
    }
}

impl Room {
    fn is_here(&self, account: Uuid, now: Millis) -> bool {
        of(&self.attending, account).next().is_some()
            || self.words.get(&account).is_some_and(|said| now < *said + WORD)
    }

    /// Here or at another node.
    fn is_there(&self, account: Uuid, now: Millis) -> bool {
        self.is_here(account, now) || self.elsewhere.values().any(|node| node.accounts.contains(&account))
    }

    fn may_have_left(&mut self, account: Uuid, now: Millis) {
        if !self.is_there(account, now) {
            self.left.insert(account, minute(now));
            self.tell_of(account);
        }
    }

    fn tell_of(&mut self, account: Uuid) {
        self.due.extend(of(&self.watched, account));
    }
}

fn of(connections: &BTreeSet<(Uuid, ConnectionId)>, account: Uuid) -> impl Iterator<Item = ConnectionId> {
    let all = (account, ConnectionId(0))..=(account, ConnectionId(u64::MAX));
    connections.range(all).map(|(_, connection)| *connection)
}

fn minute(at: Millis) -> Millis {
    at - at.rem_euclid(MINUTE)
}
