//! People with clients, and a real server: the program's own, on a port of its own, with a database on disk.

#[path = "support/liar.rs"]
mod liar;

use std::{collections::HashSet, time::Duration};

use client::{
    Client, Content, Error, Event, Message,
    wire::{Bytes, SignedBytes},
};
use entrenous::{
    clock::{Clock, DAY},
    config::{self, Command},
};
use liar::Liar;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{net::TcpListener, sync::oneshot, task::JoinHandle};
use uuid::Uuid;

const PASSWORD: &str = "correct horse battery";

struct Server {
    address: String,
    clock: Clock,
    stop: oneshot::Sender<()>,
    running: JoinHandle<()>,
    _data: TempDir,
}

impl Server {
    async fn start() -> Self {
        let data = TempDir::new().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let listen = listener.local_addr().unwrap().to_string();
        let folder = data.path().to_str().unwrap();
        let arguments = ["entrenous", "serve", "--listen", &listen, "--data", folder].into_iter();
        let no_limits = ["--attempts-per-address", "100000", "--attempts-per-handle", "100000"];
        let Command::Serve(config) =
            config::parse(arguments.chain(no_limits).map(Into::into)).unwrap().command
        else {
            panic!("these are the arguments to serve")
        };
        let clock = Clock::default();
        let app = entrenous::open(*config, clock.clone()).await.unwrap();
        let (stop, stopped) = oneshot::channel();
        let running = tokio::spawn(async move {
            let shutdown = async { drop(stopped.await) };
            entrenous::serve(listener, app, shutdown).await.unwrap();
        });
        Server { address: format!("http://{listen}"), clock, stop, running, _data: data }
    }

    async fn register(&self, handle: &str) -> Client {
        Client::register(&self.address, handle, &handle.to_uppercase(), PASSWORD).await.unwrap()
    }

    async fn log_in(&self, handle: &str) -> Client {
        Client::log_in(&self.address, handle, PASSWORD).await.unwrap()
    }

    /// Time passes, on the server and for these people.
    fn days_pass(&self, days: u32, people: &[&Client]) {
        self.clock.advance(i64::from(days) * DAY);
        people.iter().for_each(|person| person.advance_clock(Duration::from_hours(24) * days));
    }

    async fn stop(self) {
        self.stop.send(()).unwrap();
        self.running.await.unwrap();
    }
}

impl Liar {
    async fn log_in(&self, handle: &str) -> Client {
        Client::log_in(&self.address, handle, PASSWORD).await.unwrap()
    }
}

fn texts(messages: &[Message]) -> Vec<&str> {
    messages.iter().map(|message| message.text().unwrap_or("?")).collect()
}

async fn epoch_numbers(client: &Client, conversation: Uuid) -> Vec<u64> {
    let (status, page) =
        client.raw("GET", &format!("/conversations/{conversation}/epochs"), None).await.unwrap();
    assert_eq!(status, 200);
    page["epochs"].as_array().unwrap().iter().map(|epoch| epoch["number"].as_u64().unwrap()).collect()
}

#[tokio::test]
async fn two_people_find_each_other_and_write_both_ways() {
    let server = Server::start().await;
    let (alice, bob) = (server.register("alice").await, server.register("bob").await);
    let found = alice.search("bo").await.unwrap();
    assert_eq!(found.iter().map(|person| person.id).collect::<Vec<_>>(), [bob.id()]);
    assert_eq!(found[0].display_name, "BOB");
    let conversation = alice.open_conversation(bob.id()).await.unwrap().id;
    let (mut alice_live, mut bob_live) = (alice.events().await.unwrap(), bob.events().await.unwrap());

    let sent = alice.send(conversation, "Bonjour").await.unwrap();
    let heard = bob_live.next_message().await.unwrap();
    assert_eq!((heard.text(), heard.sender, heard.seq), (Some("Bonjour"), alice.id(), sent.seq));
    let own = alice_live.next_message().await.unwrap();
    assert_eq!(own.text(), Some("Bonjour"), "all of one's browsers hear what one of them sent");

    let id = bob_live.send(conversation, "Salut").await.unwrap();
    let heard = alice_live.next_message().await.unwrap();
    assert_eq!((heard.text(), heard.id, heard.seq), (Some("Salut"), id, 2));
    loop {
        if let Event::Accepted(accepted) = bob_live.next().await.unwrap() {
            assert_eq!((accepted.id, accepted.seq), (id, 2));
            break;
        }
    }

    alice.receipt(conversation, Some(2), Some(2)).await.unwrap();
    loop {
        if let Event::Receipt { account, read, .. } = bob_live.next().await.unwrap() {
            assert_eq!((account, read), (alice.id(), 2));
            break;
        }
    }
    assert_eq!(bob.conversation(conversation).await.unwrap().theirs.read, 2);
    assert_eq!(alice.safety_number(bob.id()).await.unwrap(), bob.safety_number(alice.id()).await.unwrap());
    server.stop().await;
}

