//! Everybody begins a new epoch at the same moment.

use std::collections::BTreeSet;

use client::Client;
use futures_util::future::{join_all, try_join_all};
use uuid::Uuid;

use crate::support::{PASSWORD, TestApp};

const ROUNDS: usize = 12;

/// Each of them, and a browser that was not there, reads all of these.
async fn all_read(app: &TestApp, clients: &[&Client], conversation: Uuid, texts: &BTreeSet<String>) {
    let newcomers = clients.iter().map(|client| Client::log_in(&app.url, client.handle(), PASSWORD));
    let newcomers = try_join_all(newcomers).await.unwrap();
    for reader in clients.iter().copied().chain(&newcomers) {
        let history = reader.history(conversation, None, 200).await.unwrap();
        assert_eq!(history.len(), texts.len());
        let read = history.iter().map(|message| message.text().expect("readable").to_owned()).collect();
        assert_eq!(*texts, read);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn four_browsers_that_begin_epochs_at_once_are_all_heard_and_all_read() {
    let app = TestApp::start().await;
    let (alice, bob, conversation) = app.pair().await;
    let elsewhere = [&alice, &bob].map(|client| Client::log_in(&app.url, client.handle(), PASSWORD));
    let elsewhere = try_join_all(elsewhere).await.unwrap();
    let writers = [&alice, &bob, &elsewhere[0], &elsewhere[1]];
    let mut texts = BTreeSet::new();
    for round in 0..ROUNDS {
        let sent = writers.iter().enumerate().map(async |(writer, client)| {
            // The first epoch is begun by need, the others by will.
            if round > 0 {
                client.rotate(conversation).await.unwrap();
            }
            let text = format!("{writer} in round {round}");
            client.send(conversation, &text).await.unwrap();
            text
        });
        texts.extend(join_all(sent).await);
    }
    assert_eq!(texts.len(), writers.len() * ROUNDS);
    let epochs = alice.conversation(conversation).await.unwrap().epoch.unwrap().number as usize;
    let most = 1 + (ROUNDS - 1) * writers.len();
    assert!((ROUNDS..most).contains(&epochs), "{epochs} epochs: there was no race");
    all_read(&app, &[&alice, &bob], conversation, &texts).await;
    all_read(&app, &writers[2..], conversation, &texts).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_first_words_at_once_in_both_directions_are_all_heard_and_all_read() {
    let app = TestApp::start().await;
    let people = join_all((0..5).map(|_| app.person("Person"))).await;
    let pairs = people
        .iter()
        .enumerate()
        .flat_map(|(at, one)| people[at + 1..].iter().map(move |other| (one, other)));
    let spoken = pairs.map(async |(one, other)| {
        let opened = tokio::join!(one.open_conversation(other.id()), other.open_conversation(one.id()));
        let conversation = opened.0.unwrap().id;
        assert_eq!(conversation, opened.1.unwrap().id);
        let (there, back) = tokio::join!(one.send(conversation, "there"), other.send(conversation, "back"));
        there.unwrap();
        back.unwrap();
        (conversation, one, other)
    });
    let texts = ["there", "back"].map(str::to_owned).into();
    for (conversation, one, other) in join_all(spoken).await {
        assert_eq!(one.conversation(conversation).await.unwrap().epoch.unwrap().number, 1);
        for reader in [one, other] {
            let history = reader.history(conversation, None, 10).await.unwrap();
            let read: BTreeSet<_> =
                history.iter().map(|message| message.text().unwrap().to_owned()).collect();
            assert_eq!(read, texts);
        }
    }
}
