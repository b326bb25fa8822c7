//! People who write to each other as fast as they are acknowledged, whatever happens to the server or the
//! network, and who compare in the end what each of them holds.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use client::{Backoff, Client, Event, Follower, Message};
use fastrand::Rng;
use futures_util::future::join_all;
use sea_orm::{ConnectionTrait, Database, Statement};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;
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

/// What one person saw.
#[derive(Default)]
pub struct Diary {
    of: Uuid,
    heard: HashMap<Uuid, Vec<Message>>,
    /// The number that the server gave to each message of one's own.
    acknowledged: HashMap<Uuid, u64>,
    said: HashMap<Uuid, u64>,
    read: HashMap<Uuid, u64>,
    /// How often one had to connect.
    pub attempts: u64,
}

/// What all agree upon: the messages of each conversation.
type Truth = BTreeMap<Uuid, Vec<Message>>;

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
        let away = away.follow().after(away.places().await.unwrap()).backoff(BACKOFF);
        Self { clients, conversations, away, rng: rng.fork() }
    }

    /// Everybody writes, in all their conversations, so many at once.
    pub fn write(&mut self, at_once: usize) -> Writing {
        let (acknowledged, over) = (watch::Sender::new(0), watch::Sender::new(false));
        let mut people = JoinSet::new();
        for client in &self.clients {
            let part = Part {
                client: client.clone(),
                follower: client.follow().backoff(BACKOFF).at_once(at_once),
                conversations: self.conversations_of(client),
                rng: self.rng.fork(),
                acknowledged: acknowledged.clone(),
                diary: Diary { of: client.id(), ..Diary::default() },
            };
            people.spawn(part.play(at_once, over.subscribe()));
        }
        Writing { people, acknowledged, over }
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
    pub async fn agree(mut self, diaries: Vec<Diary>, url: &str) {
        // Somebody who was not there at all sees each conversation from its beginning.
        let mut truth = Truth::new();
        for diary in &diaries {
            let client = self.clients.iter().find(|client| client.id() == diary.of).unwrap();
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
        let before = self.away.places().clone();
        let theirs = self.conversations_of(&self.clients[0]);
        let since = |id: &Uuid| &truth[id][before[id].rev as usize..];
        let missed = theirs.iter().map(|id| (*id, since(id).len()));
        for (conversation, messages) in hear(&mut self.away, missed.collect()).await {
            assert!(messages.len() > 10, "nothing was missed");
            assert_eq!(messages, since(&conversation), "somebody who was away");
        }
    }
}

/// Hears so many messages of each conversation.
async fn hear(follower: &mut Follower, mut lengths: HashMap<Uuid, usize>) -> HashMap<Uuid, Vec<Message>> {
    let mut heard: HashMap<Uuid, Vec<Message>> = HashMap::new();
    while lengths.values().any(|left| *left > 0) {
        if let Event::Message(message) = in_time(follower.next()).await.unwrap() {
            let left = lengths.get_mut(&message.conversation).expect("one's own conversation");
            *left = left.checked_sub(1).unwrap_or_else(|| panic!("more than there should be: {message:?}"));
            heard.entry(message.conversation).or_default().push(message);
        }
    }
    heard
}

/// Everybody at it. One of them who fails, fails the test.
pub struct Writing {
    people: JoinSet<Diary>,
    acknowledged: watch::Sender<u64>,
    over: watch::Sender<bool>,
}

impl Writing {
    /// Until so many more have been acknowledged.
    pub async fn more(&mut self, messages: u64) {
        let goal = *self.acknowledged.borrow() + messages;
        let mut count = self.acknowledged.subscribe();
        let reached = async { count.wait_for(|count| *count >= goal).await.map(drop).unwrap() };
        in_time(async {
            tokio::select! {
                () = reached => {}
                left = self.people.join_next() => panic!("somebody left: {:?}", left.map(|left| left.err())),
            }
        })
        .await;
    }

    /// Everybody says goodbye, and stays until they have heard all the others do so.
    pub async fn end(mut self) -> Vec<Diary> {
        self.over.send_replace(true);
        let mut diaries = Vec::new();
        while let Some(diary) = in_time(self.people.join_next()).await {
            diaries.push(diary.unwrap());
        }
        diaries
    }
}

/// What takes longer than this does not happen.
pub async fn in_time<T>(what: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(60), what).await.expect("nothing happens any more")
}

/// One person at it.
struct Part {
    client: Client,
    follower: Follower,
    conversations: Vec<Uuid>,
    rng: Rng,
    acknowledged: watch::Sender<u64>,
    diary: Diary,
}

impl Part {
    async fn play(mut self, at_once: usize, mut over: watch::Receiver<bool>) -> Diary {
        for conversation in self.conversations.clone() {
            (0..at_once).for_each(|_| self.say(conversation));
        }
        let mut leaving = false;
        while !(leaving && self.follower.is_settled() && self.has_heard_all()) {
            let event = tokio::select! {
                event = self.follower.next() => event.unwrap(),
                _ = over.wait_for(|over| *over), if !leaving => {
                    leaving = true;
                    for conversation in &self.conversations {
                        self.follower.send(*conversation, GOODBYE);
                    }
                    continue;
                }
            };
            match event {
                Event::Message(message) => self.hear(message),
                Event::Accepted(accepted) => {
                    let before = self.diary.acknowledged.insert(accepted.id, accepted.seq);
                    assert_eq!(before, None, "acknowledged twice");
                    self.acknowledged.send_modify(|count| *count += 1);
                    if !leaving {
                        self.say(accepted.conversation);
                    }
                }
                Event::Refused { code, message, .. } => panic!("refused for good: {code} {message}"),
                _ => {}
            }
        }
        self.diary.attempts = self.follower.attempts();
        self.diary
    }

    fn say(&mut self, conversation: Uuid) {
        let number = self.diary.said.entry(conversation).or_default();
        self.follower.send(conversation, number.to_string());
        *number += 1;
    }

    /// Sometimes it is read, and sometimes it only arrives.
    fn hear(&mut self, message: Message) {
        let (conversation, seq) = (message.conversation, message.seq);
        if message.sender != self.client.id() && message.text() != Some(GOODBYE) {
            let read = self.rng.u8(..4) == 0;
            self.follower.receipt(conversation, Some(seq), read.then_some(seq));
            if read {
                self.diary.read.insert(conversation, seq);
            }
        }
        self.diary.heard.entry(conversation).or_default().push(message);
    }

    /// Two goodbyes in each conversation.
    fn has_heard_all(&self) -> bool {
        let goodbyes = |messages: &Vec<Message>| {
            messages.iter().rev().filter(|message| message.text() == Some(GOODBYE)).count()
        };
        let heard = &self.diary.heard;
        heard.len() == self.conversations.len() && heard.values().all(|messages| goodbyes(messages) == 2)
    }
}

impl Diary {
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
