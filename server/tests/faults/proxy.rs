//! A network that breaks: it stands between the clients and the server, delays nothing, and cuts every
//! connection after a random number of bytes in one direction or the other.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use fastrand::Rng;
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use crate::program::listen;

/// From the middle of a request's head to a page of history.
const SHORTEST: f64 = 60.0;
const LONGEST: f64 = 1_000_000.0;

pub struct Proxy {
    pub url: String,
    state: Arc<State>,
    accepting: JoinHandle<()>,
}

#[derive(Default)]
struct State {
    cutting: AtomicBool,
    cuts: AtomicU64,
}

impl Proxy {
    /// Whole, until [`Proxy::begin_cutting`].
    pub async fn before(server: SocketAddr, seed: u64) -> Self {
        let listener = listen().await;
        let url = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::new(State::default());
        let mut rng = Rng::with_seed(seed);
        let shared = state.clone();
        let accepting = tokio::spawn(async move {
            loop {
                let (client, _) = listener.accept().await.unwrap();
                tokio::spawn(pass_on(client, server, rng.fork(), shared.clone()));
            }
        });
        Self { url, state, accepting }
    }

    /// Also those that are open already, a while after.
    pub fn begin_cutting(&self) {
        self.state.cutting.store(true, Ordering::Relaxed);
    }

    pub fn mend(&self) {
        self.state.cutting.store(false, Ordering::Relaxed);
    }

    pub fn cuts(&self) -> u64 {
        self.state.cuts.load(Ordering::Relaxed)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn pass_on(mut client: TcpStream, server: SocketAddr, mut rng: Rng, state: Arc<State>) {
    let Ok(mut server) = TcpStream::connect(server).await else { return };
    for stream in [&client, &server] {
        stream.set_nodelay(true).unwrap();
    }
    let (up, down) = (until_cut(&mut rng), until_cut(&mut rng));
    let reset = rng.bool();
    let cut = {
        let (mut from_client, mut to_client) = client.split();
        let (mut from_server, mut to_server) = server.split();
        tokio::select! {
            cut = copy(&mut from_client, &mut to_server, up, &state) => cut,
            cut = copy(&mut from_server, &mut to_client, down, &state) => cut,
        }
    };
    if cut {
        state.cuts.fetch_add(1, Ordering::Relaxed);
        // Half of them in the rough way: what is on its way is lost, too.
        if reset {
            for stream in [&client, &server] {
                let _ = SockRef::from(stream).set_linger(Some(Duration::ZERO));
            }
        }
    }
}

/// Most connections are cut early, and some live long.
fn until_cut(rng: &mut Rng) -> usize {
    (SHORTEST * (LONGEST / SHORTEST).powf(rng.f64())) as usize
}

/// Whether it ended by a cut.
async fn copy(
    from: &mut (impl AsyncRead + Unpin),
    to: &mut (impl AsyncWrite + Unpin),
    until_cut: usize,
    state: &State,
) -> bool {
    let mut buffer = [0; 4 << 10];
    let mut passed = 0;
    loop {
        let Ok(read @ 1..) = from.read(&mut buffer).await else { return false };
        let mut pass = read;
        if state.cutting.load(Ordering::Relaxed) {
            pass = read.min(until_cut.saturating_sub(passed));
        }
        passed += pass;
        if to.write_all(&buffer[..pass]).await.is_err() {
            return false;
        }
        if pass < read {
            return true;
        }
    }
}
