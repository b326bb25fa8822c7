//! How long to wait before trying again.

use std::time::Duration;

/// Before the next attempt: any time up to `first`, twice as much after each failure, up to
/// `longest`. All of it is random, so that after a restart of the server its clients come back spread out.
#[derive(Clone, Copy, Debug)]
pub struct Backoff {
    pub first: Duration,
    pub longest: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { first: Duration::from_secs(1), longest: Duration::from_secs(30) }
    }
}

impl Backoff {
    pub(crate) fn delay(self, failures: u32) -> Duration {
        let most = self.first.saturating_mul(2_u32.saturating_pow(failures)).min(self.longest);
        most.mul_f64(fastrand::f64())
    }
}
