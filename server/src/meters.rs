//! What this process counts of its own work: how much, how fast, how full. Numbers only; of no person, no conversation,
//! no text. Read by [`crate::monitoring`], and by Prometheus.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use hdrhistogram::Histogram as Timings;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::error::{Error, Result};

/// Microseconds: longer than any request may take.
const LONGEST: u64 = 120_000_000;

/// What is counted over a time, and what was seen in it.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize, ToSchema)]
#[serde(default)]
pub struct Sample {
    pub requests: u64,
    /// Answered with 4xx.
    pub refused: u64,
    /// Answered with 5xx.
    pub failed: u64,
    /// Stored.
    pub messages: u64,
    /// Log-ins begun. Who has a wrong password notices it alone, and does not come back.
    pub begun_sign_ins: u64,
    /// Log-ins that led in.
    pub sign_ins: u64,
    /// Messages that a browser could not open, as it says itself.
    pub unopened: u64,
    /// Of the requests that were answered.
    pub request_time: Quantiles,
    /// Of the writer's batches, until they are stored.
    pub batch_time: Quantiles,
    /// Of the messages whose recipient was there: from the press of "send" to their screen.
    pub delivery_time: Quantiles,
    /// The most at once.
    pub connections: u64,
    /// The most that waited for the writer at once.
    pub queue: u64,
    /// How long the database took to answer, at worst, in microseconds.
    pub database_time: u64,
    /// Bytes in use, at last.
    pub memory: u64,
    /// Bytes left on the disk of the data folder, at last.
    pub disk_left: u64,
}

/// In microseconds; zeros where nothing was measured.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize, ToSchema)]
pub struct Quantiles {
    pub p50: u64,
    pub p95: u64,
    pub p99: u64,
}

impl Sample {
    /// Together with that of another node, or of a later time: sums, and the worse of both.
    pub fn add(&mut self, other: &Sample) {
        self.requests += other.requests;
        self.refused += other.refused;
        self.failed += other.failed;
        self.messages += other.messages;
        self.begun_sign_ins += other.begun_sign_ins;
        self.sign_ins += other.sign_ins;
        self.unopened += other.unopened;
        self.request_time.worse(other.request_time);
        self.batch_time.worse(other.batch_time);
        self.delivery_time.worse(other.delivery_time);
        self.connections = self.connections.max(other.connections);
        self.queue = self.queue.max(other.queue);
        self.database_time = self.database_time.max(other.database_time);
        self.memory = self.memory.max(other.memory);
        self.disk_left = match self.disk_left {
            0 => other.disk_left,
            left => left.min(other.disk_left),
        };
    }
}

impl Quantiles {
    fn of(timings: &Timings<u64>) -> Self {
        let at = |quantile| timings.value_at_quantile(quantile);
        Self { p50: at(0.5), p95: at(0.95), p99: at(0.99) }
    }

    fn worse(&mut self, other: Quantiles) {
        self.p50 = self.p50.max(other.p50);
        self.p95 = self.p95.max(other.p95);
        self.p99 = self.p99.max(other.p99);
    }
}

/// How things stand at a moment.
#[derive(Clone, Copy, Debug, Default)]
pub struct Look {
    pub connections: u64,
    pub queue: u64,
    /// None where it did not answer.
    pub database_time: Option<Duration>,
    pub memory: u64,
    pub disk_left: u64,
}

/// For how long the counts of a sample are added up.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Span {
    Minute,
    HalfHour,
}

struct Period {
    sample: Sample,
    requests: Timings<u64>,
    batches: Timings<u64>,
    deliveries: Timings<u64>,
}

impl Period {
    fn new() -> Self {
        // Two digits of a microsecond are exact enough, in some 25 kB.
        let timings = || Timings::new_with_bounds(1, LONGEST, 2).expect("these bounds are allowed");
        Self { sample: Sample::default(), requests: timings(), batches: timings(), deliveries: timings() }
    }

    fn close(&mut self) -> Sample {
        let mut sample = std::mem::take(&mut self.sample);
        sample.request_time = Quantiles::of(&self.requests);
        sample.batch_time = Quantiles::of(&self.batches);
        sample.delivery_time = Quantiles::of(&self.deliveries);
        // What was seen last still stands.
        self.sample.memory = sample.memory;
        self.sample.disk_left = sample.disk_left;
        self.requests.reset();
        self.batches.reset();
        self.deliveries.reset();
        sample
    }
}

pub struct Meters {
    registry: Registry,
    requests: Counter,
    refused: Counter,
    failed: Counter,
    messages: Counter,
    begun_sign_ins: Counter,
    sign_ins: Counter,
    unopened: Counter,
    request_time: Histogram,
    batch_time: Histogram,
    delivery_time: Histogram,
    connections: Gauge,
    queue: Gauge,
    memory: Gauge,
    disk_left: Gauge,
    /// A minute, and half an hour.
    periods: Mutex<[Period; 2]>,
}

