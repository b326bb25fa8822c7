//! What a client does that does not know whether it was heard: it says the same again, and elsewhere.

use std::collections::BTreeSet;

use client::wire::{Accepted, NewMessage};
use client::{Client, Event, Live};
use uuid::Uuid;

use crate::support::{PASSWORD, TestApp};

const MESSAGES: usize = 20;

/// All that comes up to the answer to each of these, in its order.
async fn answers(live: &mut Live, count: usize) -> (Vec<Accepted>, Vec<Uuid>) {
    let (mut answers, mut heard) = (Vec::new(), Vec::new());
    while answers.len() < count {
        match live.next().await.unwrap() {
            Event::Accepted(accepted) => answers.push(accepted),
            Event::Message(message) => heard.push(message.id),
            Event::Refused { code, .. } => panic!("refused: {code}"),
            _ => {}
        }
    }
    (answers, heard)
}

async fn sealed(writer: &Client, conversation: Uuid) -> Vec<NewMessage> {
    let mut sealed = Vec::new();
    for number in 0..MESSAGES {
        sealed.push(writer.seal(conversation, &number.to_string()).await.unwrap());
    }
    sealed
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frame_sent_twice_and_on_two_sockets_and_by_post_is_one_message_with_one_answer() {
    let app = TestApp::start().await;
    let (alice, bob, conversation) = app.pair().await;
    let mut reader = bob.events().await.unwrap();
    let mut sockets = [alice.events().await.unwrap(), alice.events().await.unwrap()];
    let messages = sealed(&alice, conversation).await;
    let [one, other] = &mut sockets;
    let by_socket = async |socket: &mut Live| {
        for message in &messages {
            for _ in 0..2 {
                socket.send_sealed(conversation, message.clone()).await.unwrap();
            }
        }
        answers(socket, 2 * MESSAGES).await
    };
    let by_post = async {
        let mut answers = Vec::new();
        for message in &messages {
            answers.push(alice.send_sealed(conversation, message).await.unwrap());
        }
        answers
    };
    let ((one, _), (other, _), posted) = tokio::join!(by_socket(one), by_socket(other), by_post);

    let stored = bob.history(conversation, None, 200).await.unwrap();
    assert_eq!(stored.iter().map(|message| message.seq).collect::<Vec<_>>(), (1..=20).collect::<Vec<_>>());
    let texts: Vec<usize> = stored.iter().map(|message| message.text().unwrap().parse().unwrap()).collect();
    assert_eq!(
        texts,
        (0..MESSAGES).collect::<Vec<_>>(),
        "each in its place, though three ways were in a race"
    );
    for answer in one.iter().chain(&other).chain(&posted) {
        let message = stored.iter().find(|message| message.id == answer.id).unwrap();
        assert_eq!((answer.seq, answer.rev, answer.sent_at), (message.seq, message.rev, message.sent_at));
    }
    for message in &stored {
        assert_eq!(*message, reader.next_message().await.unwrap(), "and once for those who listen");
    }
    alice.send(conversation, "the end").await.unwrap();
    assert_eq!(reader.next_message().await.unwrap().text(), Some("the end"));
}

#[tokio::test]
async fn the_other_socket_of_the_sender_hears_a_message_and_the_one_that_sent_it_its_answer() {
    let app = TestApp::start().await;
    let (alice, _bob, conversation) = app.pair().await;
    let elsewhere = Client::log_in(&app.url, alice.handle(), PASSWORD).await.unwrap();
    let (mut here, mut there) = (alice.events().await.unwrap(), elsewhere.events().await.unwrap());
    let messages = sealed(&alice, conversation).await;
    for message in &messages {
        here.send_sealed(conversation, message.clone()).await.unwrap();
    }
    let (answers, heard) = answers(&mut here, MESSAGES).await;
    assert!(heard.is_empty(), "its answers say as much");
    assert_eq!(answers.len(), MESSAGES);
    let mut told = BTreeSet::new();
    for answer in answers {
        let message = there.next_message().await.unwrap();
        assert_eq!((message.id, message.seq), (answer.id, answer.seq));
        told.insert(message.id);
    }
    assert_eq!(told.len(), MESSAGES);
}
