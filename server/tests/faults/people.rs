//! People who write to each other as fast as they are acknowledged, whatever happens to the server or the
//! network, and who compare in the end what each of them holds.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use client::{Backoff, Client, Event, Follower, Message};
use fastrand::Rng;
use futures_util::future::join_all;
use sea_orm::{ConnectionTrait, Database, Statement};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use uuid::Uuid;

pub const PASSWORD: &str = "correct horse battery";
/// The last words of each person in each conversation.
const GOODBYE: &str = "goodbye";
/// Impatient people: the test has no minutes.
pub const BACKOFF: Backoff =
    Backoff { first: Duration::from_millis(20), longest: Duration::from_millis(400) };

/// Some people, and the conversations between neighbours: a ring.
pub struct People {
    pub clients: Vec<Client>,
    pub conversations: Vec<Uuid>,
    /// Another browser of the first one, that goes away at once and comes back in the end.
    away: Follower,
    rng: Rng,
}

/// How they are getting on.
#[derive(Clone)]
pub struct Progress {
    acknowledged: watch::Sender<u64>,
    over: watch::Sender<bool>,
}

/// What one person saw.
pub struct Diary {
    heard: HashMap<Uuid, Vec<Message>>,
    /// The number that the server gave to each message of one's own.
    acknowledged: HashMap<Uuid, u64>,
    said: HashMap<Uuid, u64>,
    read: HashMap<Uuid, u64>,
    attempts: u64,
}

/// What all agree upon: the messages of each conversation.
pub type Truth = BTreeMap<Uuid, Vec<Message>>;

impl People {
    pub async fn sign_up(url: &str, count: usize, rng: &mut Rng) -> Self {
        let clients = join_all((0..count).map(|number| async move {
            Client::register(url, &format!("person{number}"), "Person", PASSWORD).await.unwrap()
        }));
        let clients = clients.await;
        let mut conversations = Vec::new();
        for (number, client) in clients.iter().enumerate() {
            let neighbour = &clients[(number + 1) % count];
            let conversation = client.open_conversation(neighbour.id()).await.unwrap().id;
            client.send(conversation, "hello").await.unwrap();
            conversations.push(conversation);
        }
        let away = Client::log_in(url, clients[0].handle(), PASSWORD).await.unwrap();
        let away = away.follow().after(away.revs().await.unwrap()).backoff(BACKOFF);
        Self { clients, conversations, away, rng: rng.fork() }
    }

    /// Everybody writes, in all their conversations, so many at once.
    pub fn write(&mut self, at_once: usize, progress: &Progress) -> Writing {
        let mut writing = Vec::new();
        for client in &self.clients {
            let follower = client.follow().backoff(BACKOFF).at_once(at_once);
            let (theirs, rng) = (self.conversations_of(client), self.rng.fork());
            let part = take_part(client.clone(), follower, theirs, at_once, progress.clone(), rng);
            writing.push(tokio::spawn(part));
        }
        Writing(writing)
    }

    fn conversations_of(&self, client: &Client) -> Vec<Uuid> {
        let count = self.clients.len();
        let at = self.clients.iter().position(|other| other.id() == client.id()).unwrap();
        let mut theirs = vec![self.conversations[at], self.conversations[(at + count - 1) % count]];
        theirs.sort_unstable();
        theirs.dedup();
        theirs
    }

