//! The same events where a WebSocket cannot be opened: over a stream, and by polling.

use std::time::Duration;

use client::wire::{Bytes, NewMessage};
use client::{Client, Event};
use entrenous::clock::{DAY, MINUTE};
use entrenous::error::Code;
use entrenous::event;
use reqwest::{Method, Response};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use uuid::Uuid;

use crate::support::{PASSWORD, TestApp, refusal, refused};

/// A stream of server-sent events, read line by line.
struct Stream {
    response: Response,
    read: Vec<u8>,
}

impl Stream {
    async fn open(app: &TestApp, person: &Client) -> Self {
        let mut stream = Self { response: get(app, person, "/api/live/stream").await, read: Vec::new() };
        assert_eq!(stream.next().await.unwrap()["type"], "ready");
        stream
    }

    /// None at the end.
    async fn next(&mut self) -> Option<Value> {
        let block = self.block().await?;
        Some(serde_json::from_str(block.strip_prefix("data: ").unwrap()).unwrap())
    }

    async fn block(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.read.windows(2).position(|bytes| bytes == b"\n\n") {
                let block = self.read.drain(..end + 2).take(end).collect();
                return Some(String::from_utf8(block).unwrap());
            }
            self.read.extend(self.response.chunk().await.unwrap()?);
        }
    }
}

async fn get(app: &TestApp, person: &Client, path: &str) -> Response {
    app.request(Method::GET, path).bearer_auth(person.token()).send().await.unwrap()
}

/// One poll: the ticket for the next one, and the events.
async fn poll(app: &TestApp, person: &Client, ticket: Option<&str>) -> (String, Vec<Value>) {
    let path = ticket.map_or("/api/live/poll".to_owned(), |ticket| format!("/api/live/poll?ticket={ticket}"));
    let answer = get(app, person, &path).await;
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["cache-control"], "no-store");
    let mut answer: Value = answer.json().await.unwrap();
    let Value::Array(events) = answer["events"].take() else { panic!("no events in {answer}") };
    (answer["ticket"].as_str().unwrap().to_owned(), events)
}

/// The first poll, which says `ready`.
async fn begin(app: &TestApp, person: &Client) -> String {
    let (ticket, events) = poll(app, person, None).await;
    assert_eq!(types(&events), ["ready"]);
    ticket
}

/// A poll that certainly waits in the server: another one with the same ticket finds the mailbox taken.
async fn waiting(app: &TestApp, person: &Client) -> JoinHandle<Response> {
    let path = format!("/api/live/poll?ticket={}", begin(app, person).await);
    let ask = || {
        let request = app.request(Method::GET, &path).bearer_auth(person.token());
        tokio::spawn(async { request.send().await.unwrap() })
    };
    let (mut one, mut other) = (ask(), ask());
    let (answered, waiting) = tokio::select! {
        answer = &mut one => (answer, other),
        answer = &mut other => (answer, one),
    };
    let answer: Value = answered.unwrap().json().await.unwrap();
    assert_eq!(answer["events"][0]["type"], "ready");
    waiting
}

