use fastrand::Rng;

use crate::people::{People, check_database};
use crate::program::{Program, seed};
use crate::proxy::Proxy;

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_are_cut_anywhere_lose_nothing_and_double_nothing() {
    let mut rng = Rng::with_seed(seed());
    let mut server = Program::start().await;
    let proxy = Proxy::before(server.address, rng.u64(..)).await;
    let mut people = People::sign_up(&proxy.url, 3, &mut rng).await;
    proxy.begin_cutting();
    let mut writing = people.write(8);
    while proxy.cuts() < 100 {
        writing.more(20).await;
    }
    let diaries = writing.end().await;
    proxy.mend();
    people.agree(diaries, &server.url()).await;
    assert!(server.stop().await.success());
    check_database(&server.data).await;
    assert_eq!(server.complaints(), [""; 0]);
}
