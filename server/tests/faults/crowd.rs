//! Everybody comes back at once.

use client::{Client, Event, Follower};
use futures_util::future::join_all;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::people::{PASSWORD, in_time};
use crate::program::{Program, raise_file_limit};

const ACCOUNTS: usize = 50;
const SOCKETS: usize = 60;
/// Of one socket for one restart: its back-off doubles, so these last over a minute.
const ATTEMPTS: u64 = 8;
/// MiB, for 3,000 sockets and as many connections that fetch: while a request is under way on each, some 40 KiB for one,
/// most of them hyper's buffers.
const MEMORY: u64 = 300;

#[tokio::test(flavor = "multi_thread")]
async fn three_thousand_sockets_come_back_after_a_restart_and_go_on() {
    raise_file_limit(8_000);
    // It raises its own limit.
    let few = ["prlimit", "--nofile=1024:"].map(str::to_owned).to_vec();
    let mut server = Program::new().inside(few, None);
    server.start_again().await;
    let url = server.url();
    let clients = join_all((0..ACCOUNTS).map(async |number| {
        Client::register(&url, &format!("person{number}"), "Person", PASSWORD).await.unwrap()
    }));
    let clients = clients.await;
    let conversation = clients[0].open_conversation(clients[1].id()).await.unwrap().id;
    let [ready, heard] = [(); 2].map(|()| watch::Sender::new(0));
    let mut crowd = JoinSet::new();
    for client in &clients {
        for _ in 0..SOCKETS {
            crowd.spawn(listen(client.follow(), ready.clone(), heard.clone()));
        }
    }
    let all = ACCOUNTS * SOCKETS;
    reached(&ready, all, &mut crowd).await;
    for (restart, text) in ["after a kill", "after a stop"].iter().enumerate() {
        if restart == 0 {
            server.kill().await;
        } else {
            assert!(server.stop().await.success());
        }
        server.start_again().await;
        reached(&ready, all * (restart + 2), &mut crowd).await;
        clients[0].send(conversation, text).await.unwrap();
        // Both people hear it on all their sockets.
        reached(&heard, 2 * SOCKETS * (restart + 1), &mut crowd).await;
        let memory = server.peak_memory();
        assert!(memory < MEMORY, "{memory} MiB");
    }
    assert_eq!(server.complaints(), [""; 0]);
    crowd.abort_all();
}

async fn listen(mut follower: Follower, ready: watch::Sender<usize>, heard: watch::Sender<usize>) {
    let mut attempts = 0;
    loop {
        match follower.next().await.unwrap() {
            Event::Ready { .. } => {
                let needed = follower.attempts() - attempts;
                attempts += needed;
                assert!(needed <= ATTEMPTS, "{needed} attempts");
                ready.send_modify(|count| *count += 1);
            }
            Event::Message(_) => heard.send_modify(|count| *count += 1),
            _ => {}
        }
    }
}

/// Until so many of the crowd have been counted; one of them that fails fails the test.
async fn reached(count: &watch::Sender<usize>, goal: usize, crowd: &mut JoinSet<()>) {
    let mut count = count.subscribe();
    let reached = async { count.wait_for(|count| *count >= goal).await.map(drop).unwrap() };
    in_time(async {
        tokio::select! {
            () = reached => {}
            left = crowd.join_next() => panic!("one of them left: {left:?}"),
        }
    })
    .await;
}
