//! What it costs to be connected and silent.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::Result;
use crate::people::Pair;
use crate::process::resident_bytes;
use crate::socket::Sockets;

/// Bytes of memory.
pub struct Idle {
    pub alone: u64,
    pub opened: u64,
    /// After `time`.
    pub later: u64,
    pub connections: usize,
}

impl Idle {
    pub fn bytes_per_connection(&self) -> f64 {
        (self.opened.max(self.later) as f64 - self.alone as f64) / self.connections as f64
    }
}

/// Opens that many sockets, in equal parts for everyone, and keeps them open for `time`. A server that has just
/// started, or just opened many sockets, has `rest` to finish what it is at.
pub fn measure(
    server: SocketAddr,
    process: u32,
    pairs: &[Pair],
    connections: usize,
    (rest, time): (Duration, Duration),
) -> Result<Idle> {
    std::thread::sleep(rest);
    let alone = resident_bytes(process)?;
    let everyone = pairs.iter().flat_map(|pair| [pair.sender.as_str(), pair.recipient.as_str()]);
    let mut sockets = Sockets::open(server, everyone.cycle().take(connections))?;
    stay(&mut sockets, rest)?;
    let opened = resident_bytes(process)?;
    stay(&mut sockets, time)?;
    Ok(Idle { alone, opened, later: resident_bytes(process)?, connections: sockets.len() })
}

/// Answers pings. An error if a socket does not last.
fn stay(sockets: &mut Sockets, time: Duration) -> Result<()> {
    let until = Instant::now() + time;
    while Instant::now() < until {
        sockets.wait(until, |sockets, index| sockets[index].receive(|_| Ok(())))?;
    }
    Ok(())
}