    /// Checks everything that was promised. `url`: without the faults.
    pub async fn agree(mut self, diaries: Vec<Diary>, url: &str) -> Truth {
        // Somebody who was not there at all sees each conversation from its beginning.
        let mut truth = Truth::new();
        for (client, diary) in self.clients.iter().zip(&diaries) {
            let newcomer = Client::log_in(url, client.handle(), PASSWORD).await.unwrap();
            let lengths = diary.heard.iter().map(|(id, heard)| (*id, heard.len()));
            let seen = hear(&mut newcomer.follow(), lengths.collect()).await;
            for (conversation, messages) in seen {
                assert_eq!(messages, diary.heard[&conversation], "a newcomer and somebody who was there");
                let other = truth.entry(conversation).or_insert_with(|| messages.clone());
                assert_eq!(*other, messages, "the two sides of a conversation");
            }
            diary.holds_against(&newcomer, &truth).await;
        }
        for messages in truth.values() {
            let numbers: Vec<_> = messages.iter().map(|message| (message.seq, message.rev)).collect();
            assert_eq!(numbers, (1..=messages.len() as u64).map(|seq| (seq, seq)).collect::<Vec<_>>());
            assert!(messages.is_sorted_by_key(|message| message.sent_at));
        }
        // Who was away since the first hello misses all the rest.
        let before = self.away.revs().clone();
        let theirs = self.conversations_of(&self.clients[0]);
        let since = |id: &Uuid| &truth[id][before[id] as usize..];
        let missed = theirs.iter().map(|id| (*id, since(id).len()));
        for (conversation, messages) in hear(&mut self.away, missed.collect()).await {
            assert!(messages.len() > 10, "nothing was missed");
            assert_eq!(messages, since(&conversation), "somebody who was away");
        }
        truth
    }
}

/// Hears so many messages of each conversation.
async fn hear(follower: &mut Follower, mut lengths: HashMap<Uuid, usize>) -> HashMap<Uuid, Vec<Message>> {
    let mut heard: HashMap<Uuid, Vec<Message>> = HashMap::new();
    while lengths.values().any(|left| *left > 0) {
        if let Event::Message(message) = follower.next().await.unwrap() {
            let left = lengths.get_mut(&message.conversation).expect("one's own conversation");
            *left = left.checked_sub(1).unwrap_or_else(|| panic!("more than there should be: {message:?}"));
            heard.entry(message.conversation).or_default().push(message);
        }
    }
    heard
}

/// Everybody at it.
pub struct Writing(Vec<JoinHandle<Diary>>);

impl Writing {
    /// Until everybody has heard everything.
    pub async fn end(self) -> Vec<Diary> {
        join_all(self.0).await.into_iter().map(Result::unwrap).collect()
    }
}

impl Progress {
    pub fn new() -> Self {
        Self { acknowledged: watch::Sender::new(0), over: watch::Sender::new(false) }
    }

    /// Returns when so many more have been acknowledged.
    pub async fn more(&self, messages: u64) {
        let goal = *self.acknowledged.borrow() + messages;
        self.acknowledged.subscribe().wait_for(|count| *count >= goal).await.unwrap();
    }

    pub fn acknowledged(&self) -> u64 {
        *self.acknowledged.borrow()
    }

    /// Everybody says goodbye.
    pub fn finish(&self) {
        self.over.send_replace(true);
    }
}

