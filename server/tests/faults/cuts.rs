use fastrand::Rng;

use crate::people::{People, check_database};
use crate::program::{Program, seed};
use crate::proxy::{Fault, Proxy};

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_are_cut_anywhere_lose_nothing_and_double_nothing() {
    let mut rng = Rng::with_seed(seed());
    let mut server = Program::start().await;
    let proxy = Proxy::before(server.address, rng.u64(..)).await;
    let mut people = People::sign_up(&proxy.url, 3, &mut rng).await;
    proxy.begin(Fault::Cuts);
    let mut writing = people.write(8);
    while proxy.faults() < 100 {
        writing.more(20).await;
    }
    let diaries = writing.end().await;
    assert!(diaries.iter().all(|diary| diary.attempts > 1));
    proxy.mend();
    people.agree(diaries, &server.url()).await;
    assert!(server.stop().await.success());
    check_database(&server.data).await;
    assert_eq!(server.complaints(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn events_that_are_lost_or_come_twice_leave_each_message_once_and_in_order() {
    let mut rng = Rng::with_seed(seed());
    let mut server = Program::start().await;
    let proxy = Proxy::before(server.address, rng.u64(..)).await;
    let mut people = People::sign_up(&proxy.url, 3, &mut rng).await;
    let mut writing = people.write(4);
    writing.more(20).await;
    proxy.begin(Fault::Events);
    while proxy.faults() < 100 {
        writing.more(20).await;
    }
    // Whether the last one is missing shows only with the next.
    proxy.mend();
    people.agree(writing.end().await, &server.url()).await;
    assert!(server.stop().await.success());
    assert_eq!(server.complaints(), [""; 0]);
}