impl Default for Meters {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("entrenous");
        let mut counter = |name, help| {
            let counter = Counter::default();
            registry.register(name, help, counter.clone());
            counter
        };
        let requests = counter("requests", "Requests answered");
        let refused = counter("requests_refused", "Requests answered with 4xx");
        let failed = counter("requests_failed", "Requests answered with 5xx");
        let messages = counter("messages", "Messages stored");
        let begun_sign_ins = counter("sign_ins_begun", "Log-ins begun");
        let sign_ins = counter("sign_ins", "Log-ins that led in");
        let unopened = counter("messages_unopened", "Messages that browsers could not open");
        let mut gauge = |name, help| {
            let gauge = Gauge::default();
            registry.register(name, help, gauge.clone());
            gauge
        };
        let connections = gauge("connections", "Live connections");
        let queue = gauge("queue", "Work that waits for the writer");
        let memory = gauge("memory_bytes", "Resident memory");
        let disk_left = gauge("disk_left_bytes", "Free space on the disk of the data folder");
        let mut timing = |name, help| {
            // From a quarter of a millisecond to 16 seconds.
            let histogram = Histogram::new(exponential_buckets(0.000_25, 2.0, 17));
            registry.register_with_unit(name, help, Unit::Seconds, histogram.clone());
            histogram
        };
        let request_time = timing("request_time", "From a request to its answer");
        let batch_time = timing("batch_time", "To store a batch of messages and receipts");
        let delivery_time =
            timing("delivery_time", "From the press of \"send\" to the screen of who is there");
        Self {
            requests,
            refused,
            failed,
            messages,
            begun_sign_ins,
            sign_ins,
            unopened,
            request_time,
            batch_time,
            delivery_time,
            connections,
            queue,
            memory,
            disk_left,
            periods: Mutex::new([Period::new(), Period::new()]),
            registry,
        }
    }
}

impl Meters {
    /// A request was answered.
    pub fn answered(&self, status: u16, took: Duration) {
        self.requests.inc();
        self.request_time.observe(took.as_secs_f64());
        match status {
            400..500 => drop(self.refused.inc()),
            500.. => drop(self.failed.inc()),
            _ => {}
        }
        self.in_each(|period| {
            period.sample.requests += 1;
            period.sample.refused += u64::from((400..500).contains(&status));
            period.sample.failed += u64::from(status >= 500);
            period.requests.saturating_record(micros(took));
        });
    }

    /// Somebody begins to log in.
    pub fn begun_to_sign_in(&self) {
        self.begun_sign_ins.inc();
        self.in_each(|period| period.sample.begun_sign_ins += 1);
    }

    /// And is in.
    pub fn signed_in(&self) {
        self.sign_ins.inc();
        self.in_each(|period| period.sample.sign_ins += 1);
    }

    /// A browser could not open so many messages.
    pub fn unopened(&self, messages: u32) {
        self.unopened.inc_by(messages.into());
        self.in_each(|period| period.sample.unopened += u64::from(messages));
    }

    /// The writer has stored a batch with so many messages.
    pub fn stored(&self, messages: usize, took: Duration) {
        let messages = messages as u64;
        self.messages.inc_by(messages);
        self.batch_time.observe(took.as_secs_f64());
        self.in_each(|period| {
            period.sample.messages += messages;
            period.batches.saturating_record(micros(took));
        });
    }

    /// A message has come to the screen of who was there.
    pub fn delivered(&self, took: Duration) {
        self.delivery_time.observe(took.as_secs_f64());
        self.in_each(|period| period.deliveries.saturating_record(micros(took)));
    }

    pub fn look(&self, look: Look) {
        let signed = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        self.connections.set(signed(look.connections));
        self.queue.set(signed(look.queue));
        self.memory.set(signed(look.memory));
        self.disk_left.set(signed(look.disk_left));
        self.in_each(|Period { sample, .. }| {
            sample.connections = sample.connections.max(look.connections);
            sample.queue = sample.queue.max(look.queue);
            sample.database_time = sample.database_time.max(look.database_time.map_or(LONGEST, micros));
            sample.memory = look.memory;
            sample.disk_left = look.disk_left;
        });
    }

    /// What was counted since this was last asked for the same span.
    pub fn close(&self, span: Span) -> Sample {
        let mut periods = self.periods.lock().unwrap_or_else(PoisonError::into_inner);
        periods[span as usize].close()
    }

    /// All counts since the start, in the text format of Prometheus (OpenMetrics).
    pub fn render(&self) -> Result<String> {
        let mut text = String::new();
        encode(&mut text, &self.registry).map_err(Error::internal)?;
        Ok(text)
    }

    fn in_each(&self, note: impl Fn(&mut Period)) {
        self.periods.lock().unwrap_or_else(PoisonError::into_inner).iter_mut().for_each(note);
    }
}

fn micros(took: Duration) -> u64 {
    u64::try_from(took.as_micros()).unwrap_or(LONGEST)
}