fn types(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| event["type"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn the_same_events_come_in_the_same_order_by_every_way() {
    let app = TestApp::start().await;
    let (alice, bob, conversation) = app.pair().await;
    // Whom one meets first is noted in one's vault, which is an event as well.
    bob.seal(conversation, "they have met").await.unwrap();
    let mut socket = bob.events().await.unwrap();
    let mut stream = Stream::open(&app, &bob).await;
    let mut ticket = begin(&app, &bob).await;
    let mut sender = alice.events().await.unwrap();
    for number in 0..150 {
        sender.send(conversation, &number.to_string()).await.unwrap();
    }
    let mut polled = Vec::new();
    while polled.iter().filter(|event: &&Value| event["type"] == "message").count() < 150 {
        let (next, events) = poll(&app, &bob, Some(&ticket)).await;
        ticket = next;
        polled.extend(events);
    }
    for event in &polled {
        assert_eq!(stream.next().await.as_ref(), Some(event));
    }
    let messages: Vec<_> = polled.iter().filter(|event| event["type"] == "message").collect();
    for (message, number) in messages.iter().zip(1..) {
        let same = socket.next_message().await.unwrap();
        assert_eq!((same.seq, message["message"]["seq"].as_u64()), (number, Some(number)));
        assert_eq!(message["message"]["id"], same.id.to_string());
    }
    alice.raw("PATCH", "/profile", Some(&json!({"status": "away"}))).await.unwrap();
    assert!(matches!(socket.next().await.unwrap(), Event::Profile(person) if person.status == "away"));
    assert_eq!(stream.next().await.unwrap()["person"]["status"], "away");
    assert_eq!(poll(&app, &bob, Some(&ticket)).await.1[0]["person"]["status"], "away");
}

#[tokio::test]
async fn a_stream_asks_proxies_to_pass_it_on_as_it_comes() {
    let app = TestApp::start().await;
    let alice = app.person("Alice").await;
    let stream = Stream::open(&app, &alice).await;
    let headers = stream.response.headers();
    assert_eq!(headers["content-type"], "text/event-stream");
    assert_eq!(headers["cache-control"], "no-store, no-transform");
    assert_eq!(headers["x-accel-buffering"], "no");
}

#[tokio::test]
async fn only_who_is_signed_in_may_listen_and_garbage_is_refused() {
    let app = TestApp::start().await;
    let alice = app.person("Alice").await;
    for path in ["/api/live/stream", "/api/live/poll"] {
        let nobody = app.request(Method::GET, path).send().await.unwrap();
        assert_eq!(refusal(nobody).await, refused(401, "signed_out"), "{path}");
        let posted = app.request(Method::POST, path).bearer_auth(alice.token()).send().await.unwrap();
        assert_eq!(refusal(posted).await, refused(405, "method_not_allowed"), "{path}");
    }
    let twice = format!("ticket={0}&ticket={0}", Uuid::nil());
    for query in ["ticket=", "ticket=1", "ticket=%00", "tikcet=1", &twice] {
        let answer = get(&app, &alice, &format!("/api/live/poll?{query}")).await;
        assert_eq!(refusal(answer).await, refused(400, "bad_request"), "{query}");
    }
}

#[tokio::test]
async fn a_ticket_that_is_not_good_begins_anew_and_nothing_is_lost() {
    let app = TestApp::start().await;
    let (alice, bob, conversation) = app.pair().await;
    let elsewhere = Client::log_in(&app.url, bob.handle(), PASSWORD).await.unwrap();
    let first = begin(&app, &bob).await;
    alice.send(conversation, "one").await.unwrap();

    let (_, events) = poll(&app, &elsewhere, Some(&first)).await;
    assert_eq!(types(&events), ["ready"], "the ticket of another session");
    let (second, events) = poll(&app, &bob, Some(&first)).await;
    assert_eq!(types(&events).last(), Some(&"message"), "which it was not taken from");

    // The answer with the second ticket was lost on its way: the browser, or a proxy, asks with the first again.
    let (third, events) = poll(&app, &bob, Some(&first)).await;
    assert_eq!(types(&events), ["ready"], "so that the client asks for what it missed");
    for unknown in [Uuid::nil(), Uuid::now_v7()] {
        let (_, events) = poll(&app, &bob, Some(&unknown.to_string())).await;
        assert_eq!(types(&events), ["ready"]);
    }
    alice.send(conversation, "two").await.unwrap();
    for ticket in [second, third] {
        let (_, events) = poll(&app, &bob, Some(&ticket)).await;
        assert_eq!(events[0]["message"]["seq"], 2, "{events:?}");
    }
}

#[tokio::test]
async fn of_two_polls_with_one_ticket_one_begins_anew_and_the_other_waits_on() {
    let app = TestApp::start().await;
    let (alice, bob, conversation) = app.pair().await;
    alice.send(conversation, "one").await.unwrap();
    let first = waiting(&app, &bob).await;
    alice.send(conversation, "two").await.unwrap();
    let answer: Value = first.await.unwrap().json().await.unwrap();
    assert_eq!(answer["events"][0]["message"]["seq"], 2, "{answer}");
}

#[tokio::test]
async fn a_session_that_ends_ends_what_it_listens_with_and_no_other_session() {
    let app = TestApp::start().await;
    let alice = app.person("Alice").await;
    let elsewhere = Client::log_in(&app.url, alice.handle(), PASSWORD).await.unwrap();
    let mut others = Stream::open(&app, &elsewhere).await;
    let mut stream = Stream::open(&app, &alice).await;
    let (waiting, kept) = (waiting(&app, &alice).await, begin(&app, &alice).await);
    alice.raw("POST", "/logout", None).await.unwrap();
    assert_eq!(stream.next().await, None);
    let answer = timeout(Duration::from_secs(10), waiting).await.expect("at once, not when its time is over");
    assert_eq!(refusal(answer.unwrap()).await, refused(401, "signed_out"));
    for path in ["/api/live/stream", &format!("/api/live/poll?ticket={kept}")] {
        assert_eq!(refusal(get(&app, &alice, path).await).await, refused(401, "signed_out"), "{path}");
    }
    elsewhere.raw("PATCH", "/profile", Some(&json!({"status": "still here"}))).await.unwrap();
    assert_eq!(others.next().await.unwrap()["person"]["status"], "still here");
}

/// In 25 seconds of real time, which is less than a request may take here and in most proxies.
#[tokio::test]
async fn a_quiet_line_says_that_it_lives_and_asks_whether_the_session_does() {
    let app = TestApp::start().await;
    let (alice, bob) = (app.person("Alice").await, app.person("Bob").await);
    let mut alices = Stream::open(&app, &alice).await;
    app.clock.advance(31 * DAY);
    // The clock moved: whoever has not been here since is gone for good.
    let bob = Client::log_in(&app.url, bob.handle(), PASSWORD).await.unwrap();
    let mut bobs = Stream::open(&app, &bob).await;
    let ticket = begin(&app, &bob).await;
    let (ended, comment, (next, events)) =
        tokio::join!(alices.block(), bobs.block(), poll(&app, &bob, Some(&ticket)));
    assert_eq!((ended, comment.as_deref()), (None, Some(":")));
    assert_eq!(events, Vec::<Value>::new());
    bob.raw("PATCH", "/profile", Some(&json!({"status": "here"}))).await.unwrap();
    assert_eq!(poll(&app, &bob, Some(&next)).await.1[0]["person"]["status"], "here");
    assert_eq!(bobs.next().await.unwrap()["person"]["status"], "here");
}

#[tokio::test]
async fn a_stop_ends_streams_and_polls_at_once() {
    let mut app = TestApp::start().await;
    let alice = app.person("Alice").await;
    let mut stream = Stream::open(&app, &alice).await;
    let (waiting, _kept) = (waiting(&app, &alice).await, begin(&app, &alice).await);
    timeout(Duration::from_secs(5), app.stop()).await.expect("not after all patience is used up");
    assert_eq!(stream.next().await, None);
    let answer: Value = waiting.await.unwrap().json().await.unwrap();
    assert_eq!(answer["events"], json!([]));
}

#[tokio::test]
async fn whoever_comes_while_the_server_stops_is_not_kept() {
    let app = TestApp::start().await;
    let alice = app.person("Alice").await;
    app.app.live.stop();
    let mut stream = Stream::open(&app, &alice).await;
    assert_eq!(stream.next().await, None);
    let (ticket, _) = poll(&app, &alice, None).await;
    assert_eq!(types(&poll(&app, &alice, Some(&ticket)).await.1), ["ready"], "and nothing to wait for");
}

#[tokio::test]
async fn every_way_counts_and_those_who_left_do_not() {
    let app = TestApp::start().await;
    let alice = app.person("Alice").await;
    let mut sockets = Vec::new();
    for _ in 0..62 {
        sockets.push(alice.events().await.unwrap());
    }
    let stream = Stream::open(&app, &alice).await;
    let ticket = begin(&app, &alice).await;
    assert!(alice.events().await.is_err());
    for path in ["/api/live/stream", "/api/live/poll"] {
        let answer = get(&app, &alice, path).await;
        assert_eq!(answer.headers()["retry-after"], "60");
        assert_eq!(refusal(answer).await, refused(429, "too_many_attempts"), "{path}");
    }
    drop(stream);
    // The server hears of it in its own time.
    let again = async {
        loop {
            let answer = get(&app, &alice, "/api/live/stream").await;
            if answer.status() == 200 {
                return answer;
            }
        }
    };
    let again = timeout(Duration::from_secs(10), again).await.expect("a reader that is gone is noticed");
    // So is a mailbox that nobody comes back for.
    app.clock.advance(MINUTE / 2);
    app.app.shelf.tidy(app.clock.now());
    assert_eq!(get(&app, &alice, "/api/live/poll").await.status(), 429, "too early");
    app.clock.advance(MINUTE / 2);
    app.app.shelf.tidy(app.clock.now());
    assert_eq!(types(&poll(&app, &alice, Some(&ticket)).await.1), ["ready"]);
    drop(again);
}

/// Of 60 KiB each: a score of them is more than may wait for one reader.
fn publish_much(app: &TestApp, to: &Client, count: usize) {
    let event = event::Event::Error { code: Code::Internal, message: "x".repeat(60 << 10) };
    for _ in 0..count {
        app.app.live.publish(&[to.id()], &event);
    }
}

#[tokio::test]
async fn a_mailbox_nobody_empties_in_time_begins_anew() {
    let app = TestApp::start().await;
    let alice = app.person("Alice").await;
    let ticket = begin(&app, &alice).await;
    publish_much(&app, &alice, 10);
    let (ticket, events) = poll(&app, &alice, Some(&ticket)).await;
    assert_eq!(events.len(), 10, "some may wait");
    publish_much(&app, &alice, 20);
    assert_eq!(types(&poll(&app, &alice, Some(&ticket)).await.1), ["ready"]);
}

#[tokio::test]
async fn a_stream_that_is_read_too_slowly_is_ended() {
    let app = TestApp::start().await;
    let alice = app.person("Alice").await;
    let mut slow = TcpStream::connect(app.config.listen.to_string()).await.unwrap();
    let request = format!(
        "GET /api/live/stream HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {}\r\n\r\n",
        alice.token()
    );
    slow.write_all(request.as_bytes()).await.unwrap();
    let mut read = vec![0; 1 << 20];
    let mut text = Vec::new();
    while !String::from_utf8_lossy(&text).contains("ready") {
        let more = slow.read(&mut read).await.unwrap();
        text.extend_from_slice(&read[..more]);
    }
    // More than the buffers of both sides take, and with pauses for the server to fill them.
    let mut published = 0;
    for _ in 0..400 {
        publish_much(&app, &alice, 10);
        published += 10;
        tokio::task::yield_now().await;
    }
    let mut events = 0;
    let all = async {
        loop {
            let more = slow.read(&mut read).await.unwrap();
            events += read[..more].windows(6).filter(|bytes| bytes == b"data: ").count();
            // The last chunk of the answer.
            if more == 0 || read[..more].ends_with(b"0\r\n\r\n") {
                break;
            }
        }
    };
    timeout(Duration::from_secs(20), all).await.expect("the stream ends");
    assert!(events < published, "{events} of {published}");
    // Whoever comes back catches up and goes on.
    let mut again = Stream::open(&app, &alice).await;
    publish_much(&app, &alice, 1);
    assert_eq!(again.next().await.unwrap()["type"], "error");
}

#[tokio::test]
async fn what_is_sent_by_post_is_told_to_those_who_listen_without_a_socket() {
    let app = TestApp::start().await;
    let (alice, bob, conversation) = app.pair().await;
    let mut alices = Stream::open(&app, &alice).await;
    let bobs = begin(&app, &bob).await;
    alice.send(conversation, "hello").await.unwrap();
    let (bobs, _) = poll_until(&app, &bob, bobs, "message").await;
    bob.raw(
        "POST",
        &format!("/conversations/{conversation}/receipts"),
        Some(&json!({"delivered": 1, "read": 1})),
    )
    .await
    .unwrap();
    let receipt = loop {
        let event = alices.next().await.unwrap();
        if event["type"] == "receipt" {
            break event;
        }
    };
    assert_eq!((&receipt["read"], &receipt["account"]), (&json!(1), &json!(bob.id())));
    let id = Uuid::now_v7();
    let bad = alice.send_sealed(conversation, &NewMessage::new(id, Bytes(vec![1; 100]))).await;
    assert_eq!(bad.unwrap_err().code(), Some("bad_envelope"));
    alice.send(conversation, "again").await.unwrap();
    assert_eq!(poll_until(&app, &bob, bobs, "message").await.1["message"]["seq"], 2);
}

/// Polls until an event of this type comes.
async fn poll_until(app: &TestApp, person: &Client, mut ticket: String, wanted: &str) -> (String, Value) {
    loop {
        let (next, events) = poll(app, person, Some(&ticket)).await;
        if let Some(event) = events.into_iter().find(|event| event["type"] == wanted) {
            return (next, event);
        }
        ticket = next;
    }
}
