//! What the person who runs the benchmark reads: sentences on standard error as it goes, and at the end one
//! line of JSON on standard output.

use serde::Serialize;

use crate::Result;

/// Everything that was measured; `null` is what was not.
#[derive(Default, Serialize)]
pub struct Figures {
    pub messages_per_second_1: Option<f64>,
    pub messages_per_second_16: Option<f64>,
    pub relay_per_second_1: Option<f64>,
    pub relay_per_second_16: Option<f64>,
    pub p50_ms: Option<f64>,
    pub p99_ms: Option<f64>,
    pub bytes_per_idle_connection: Option<f64>,
    pub idle_rss_mb: Option<f64>,
    pub cold_start_ms: Option<f64>,
}

#[allow(clippy::print_stderr, reason = "the one place that talks to whoever runs the benchmark")]
pub fn note(text: &str) {
    eprintln!("{text}");
}

#[allow(clippy::print_stdout, reason = "the result of the program")]
pub fn conclude(figures: &Figures) -> Result<()> {
    println!("{}", serde_json::to_string(figures)?);
    Ok(())
}

/// The middle one.
pub fn median(mut all: Vec<f64>) -> f64 {
    all.sort_by(f64::total_cmp);
    all[all.len() / 2]
}