#[tokio::test]
async fn a_log_in_elsewhere_has_the_history_and_goes_on() {
    let server = Server::start().await;
    let (alice, bob) = (server.register("alice").await, server.register("bob").await);
    let conversation = alice.open_conversation(bob.id()).await.unwrap().id;
    for text in ["one", "two", "three"] {
        alice.send(conversation, text).await.unwrap();
    }
    bob.send(conversation, "four").await.unwrap();

    let elsewhere = server.log_in("alice").await;
    assert_eq!(
        texts(&elsewhere.history(conversation, None, 50).await.unwrap()),
        ["one", "two", "three", "four"]
    );
    assert_eq!(texts(&elsewhere.history(conversation, Some(3), 1).await.unwrap()), ["two"]);
    let before = elsewhere.changes(conversation, 2, 50).await.unwrap();
    assert_eq!(texts(&before), ["three", "four"]);
    let listed = elsewhere.conversations().await.unwrap();
    assert_eq!((listed.len(), listed[0].peer.id), (1, bob.id()));
    elsewhere.send(conversation, "five").await.unwrap();
    let heard = bob.history(conversation, None, 1).await.unwrap();
    assert_eq!((texts(&heard), heard[0].sender), (vec!["five"], alice.id()));
    assert_eq!(epoch_numbers(&alice, conversation).await, [1], "the same epoch will do");
    server.stop().await;
}

#[tokio::test]
async fn of_two_who_begin_at_once_the_loser_takes_the_winners_epoch() {
    let server = Server::start().await;
    let (alice, bob) = (server.register("alice").await, server.register("bob").await);
    let elsewhere = server.log_in("alice").await;
    let conversation = alice.open_conversation(bob.id()).await.unwrap().id;
    let sent = tokio::join!(
        alice.send(conversation, "from alice"),
        bob.send(conversation, "from bob"),
        elsewhere.send(conversation, "from elsewhere"),
    );
    assert!(sent.0.is_ok() && sent.1.is_ok() && sent.2.is_ok(), "{sent:?}");
    assert_eq!(epoch_numbers(&alice, conversation).await, [1]);
    for reader in [&alice, &bob, &elsewhere, &server.log_in("bob").await] {
        let history = reader.history(conversation, None, 50).await.unwrap();
        let words: HashSet<_> = texts(&history).into_iter().collect();
        assert_eq!(words, HashSet::from(["from alice", "from bob", "from elsewhere"]));
    }
    server.stop().await;
}

#[tokio::test]
async fn an_epoch_ends_after_a_thousand_messages() {
    let server = Server::start().await;
    let (alice, bob) = (server.register("alice").await, server.register("bob").await);
    let conversation = alice.open_conversation(bob.id()).await.unwrap().id;
    for number in 1..=1_000 {
        alice.send(conversation, &number.to_string()).await.unwrap();
    }
    assert_eq!(epoch_numbers(&alice, conversation).await, [1]);
    bob.send(conversation, "1001").await.unwrap();
    alice.send(conversation, "1002").await.unwrap();
    assert_eq!(epoch_numbers(&alice, conversation).await, [1, 2]);
    let history = server.log_in("alice").await.history(conversation, None, 3).await.unwrap();
    assert_eq!(texts(&history), ["1000", "1001", "1002"]);
    server.stop().await;
}

