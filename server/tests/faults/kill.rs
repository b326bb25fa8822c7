use std::time::Duration;

use fastrand::Rng;
use tokio::task::yield_now;
use tokio::time::sleep;

use crate::people::{People, check_database};
use crate::program::{Program, seed};

const KILLS: usize = 10;

#[tokio::test(flavor = "multi_thread")]
async fn ten_kills_under_load_lose_nothing_and_double_nothing() {
    let mut rng = Rng::with_seed(seed());
    let mut server = Program::start().await;
    let mut people = People::sign_up(&server.url(), 4, &mut rng).await;
    let mut writing = people.write(8);
    for number in 0..KILLS {
        writing.more(rng.u64(1..800)).await;
        server.kill().await;
        // Some are killed once more while they start.
        if number % 3 == 2 {
            server.start_and_kill(sleep(Duration::from_millis(rng.u64(..60)))).await;
        }
        server.start_again().await;
    }
    writing.more(100).await;
    let diaries = writing.end().await;
    // Two kills may fall into one wait.
    assert!(diaries.iter().all(|diary| diary.attempts > KILLS as u64 / 2));
    people.agree(diaries, &server.url()).await;
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
        // While the tables are made, SQLite's log grows to this. The key is the last thing to be made.
        let (log, bytes) = (server.data.join("entrenous.db-wal"), rng.u64(1..100_000));
        let key = server.data.join("server.key");
        let moment = async {
            while log.metadata().map_or(0, |log| log.len()) < bytes && !key.exists() {
                yield_now().await;
            }
        };
        server.start_and_kill(moment).await;
        unfinished += usize::from(!key.exists());
        server.start_again().await;
        check_database(&server.data).await;
    }
    assert!(unfinished > 0, "they were all killed too late");
}
