//! What the person who runs the benchmark reads: sentences on standard error as it goes, and at the end one
//! line of JSON on standard output.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::Result;
use crate::disk::syncs;
use crate::process::{Process, cpu_seconds};

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

pub fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

pub fn rounded(figure: f64, digits: i32) -> f64 {
    let scale = 10_f64.powi(digits);
    (figure * scale).round() / scale
}

/// What a phase costs: the processor time of the program under load and of this one, and the disk.
pub struct Load {
    began: Instant,
    process: u32,
    its_cpu: f64,
    own_cpu: f64,
    folder: PathBuf,
    syncs: Option<u64>,
}

impl Load {
    pub fn begin(process: &Process, folder: &Path) -> Result<Self> {
        Ok(Self {
            began: Instant::now(),
            process: process.id(),
            its_cpu: cpu_seconds(process.id())?,
            own_cpu: cpu_seconds(std::process::id())?,
            folder: folder.to_owned(),
            syncs: syncs(folder),
        })
    }

    /// What it was until now, for so many messages.
    pub fn told(&self, messages: u64) -> Result<String> {
        let its = cpu_seconds(self.process)? - self.its_cpu;
        let own = cpu_seconds(std::process::id())? - self.own_cpu;
        let each = |seconds: f64| seconds * 1e6 / messages as f64;
        let mut told = format!(
            "processor: {its:.2} s ({:.1} µs a message), generator {own:.2} s ({:.1} µs)",
            each(its),
            each(own)
        );
        if let (Some(before), Some(after)) = (self.syncs, syncs(&self.folder)) {
            let per_second = (after - before) as f64 / self.began.elapsed().as_secs_f64();
            told.push_str(&format!("; disk: {per_second:.0} syncs/s"));
        }
        Ok(told)
    }
}