#[tokio::test]
async fn an_epoch_ends_after_a_week() {
    let server = Server::start().await;
    let (alice, bob) = (server.register("alice").await, server.register("bob").await);
    let conversation = alice.open_conversation(bob.id()).await.unwrap().id;
    alice.send(conversation, "this week").await.unwrap();
    server.days_pass(6, &[&alice, &bob]);
    alice.send(conversation, "still this week").await.unwrap();
    assert_eq!(epoch_numbers(&alice, conversation).await, [1]);
    server.days_pass(1, &[&alice, &bob]);
    let mut bob_live = bob.events().await.unwrap();
    alice.send(conversation, "next week").await.unwrap();
    alice.send(conversation, "and on").await.unwrap();
    assert_eq!(epoch_numbers(&alice, conversation).await, [1, 2]);
    assert_eq!(bob_live.next_message().await.unwrap().text(), Some("next week"));
    server.stop().await;
}

#[tokio::test]
async fn a_clock_that_is_wrong_by_weeks_costs_one_epoch_at_most() {
    let server = Server::start().await;
    let (alice, bob) = (server.register("alice").await, server.register("bob").await);
    let conversation = alice.open_conversation(bob.id()).await.unwrap().id;
    bob.send(conversation, "by the right clock").await.unwrap();
    alice.advance_clock(Duration::from_hours(24 * 30));
    for text in ["by a wrong clock", "by a corrected one", "and again"] {
        alice.send(conversation, text).await.unwrap();
    }
    assert_eq!(epoch_numbers(&alice, conversation).await, [1, 2]);
    server.stop().await;
}

#[tokio::test]
async fn clocks_that_disagree_by_weeks_do_not_take_turns_with_epochs() {
    let server = Server::start().await;
    let (alice, bob) = (server.register("alice").await, server.register("bob").await);
    let conversation = alice.open_conversation(bob.id()).await.unwrap().id;
    bob.send(conversation, "by the right clock").await.unwrap();
    alice.advance_clock(Duration::from_hours(24 * 30));
    for _ in 0..3 {
        alice.send(conversation, "by a wrong clock").await.unwrap();
        bob.send(conversation, "by the right one").await.unwrap();
        server.log_in("bob").await.send(conversation, "and elsewhere").await.unwrap();
    }
    assert_eq!(epoch_numbers(&alice, conversation).await, [1, 2]);
    server.stop().await;
}

#[tokio::test]
async fn an_epoch_that_says_it_is_of_1970_costs_one_epoch() {
    let server = Server::start().await;
    let (alice, bob) = (server.register("alice").await, server.register("bob").await);
    let conversation = alice.open_conversation(bob.id()).await.unwrap().id;
    alice.send(conversation, "hello").await.unwrap();
    offer_epoch_of_1970(&alice, conversation, bob.id()).await;
    for writer in [&bob, &alice, &bob, &server.log_in("alice").await] {
        writer.send(conversation, "hello again").await.unwrap();
    }
    assert_eq!(epoch_numbers(&alice, conversation).await, [1, 2, 3]);
    server.stop().await;
}

async fn offer_epoch_of_1970(client: &Client, conversation: Uuid, peer: Uuid) {
    let path = format!("/conversations/{conversation}/epochs");
    let (_, page) = client.raw("GET", &path, None).await.unwrap();
    let last: SignedBytes = serde_json::from_value(page["epochs"][0].clone()).unwrap();
    let created = client.keychain().await.create_epoch(peer, Some(&last.into()), 0).unwrap();
    let (grant, keyring) = (SignedBytes::from(created.grant), Bytes(created.keyring.sealed));
    let offer = json!({"grant": grant, "keyring": keyring});
    let (status, answer) = client.raw("POST", &path, Some(&offer)).await.unwrap();
    assert_eq!(status, 201, "{answer}");
}

