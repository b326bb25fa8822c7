//! The one source of time. Production reads the system's clock; a test holds a clock it can move, so that
//! thirty days of absence take no time at all.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use governor::nanos::Nanos;
use uuid::{NoContext, Timestamp, Uuid};

/// Milliseconds since 1970-01-01 UTC, the unit of every `*_at` field.
pub type Millis = i64;

pub const SECOND: Millis = 1_000;
pub const MINUTE: Millis = 60 * SECOND;
pub const HOUR: Millis = 60 * MINUTE;
pub const DAY: Millis = 24 * HOUR;

/// The system's clock, moved by an offset that only tests change.
#[derive(Clone, Debug)]
pub struct Clock {
    started: Instant,
    offset: Arc<AtomicI64>,
}

impl Default for Clock {
    fn default() -> Self {
        Self { started: Instant::now(), offset: Arc::default() }
    }
}

impl Clock {
    pub fn now(&self) -> Millis {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        since.as_millis() as Millis + self.offset.load(Ordering::Relaxed)
    }

    /// A UUIDv7 of this moment.
    pub fn new_id(&self) -> Uuid {
        let now = self.now().max(0) as u64;
        Uuid::new_v7(Timestamp::from_unix(NoContext, now / 1_000, (now % 1_000) as u32 * 1_000_000))
    }

    /// Move the clock forward; every copy of it moves too.
    pub fn advance(&self, by: Millis) {
        self.offset.fetch_add(by, Ordering::Relaxed);
    }
}

/// The rate limits count on a clock that is never set back: else everyone would be refused until it has caught
/// up.
impl governor::clock::Clock for Clock {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        let moved = Duration::from_millis(self.offset.load(Ordering::Relaxed).max(0) as u64);
        Nanos::from(self.started.elapsed() + moved)
    }
}
