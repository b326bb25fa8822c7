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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_are_spread_over_a_time_that_doubles_up_to_the_longest() {
        for (failures, most) in [(0, 1), (1, 2), (4, 16), (5, 30), (99, 30)] {
            let delays: Vec<_> = (0..1_000).map(|_| Backoff::default().delay(failures)).collect();
            let tenth = Duration::from_secs(most) / 10;
            for at in 0..10 {
                let part = tenth * at..tenth * (at + 1);
                assert!(delays.iter().any(|delay| part.contains(delay)), "none in {part:?}");
            }
            assert!(delays.iter().all(|delay| *delay < tenth * 10));
        }
    }
}