#[tokio::test]
async fn an_epoch_that_the_server_calls_young_ends_after_a_week() {
    let server = Server::start().await;
    let (alice, bob) = (server.register("alice").await, server.register("bob").await);
    let conversation = alice.open_conversation(bob.id()).await.unwrap().id;
    alice.send(conversation, "this week").await.unwrap();
    server.days_pass(7, &[&alice, &bob]);
    let liar = Liar::before(&server.address);
    liar.tell(|_, answer| {
        if let Some(created_at) = answer.pointer_mut("/epoch/created_at") {
            *created_at = u64::MAX.into();
        }
    });
    let elsewhere = liar.log_in("bob").await;
    elsewhere.advance_clock(Duration::from_hours(24 * 7));
    elsewhere.send(conversation, "next week").await.unwrap();
    elsewhere.send(conversation, "and on").await.unwrap();
    assert_eq!(epoch_numbers(&alice, conversation).await, [1, 2]);
    server.stop().await;
}

#[tokio::test]
async fn a_server_cannot_bring_back_an_old_epoch() {
    let server = Server::start().await;
    let (alice, bob) = (server.register("alice").await, server.register("bob").await);
    let liar = Liar::before(&server.address);
    let conversation = alice.open_conversation(bob.id()).await.unwrap().id;
    alice.send(conversation, "one").await.unwrap();
    let first = alice.conversation(conversation).await.unwrap().epoch.unwrap().id;
    alice.rotate(conversation).await.unwrap();
    let (writer, newcomer) = (liar.log_in("bob").await, liar.log_in("alice").await);
    writer.send(conversation, "two").await.unwrap();

    let serve = |number: u64| {
        liar.tell(move |path, answer| {
            if path.ends_with(&conversation.to_string()) {
                answer["epoch"]["id"] = first.to_string().into();
                answer["epoch"]["number"] = number.into();
                answer["epoch"]["created_at"] = u64::MAX.into();
            }
        });
    };
    // Under its own number: it was left already.
    serve(1);
    server.days_pass(7, &[&alice, &writer]);
    writer.send(conversation, "three").await.unwrap();
    assert_eq!(epoch_numbers(&alice, conversation).await, [1, 2, 3]);
    let (_, page) = alice.raw("GET", &format!("/conversations/{conversation}/messages"), None).await.unwrap();
    let epochs: Vec<_> =
        page["messages"].as_array().unwrap().iter().map(|message| message["epoch"].as_str()).collect();
    assert_eq!(epochs.iter().collect::<HashSet<_>>().len(), 3, "{epochs:?}");
    // Under a false one: its grant is signed, and says another.
    serve(9);
    let refused = newcomer.send(conversation, "four").await.unwrap_err();
    assert!(matches!(refused, Error::Encryption(e2ee::Error::BrokenEpochChain)), "{refused}");
    server.stop().await;
}

#[tokio::test]
async fn a_conflict_without_a_winner_is_an_error() {
    let server = Server::start().await;
    let (alice, bob) = (server.register("alice").await, server.register("bob").await);
    let elsewhere = server.log_in("bob").await;
    let liar = Liar::before(&server.address);
    let conversation = alice.open_conversation(bob.id()).await.unwrap().id;
    alice.send(conversation, "one").await.unwrap();
    let mut kept = Value::Null;
    liar.tell(move |path, answer| {
        // The epoch as it was at first, for ever.
        if path.ends_with(&conversation.to_string()) {
            if kept.is_null() {
                kept = answer["epoch"].clone();
            }
            answer["epoch"] = kept.clone();
        }
    });
    let writer = liar.log_in("alice").await;
    writer.send(conversation, "two").await.unwrap();
    elsewhere.rotate(conversation).await.unwrap();
    server.days_pass(7, &[&writer]);
    let refused = writer.send(conversation, "three").await.unwrap_err();
    assert_eq!(refused.code(), Some("epoch_conflict"), "{refused}");
    server.stop().await;
}

