//! A network that breaks: it stands between the clients and the server and delays nothing. It cuts every
//! connection after a random number of bytes in one direction or the other, or it loses and doubles what the
//! server tells.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::Duration;

use fastrand::Rng;
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use crate::program::listen;

/// From the middle of a request's head to several pages of history.
const SHORTEST: f64 = 60.0;
const LONGEST: f64 = 1_000_000.0;

#[derive(Clone, Copy, PartialEq)]
#[repr(u8)]
pub enum Fault {
    None,
    Cuts,
    Events,
}

pub struct Proxy {
    pub url: String,
    state: Arc<State>,
    accepting: JoinHandle<()>,
}

#[derive(Default)]
struct State {
    fault: AtomicU8,
    faults: AtomicU64,
}

impl State {
    fn is(&self, fault: Fault) -> bool {
        self.fault.load(Ordering::Relaxed) == fault as u8
    }

    fn count(&self) {
        self.faults.fetch_add(1, Ordering::Relaxed);
    }
}

impl Proxy {
    /// Whole, for the beginning.
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

    /// Also for connections that are open already.
    pub fn begin(&self, fault: Fault) {
        self.state.fault.store(fault as u8, Ordering::Relaxed);
    }

    pub fn mend(&self) {
        self.begin(Fault::None);
    }

    pub fn faults(&self) -> u64 {
        self.state.faults.load(Ordering::Relaxed)
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
            cut = copy(&mut from_client, &mut to_server, up, &state, None) => cut,
            cut = copy(&mut from_server, &mut to_client, down, &state, Some(Frames::new(rng))) => cut,
        }
    };
    if cut {
        state.count();
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
    mut frames: Option<Frames>,
) -> bool {
    let mut buffer = [0; 4 << 10];
    let mut passed = 0;
    loop {
        let Ok(read @ 1..) = from.read(&mut buffer).await else { return false };
        let pass = if state.is(Fault::Cuts) { read.min(until_cut.saturating_sub(passed)) } else { read };
        passed += pass;
        let written = match &mut frames {
            Some(frames) => to.write_all(&frames.pass(&buffer[..pass], state)).await,
            None => to.write_all(&buffer[..pass]).await,
        };
        if written.is_err() {
            return false;
        }
        if pass < read {
            return true;
        }
    }
}

/// What the server says on one connection; when it has become a WebSocket, frame by frame.
struct Frames {
    rng: Rng,
    waiting: Vec<u8>,
    is_socket: bool,
}

impl Frames {
    fn new(rng: Rng) -> Self {
        Self { rng, waiting: Vec::new(), is_socket: false }
    }

    /// What is passed on of it, and of what was kept back because it was not whole.
    fn pass(&mut self, bytes: &[u8], state: &State) -> Vec<u8> {
        self.waiting.extend(bytes);
        let mut passed = Vec::new();
        if !self.is_socket && self.waiting.starts_with(b"HTTP/1.1 101") {
            let Some(end) = self.waiting.windows(4).position(|end| end == b"\r\n\r\n") else { return passed };
            passed.extend(self.waiting.drain(..end + 4));
            self.is_socket = true;
        }
        // A cut is to be in the middle of a frame.
        if !self.is_socket || !state.is(Fault::Events) {
            passed.append(&mut self.waiting);
        }
        while let Some(length) = whole(&self.waiting) {
            let frame: Vec<u8> = self.waiting.drain(..length).collect();
            let is_message = String::from_utf8_lossy(&frame).contains(r#""type":"message""#);
            let times = if is_message { [0, 1, 1, 2][self.rng.usize(..4)] } else { 1 };
            if times != 1 {
                state.count();
            }
            (0..times).for_each(|_| passed.extend(&frame));
        }
        passed
    }
}

/// The length of the first frame, if all of it is there. A server's frames have no mask.
fn whole(bytes: &[u8]) -> Option<usize> {
    let length = match bytes.get(1)? {
        126 => 4 + u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?) as usize,
        127 => 10 + u64::from_be_bytes(bytes.get(2..10)?.try_into().ok()?) as usize,
        short => 2 + *short as usize,
    };
    (bytes.len() >= length).then_some(length)
}
