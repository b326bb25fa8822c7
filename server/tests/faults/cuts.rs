use fastrand::Rng;

use crate::people::{People, Progress, check_database};
use crate::program::{Program, seed};
use crate::proxy::Proxy;

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_are_cut_anywhere_lose_nothing_and_double_nothing() {
    let mut rng = Rng::with_seed(seed());
    let mut server = Program::start().await;
    let proxy = Proxy::before(server.address, rng.u64(..)).await;
    let mut people = People::sign_up(&proxy.url, 3, &mut rng).await;
    let progress = Progress::new();
    proxy.begin_cutting();
    let writing = people.write(8, &progress);
    let t0 = std::time::Instant::now();
    while proxy.cuts() < 150 {
        eprintln!("{:?} cuts {} acked {}", t0.elapsed(), proxy.cuts(), progress.acknowledged());
        progress.more(20).await;
    }
    eprintln!("{:?} finish", t0.elapsed());
    progress.finish();
    people.agree(writing, &server.url()).await;
    assert!(server.stop().await.success());
    check_database(&server.data).await;
    assert_eq!(server.complaints(), [""; 0]);
}