#[tokio::test]
async fn a_bad_grant_closes_its_own_epoch_and_no_other() {
    let server = Server::start().await;
    let (alice, bob) = (server.register("alice").await, server.register("bob").await);
    let conversation = alice.open_conversation(bob.id()).await.unwrap().id;
    alice.send(conversation, "one").await.unwrap();
    for text in ["two", "three", "four"] {
        alice.rotate(conversation).await.unwrap();
        alice.send(conversation, text).await.unwrap();
    }
    let liar = Liar::before(&server.address);
    // To be adopted, that is; what the next grant builds upon is as it is.
    liar.tell(|path, answer| {
        if !path.contains("/epochs") || path.contains("limit=") {
            return;
        }
        for epoch in answer["epochs"].as_array_mut().into_iter().flatten() {
            if [2, 4].contains(&epoch["number"].as_u64().unwrap()) {
                let body = epoch["body"].as_str().unwrap().to_owned();
                let (front, back) = body.split_at(body.len() - 40);
                epoch["body"] = format!("{front}AAAAAAAA{}", &back[8..]).into();
            }
        }
    });
    let reader = liar.log_in("bob").await;
    let history = reader.history(conversation, None, 50).await.unwrap();
    assert_eq!(texts(&history), ["one", "?", "three", "?"]);
    assert_eq!(history[1].content, Content::Unreadable(e2ee::Error::UnknownEpoch));
    let (_, keyring) = reader.raw("GET", "/keyring", None).await.unwrap();
    assert_eq!(keyring["entries"].as_array().unwrap().len(), 2, "what was adopted is kept");
    // Where it cannot read what it would write, it begins anew.
    reader.send(conversation, "five").await.unwrap();
    reader.send(conversation, "six").await.unwrap();
    assert_eq!(epoch_numbers(&alice, conversation).await, [1, 2, 3, 4, 5]);
    assert_eq!(texts(&alice.history(conversation, None, 2).await.unwrap()), ["five", "six"]);
    server.stop().await;
}

#[tokio::test]
async fn what_was_written_elsewhere_or_otherwise_does_not_open() {
    let server = Server::start().await;
    let [alice, bob, carol] =
        [server.register("alice").await, server.register("bob").await, server.register("carol").await];
    let with_bob = alice.open_conversation(bob.id()).await.unwrap().id;
    let with_carol = alice.open_conversation(carol.id()).await.unwrap().id;
    carol.send(with_carol, "only for Alice").await.unwrap();
    for text in ["one", "two", "three", "four", "five"] {
        bob.send(with_bob, text).await.unwrap();
    }
    let last = bob.history(with_bob, None, 1).await.unwrap().remove(0);
    bob.edit(with_bob, last.id, "FIVE").await.unwrap();
    let (_, carols) = alice.raw("GET", &format!("/conversations/{with_carol}/messages"), None).await.unwrap();
    let liar = Liar::before(&server.address);
    let reader = liar.log_in("alice").await;
    let (me, before) = (alice.id().to_string(), reader.history(with_bob, None, 50).await.unwrap());
    assert_eq!(texts(&before), ["one", "two", "three", "four", "FIVE"], "all of it could be read");
    liar.tell(move |path, answer| {
        if !path.contains("/messages") {
            return;
        }
        let messages = answer["messages"].as_array_mut().unwrap();
        let (seq, rev) = (messages[0]["seq"].clone(), messages[0]["rev"].clone());
        messages[0] = carols["messages"][0].clone();
        (messages[0]["seq"], messages[0]["rev"]) = (seq, rev);
        messages[1]["sender"] = me.clone().into();
        (messages[2]["envelope"], messages[2]["edit"]) =
            (messages[4]["envelope"].clone(), messages[4]["edit"].clone());
        messages[4]["edit"] = Value::Null;
    });
    let history = reader.history(with_bob, None, 50).await.unwrap();
    assert_eq!(texts(&history), ["?", "?", "?", "four", "?"]);
    assert!(history.iter().all(|message| message.conversation == with_bob));
    server.stop().await;
}

#[tokio::test]
async fn nobody_is_taken_for_the_one_that_one_writes_with() {
    let server = Server::start().await;
    let [alice, bob, carol] =
        [server.register("alice").await, server.register("bob").await, server.register("carol").await];
    let conversation = alice.open_conversation(bob.id()).await.unwrap().id;
    alice.send(conversation, "for Bob").await.unwrap();
    let liar = Liar::before(&server.address);
    let writer = liar.log_in("alice").await;
    let carols = carol.id().to_string();
    liar.tell(move |path, answer| {
        let in_list = path.split('?').next() == Some("/api/conversations") && answer["peer"].is_null();
        let one = if in_list { &mut answer["conversations"][0] } else { answer };
        if !one["peer"].is_null() {
            one["peer"]["id"] = carols.clone().into();
        }
    });
    for refused in [
        writer.send(conversation, "for whom?").await.map(drop),
        writer.conversation(conversation).await.map(drop),
        writer.conversations().await.map(drop),
        writer.open_conversation(bob.id()).await.map(drop),
    ] {
        assert!(matches!(&refused, Err(Error::Connection(why)) if why.contains("no sense")), "{refused:?}");
    }
    assert_eq!(texts(&bob.history(conversation, None, 9).await.unwrap()), ["for Bob"]);
    server.stop().await;
}

