//! Whether what people send is stored at the moment, for the log and for whoever watches over the server. A full
//! disk refuses thousands of batches: it is said at once, and then once a minute while it lasts.

use std::fmt::Display;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

const REMIND_EVERY: Duration = Duration::from_secs(60);

#[derive(Clone, Default)]
pub struct Health(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    fails: bool,
    said_at: Option<Instant>,
    /// What was said last is that it fails.
    complained: bool,
}

impl Health {
    pub fn is_good(&self) -> bool {
        !self.0.lock().unwrap_or_else(PoisonError::into_inner).fails
    }

    /// Something new was stored.
    pub fn stored(&self) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.fails = false;
        if std::mem::take(&mut state.complained) {
            tracing::info!("messages are stored again");
        }
    }

    pub fn failed(&self, error: &dyn Display) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.fails = true;
        if state.said_at.is_none_or(|at| at.elapsed() >= REMIND_EVERY) {
            tracing::error!(%error, "messages cannot be stored: whoever sends is told to try again");
            state.said_at = Some(Instant::now());
            state.complained = true;
        }
    }
}
