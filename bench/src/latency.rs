//! How long a message takes, from the moment it should be sent to the moment its recipient has it, at a steady
//! rate. The moments are fixed beforehand (an open loop): a server that stalls makes all messages late that fall
//! due meanwhile, and cannot hide the stall by holding back the load that would have shown it.

use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd};
use std::time::{Duration, Instant};

use mio::unix::SourceFd;
use nix::sys::time::TimeSpec;
use nix::sys::timer::{Expiration, TimerSetTimeFlags};
use nix::sys::timerfd::{ClockId, TimerFd, TimerFlags};

use crate::Result;
use crate::frame::Ids;
use crate::people::Pair;
use crate::socket::Sockets;
use crate::throughput::{Line, PATIENCE};

/// Sorted, in milliseconds.
pub struct Latencies {
    all: Vec<f64>,
    pub sent: Vec<u64>,
}

impl Latencies {
    /// `share` of all were at least as fast.
    pub fn percentile(&self, share: f64) -> f64 {
        let place = (self.all.len() as f64 * share).ceil() as usize;
        self.all[place.clamp(1, self.all.len()) - 1]
    }
}

/// The senders take turns; `every` is the time between two messages of anyone.
pub fn measure(server: SocketAddr, pairs: &[Pair], every: Duration, messages: u32) -> Result<Latencies> {
    let mut sockets = Sockets::of_pairs(server, pairs)?;
    let mut lines = pairs.iter().map(Line::new).collect::<Result<Vec<_>>>()?;
    let mut ids = Ids::new();
    let clock = metronome(every)?;
    sockets.add(&mut SourceFd(&clock.as_fd().as_raw_fd()))?;
    let tick = sockets.len();

    let began = Instant::now();
    let due = |number: u32| began + every * number;
    let limit = due(messages) + PATIENCE;
    let mut sent = 0;
    let mut all = Vec::with_capacity(messages as usize);
    while all.len() < messages as usize {
        if Instant::now() > limit {
            return Err("messages were sent that never arrived".into());
        }
        sockets.wait(limit, |sockets, index| {
            if index == tick {
                clock.wait()?;
                while sent < messages && due(sent) <= Instant::now() {
                    let pair = sent as usize % pairs.len();
                    let socket = &mut sockets[2 * pair];
                    lines[pair].send(1, &mut ids, |frame| socket.queue(frame));
                    socket.flush()?;
                    sent += 1;
                }
                return Ok(());
            }
            let (pair, socket) = (index / 2, &mut sockets[index]);
            if index % 2 == 0 {
                return socket.receive(|text| lines[pair].answered(text));
            }
            socket.receive(|text| {
                let now = Instant::now();
                // Those of a pair arrive in the order in which they were sent; the line counts them.
                let number = lines[pair].received * pairs.len() as u64 + pair as u64;
                lines[pair].reached(text)?;
                all.push((now - due(u32::try_from(number)?)).as_secs_f64() * 1e3);
                Ok(())
            })
        })?;
    }
    all.sort_by(f64::total_cmp);
    Ok(Latencies { all, sent: lines.iter().map(|line| line.sent).collect() })
}

/// Finer than the milliseconds of `poll`.
fn metronome(every: Duration) -> Result<TimerFd> {
    let clock = TimerFd::new(ClockId::CLOCK_MONOTONIC, TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC)?;
    clock.set(Expiration::Interval(TimeSpec::from_duration(every)), TimerSetTimeFlags::empty())?;
    Ok(clock)
}