#[tokio::test]
async fn pages_that_lead_nowhere_are_not_followed_for_ever() {
    let server = Server::start().await;
    let (alice, bob) = (server.register("alice").await, server.register("bob").await);
    let conversation = alice.open_conversation(bob.id()).await.unwrap().id;
    alice.send(conversation, "one").await.unwrap();
    alice.send(conversation, "two").await.unwrap();
    let liar = Liar::before(&server.address);
    liar.tell(|path, answer| {
        if path.contains("/keyring") {
            answer["entries"] = json!([]);
        } else if path.contains("/epochs") {
            answer["next"] = 0.into();
        }
    });
    let nonsense = |answer: Result<(), Error>| {
        assert!(matches!(&answer, Err(Error::Connection(why)) if why.contains("no sense")), "{answer:?}");
    };
    let reader = liar.log_in("bob").await;
    nonsense(reader.history(conversation, None, 9).await.map(drop));
    liar.tell(|path, answer| {
        if path.contains("/messages") {
            answer["messages"].as_array_mut().unwrap().reverse();
        }
    });
    nonsense(reader.history(conversation, None, 9).await.map(drop));
    nonsense(reader.changes(conversation, 0, 9).await.map(drop));
    server.stop().await;
}

#[tokio::test]
async fn a_browser_that_was_away_for_many_epochs_reads_them_all() {
    let server = Server::start().await;
    let (alice, bob) = (server.register("alice").await, server.register("bob").await);
    let elsewhere = server.log_in("alice").await;
    let conversation = alice.open_conversation(bob.id()).await.unwrap().id;
    let mut sent = Vec::new();
    for number in 1..=60 {
        let text = format!("epoch {number}");
        if number > 1 {
            alice.rotate(conversation).await.unwrap();
        }
        alice.send(conversation, &text).await.unwrap();
        sent.push(text);
    }
    for reader in [&elsewhere, &bob, &server.log_in("bob").await] {
        assert_eq!(texts(&reader.history(conversation, None, 100).await.unwrap()), sent);
    }
    server.stop().await;
}

#[tokio::test]
async fn two_browsers_that_meet_people_at_once_lose_no_pin() {
    let server = Server::start().await;
    let (alice, bob, carol) =
        (server.register("alice").await, server.register("bob").await, server.register("carol").await);
    let elsewhere = server.log_in("alice").await;
    let with_bob = alice.open_conversation(bob.id()).await.unwrap().id;
    let with_carol = elsewhere.open_conversation(carol.id()).await.unwrap().id;
    alice.send(with_bob, "hello").await.unwrap();
    assert!(elsewhere.keychain().await.pinned(bob.id()).is_none(), "the other browser has not seen it");
    elsewhere.send(with_carol, "hello").await.unwrap();
    let again = server.log_in("alice").await;
    let keychain = again.keychain().await;
    assert!(keychain.pinned(bob.id()).is_some() && keychain.pinned(carol.id()).is_some());
    assert_eq!(keychain.vault_version(), 3);
    drop(keychain);
    server.stop().await;
}

#[tokio::test]
async fn a_message_sent_twice_is_one_message_with_one_answer() {
    let server = Server::start().await;
    let (alice, bob) = (server.register("alice").await, server.register("bob").await);
    let conversation = alice.open_conversation(bob.id()).await.unwrap().id;
    let message = alice.seal(conversation, "once").await.unwrap();
    let first = alice.send_sealed(conversation, &message).await.unwrap();
    assert_eq!(alice.send_sealed(conversation, &message).await.unwrap(), first);
    let mut other = alice.seal(conversation, "twice").await.unwrap();
    other.id = message.id;
    let refused = alice.send_sealed(conversation, &other).await.unwrap_err();
    assert_eq!(refused.code(), Some("bad_envelope"), "{refused}");
    assert_eq!(texts(&bob.history(conversation, None, 50).await.unwrap()), ["once"]);
    server.stop().await;
}

