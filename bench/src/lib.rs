//! Load on a real server; docs/performance.md says what is measured and why in this way.
//!
//! # A tour
//!
//! `main.rs` runs the phases and reports. [`people`] are signed up once, by the real client; [`process`] starts
//! the server as a child, and this program once more as the bare [`relay`]. A phase opens [`socket`]s, sends
//! [`frame`]s through them, and counts: [`throughput`], [`latency`]; or sends nothing at all: [`idle`]. [`disk`]
//! says what the machine itself can do.

pub mod disk;
pub mod frame;
pub mod idle;
pub mod latency;
pub mod people;
pub mod process;
pub mod relay;
pub mod report;
pub mod socket;
pub mod throughput;

pub type Failure = Box<dyn std::error::Error + Send + Sync>;
pub type Result<T, E = Failure> = std::result::Result<T, E>;