async fn take_part(
    client: Client,
    mut follower: Follower,
    conversations: Vec<Uuid>,
    at_once: usize,
    progress: Progress,
    mut rng: Rng,
) -> Diary {
    let mut diary = Diary {
        heard: HashMap::new(),
        acknowledged: HashMap::new(),
        said: HashMap::new(),
        read: HashMap::new(),
        attempts: 0,
    };
    let mut over = progress.over.subscribe();
    let mut leaving = false;
    for conversation in &conversations {
        for _ in 0..at_once {
            diary.say(&mut follower, *conversation);
        }
    }
    // Each of them hears two goodbyes.
    let done = |diary: &Diary| {
        let goodbyes = |messages: &Vec<Message>| {
            messages.iter().rev().filter(|message| message.text() == Some(GOODBYE)).count()
        };
        diary.heard.len() == conversations.len()
            && diary.heard.values().all(|messages| goodbyes(messages) == 2)
    };
    while !(leaving && follower.is_settled() && done(&diary)) {
        let event = tokio::select! {
            event = follower.next() => event.unwrap(),
            _ = over.wait_for(|over| *over), if !leaving => {
                leaving = true;
                for conversation in &conversations {
                    follower.send(*conversation, GOODBYE);
                }
                continue;
            }
        };
        match event {
            Event::Message(message) => {
                // Sometimes it is read, and sometimes it only arrives.
                let read = rng.u8(..4) == 0;
                if message.sender != client.id() && message.text() != Some(GOODBYE) {
                    follower.receipt(message.conversation, Some(message.seq), read.then_some(message.seq));
                    if read {
                        diary.read.insert(message.conversation, message.seq);
                    }
                }
                diary.heard.entry(message.conversation).or_default().push(message);
            }
            Event::Accepted(accepted) => {
                assert_eq!(diary.acknowledged.insert(accepted.id, accepted.seq), None, "acknowledged twice");
                progress.acknowledged.send_modify(|count| *count += 1);
                if !leaving {
                    diary.say(&mut follower, accepted.conversation);
                }
            }
            Event::Refused { code, message, .. } => panic!("refused for good: {code} {message}"),
            _ => {}
        }
    }
    diary.attempts = follower.attempts();
    diary
}

impl Diary {
    fn say(&mut self, follower: &mut Follower, conversation: Uuid) {
        let number = self.said.entry(conversation).or_default();
        follower.send(conversation, number.to_string());
        *number += 1;
    }

    async fn holds_against(&self, client: &Client, truth: &Truth) {
        let mut stored_ids = 0;
        for (conversation, said) in &self.said {
            let messages = &truth[conversation];
            let mine = messages.iter().filter(|message| message.sender == client.id());
            let mut expected: Vec<_> = (0..*said).map(|number| number.to_string()).collect();
            expected.push(GOODBYE.to_owned());
            let texts: Vec<_> = mine.clone().map(|message| message.text().unwrap_or("unreadable")).collect();
            let texts = texts.strip_prefix(&["hello"]).unwrap_or(&texts);
            assert_eq!(texts, expected, "all that {} said, once and in order", client.handle());
            for message in mine.filter(|message| message.text() != Some("hello")) {
                assert_eq!(self.acknowledged.get(&message.id), Some(&message.seq), "as it was acknowledged");
                stored_ids += 1;
            }
            self.counters_hold(client, *conversation, messages).await;
        }
        assert_eq!(self.acknowledged.len(), stored_ids, "nothing acknowledged is missing");
        assert!(self.attempts > 1, "there were faults");
    }

    async fn counters_hold(&self, client: &Client, conversation: Uuid, messages: &[Message]) {
        let there = client.conversation(conversation).await.unwrap();
        let read = self.read.get(&conversation).copied().unwrap_or(0);
        assert_eq!(there.mine.read, read, "how far {} has read", client.handle());
        let of_the_other = || messages.iter().filter(|message| message.sender != client.id());
        let unread = of_the_other().filter(|message| message.seq > read).count() as u64;
        assert_eq!(there.unread, unread, "what is new to {}", client.handle());
        let delivered = of_the_other().rev().find(|message| message.text() != Some(GOODBYE));
        assert_eq!(Some(there.mine.delivered), delivered.map(|message| message.seq));
    }
}

/// Whether SQLite finds the file whole, with the log that lies beside it.
pub async fn check_database(data: &std::path::Path) {
    let db = Database::connect(format!("sqlite://{}", data.join("entrenous.db").display())).await.unwrap();
    for (pragma, expected) in [("integrity_check", Some("ok")), ("foreign_key_check", None)] {
        let statement = Statement::from_string(db.get_database_backend(), format!("PRAGMA {pragma}"));
        let found = db.query_one_raw(statement).await.unwrap();
        let found = found.map(|row| row.try_get_by_index::<String>(0).unwrap());
        assert_eq!(found.as_deref(), expected, "{pragma}");
    }
    db.close().await.unwrap();
}