#[tokio::test]
async fn after_log_out_the_token_and_the_socket_are_dead() {
    let server = Server::start().await;
    let alice = server.register("alice").await;
    let mut live = alice.events().await.unwrap();
    let (status, session) = alice.raw("GET", "/session", None).await.unwrap();
    assert_eq!((status, session["session"].as_str()), (200, Some(alice.session().to_string().as_str())));
    alice.log_out().await.unwrap();
    let (status, problem) = alice.raw("GET", "/session", None).await.unwrap();
    assert_eq!((status, problem["code"].as_str()), (401, Some("signed_out")));
    let ended = loop {
        match live.next().await {
            Ok(_) => {}
            Err(error) => break error,
        }
    };
    assert!(matches!(ended, Error::Closed { code: 4401, .. }), "{ended}");
    let refused = alice.events().await.err().unwrap();
    assert_eq!(refused.code(), Some("signed_out"), "{refused}");
    server.stop().await;
}

#[tokio::test]
async fn wrong_passwords_and_unknown_handles_are_refused_alike() {
    let server = Server::start().await;
    server.register("alice").await;
    for handle in ["alice", "nobody"] {
        let refused = Client::log_in(&server.address, handle, "wrong horse battery").await.err().unwrap();
        assert_eq!(refused.code(), Some("wrong_credentials"), "{refused}");
    }
    let taken = Client::register(&server.address, "alice", "Alice", PASSWORD).await.err().unwrap();
    assert_eq!(taken.code(), Some("handle_taken"), "{taken}");
    let short = Client::register(&server.address, "bob", "Bob", "too short").await.err().unwrap();
    assert_eq!(short.code(), Some("password_too_short"), "{short}");
    server.stop().await;
}

#[tokio::test]
async fn what_a_newer_version_wrote_is_no_error() {
    let server = Server::start().await;
    let (alice, bob) = (server.register("alice").await, server.register("bob").await);
    let conversation = alice.open_conversation(bob.id()).await.unwrap().id;
    alice.send(conversation, "plain").await.unwrap();
    let epoch = alice.conversation(conversation).await.unwrap().epoch.unwrap().id;
    let id = e2ee::new_id(1);
    let poll = json!({"type": "poll", "question": "?"}).to_string();
    let envelope =
        alice.keychain().await.seal(conversation, epoch, id, e2ee::Kind::Message, None, &poll).unwrap();
    let message = client::wire::NewMessage::new(id, client::wire::Bytes(envelope));
    alice.send_sealed(conversation, &message).await.unwrap();
    let history = bob.history(conversation, None, 50).await.unwrap();
    assert_eq!(history[1].content, Content::Newer);
    server.stop().await;
}

#[tokio::test]
async fn the_socket_refuses_what_it_does_not_understand() {
    let server = Server::start().await;
    let (alice, bob) = (server.register("alice").await, server.register("bob").await);
    let conversation = alice.open_conversation(bob.id()).await.unwrap().id;
    let mut live = alice.events().await.unwrap();
    live.raw(json!({"type": "dance"}).to_string()).await.unwrap();
    assert!(matches!(live.next().await, Ok(Event::Error { .. }) | Err(Error::Closed { code: 4400, .. })));
    let mut live = alice.events().await.unwrap();
    let mut message = alice.seal(conversation, "hello").await.unwrap();
    message.envelope.0.pop();
    let id = message.id;
    live.send_sealed(conversation, message).await.unwrap();
    loop {
        match live.next().await.unwrap() {
            Event::Refused { id: refused, code, .. } => {
                assert_eq!((refused, code.as_str()), (id, "bad_envelope"));
                break;
            }
            _ => continue,
        }
    }
    let (status, _): (u16, Value) =
        alice.raw("PUT", "/keyring", Some(&json!({"entries": []}))).await.unwrap();
    assert_eq!(status, 204);
    server.stop().await;
}
