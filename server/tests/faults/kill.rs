use std::time::Duration;

use fastrand::Rng;

use crate::people::{People, Progress, check_database};
use crate::program::{Program, seed};

const KILLS: usize = 10;

#[tokio::test(flavor = "multi_thread")]
async fn ten_kills_under_load_lose_nothing_and_double_nothing() {
    let mut rng = Rng::with_seed(seed());
    let mut server = Program::start().await;
    let mut people = People::sign_up(&server.url(), 4, &mut rng).await;
    let progress = Progress::new();
    let writing = people.write(8, &progress);
    for number in 0..KILLS {
        progress.more(rng.u64(1..800)).await;
        server.kill().await;
        // Some are killed once more while they start.
        if number % 3 == 2 {
            server.start_and_kill(Duration::from_millis(rng.u64(..60))).await;
        }
        server.start_again().await;
    }
    progress.more(100).await;
    progress.finish();
    let truth = people.agree(writing.end().await, &server.url()).await;
    assert!(truth.values().map(Vec::len).sum::<usize>() as u64 > progress.acknowledged());
    assert!(server.stop().await.success());
    check_database(&server.data).await;
    assert_eq!(server.complaints(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_start_that_is_killed_leaves_nothing_that_the_next_cannot_use() {
    let mut rng = Rng::with_seed(seed());
    let mut unfinished = 0;
    for _ in 0..10 {
        let mut server = Program::new();
        server.start_and_kill(Duration::from_millis(rng.u64(1..40))).await;
        unfinished += usize::from(!server.data.join("server.key").exists());
        server.start_again().await;
        check_database(&server.data).await;
    }
    assert!(unfinished > 0, "none was killed in time");
}
