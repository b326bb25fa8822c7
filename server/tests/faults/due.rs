use std::time::{SystemTime, UNIX_EPOCH};

use client::{Client, Event};
use fastrand::Rng;
use serde_json::json;
use tokio::time::{Duration, sleep};

use crate::people::{PASSWORD, check_database};
use crate::program::{Program, seed};

const MESSAGES: u64 = 60;
/// Between their times, in milliseconds.
const GAP: u64 = 40;

#[tokio::test(flavor = "multi_thread")]
async fn kills_while_messages_come_due_lose_none_and_double_none() {
    let mut rng = Rng::with_seed(seed());
    let mut server = Program::start().await;
    let alice = Client::register(&server.url(), "alice", "Alice", PASSWORD).await.unwrap();
    let bob = Client::register(&server.url(), "bob", "Bob", PASSWORD).await.unwrap();
    let conversation = alice.open_conversation(bob.id()).await.unwrap().id;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as u64;
    let first = now + 3_000;
    let mut expected = Vec::new();
    for number in 0..MESSAGES {
        let message = alice.seal(conversation, &number.to_string()).await.unwrap();
        let path = format!("/conversations/{conversation}/scheduled/{}", message.id);
        let body = json!({"envelope": message.envelope, "at": first + number * GAP});
        assert_eq!(alice.raw("PUT", &path, Some(&body)).await.unwrap().0, 200);
        expected.push(number.to_string());
    }
    let (mut seen, mut lives) = (Vec::new(), 0);
    while (seen.len() as u64) < MESSAGES {
        // From its first message of this life on it is in the middle of them.
        let mut live = bob.events().await.unwrap();
        seen = bob.history(conversation, None, 200).await.unwrap();
        if (seen.len() as u64) < MESSAGES {
            while !matches!(live.next().await.unwrap(), Event::Message(_)) {}
            sleep(Duration::from_millis(rng.u64(0..2 * GAP))).await;
        }
        server.kill().await;
        lives += 1;
        server.start_again().await;
    }
    assert!(lives > 3, "it was hardly killed while they came due");
    let texts: Vec<_> = seen.iter().map(|message| message.text().unwrap().to_owned()).collect();
    assert_eq!(texts, expected, "each once, and in the order of their times");
    let (_, waiting) = alice.raw("GET", "/scheduled", None).await.unwrap();
    assert_eq!(waiting["scheduled"], json!([]));
    assert!(server.stop().await.success());
    check_database(&server.data).await;
    assert_eq!(server.complaints(), [""; 0]);
}
