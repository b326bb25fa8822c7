//! The last lines of this process's log, for the administrators' page. A process has one log, so this is the one global
//! thing; what it holds is what also goes to standard error, and never a secret.

use std::collections::VecDeque;
use std::io;
use std::sync::{LazyLock, Mutex, PoisonError};

use serde::Serialize;
use serde_json::{Map, Value};
use tracing_subscriber::fmt::MakeWriter;
use utoipa::ToSchema;

/// Lines, and bytes of them.
const MAX_LINES: usize = 5_000;
const MAX_BYTES: usize = 2 << 20;

static BOOK: LazyLock<Mutex<Book>> = LazyLock::new(Mutex::default);

#[derive(Default)]
struct Book {
    lines: VecDeque<(u64, String)>,
    bytes: usize,
    written: u64,
}

impl Book {
    fn write(&mut self, line: String) {
        self.written += 1;
        self.bytes += line.len();
        self.lines.push_back((self.written, line));
        while self.lines.len() > MAX_LINES || self.bytes > MAX_BYTES {
            let Some((_, line)) = self.lines.pop_front() else { break };
            self.bytes -= line.len();
        }
    }
}

/// For the subscriber that formats events as JSON, a line each.
pub struct Writer;

impl io::Write for Writer {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(line).into_owned();
        BOOK.lock().unwrap_or_else(PoisonError::into_inner).write(text);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Writer {
    type Writer = Writer;

    fn make_writer(&self) -> Writer {
        Writer
    }
}

/// Grave ones first.
const LEVELS: [&str; 5] = ["ERROR", "WARN", "INFO", "DEBUG", "TRACE"];

#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct LogLine {
    /// Lines are numbered from 1 in each process.
    pub number: u64,
    /// RFC 3339, UTC.
    pub time: String,
    /// `ERROR`, `WARN`, `INFO`, `DEBUG` or `TRACE`.
    pub level: String,
    /// The part of the program.
    pub target: String,
    pub message: String,
    /// What else was noted with it, `name=value`.
    pub fields: String,
}

impl LogLine {
    fn read(number: u64, line: &str) -> Option<Self> {
        let mut of: Map<String, Value> = serde_json::from_str(line).ok()?;
        let mut text = |name: &str| of.remove(name).and_then(|value| value.as_str().map(str::to_owned));
        let (time, level, target) = (text("timestamp")?, text("level")?, text("target")?);
        let mut noted =
            of.remove("fields").and_then(|fields| fields.as_object().cloned()).unwrap_or_default();
        let message = noted.remove("message").map(|value| plain(&value)).unwrap_or_default();
        // What the request was in which it was said.
        let span = of.remove("span").and_then(|span| span.as_object().cloned()).unwrap_or_default();
        let around = span.into_iter().filter(|(name, _)| name != "name");
        let fields = noted.into_iter().chain(around).map(|(name, value)| format!("{name}={}", plain(&value)));
        let fields = fields.collect::<Vec<_>>().join(" ");
        Some(Self { number, time, level, target, message, fields })
    }

    fn has(&self, words: &str) -> bool {
        [&self.target, &self.message, &self.fields].iter().any(|text| text.to_lowercase().contains(words))
    }
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// The last `limit` lines after a number, of this level or graver, with these words somewhere; in their order.
pub fn lines(after: u64, level: &str, words: &str, limit: usize) -> Vec<LogLine> {
    let kept = LEVELS.iter().position(|each| each.eq_ignore_ascii_case(level)).unwrap_or(LEVELS.len());
    let words = words.to_lowercase();
    let book = BOOK.lock().unwrap_or_else(PoisonError::into_inner);
    let later = book.lines.iter().rev().take_while(|(number, _)| *number > after);
    let read = later.filter_map(|(number, line)| LogLine::read(*number, line));
    let of_level = |line: &LogLine| LEVELS.iter().take(kept + 1).any(|each| *each == line.level);
    let mut found: Vec<LogLine> =
        read.filter(|line| of_level(line) && (words.is_empty() || line.has(&words))).take(limit).collect();
    found.reverse();
    found
}

#[cfg(test)]
mod tests {
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    fn told(log: impl FnOnce()) -> u64 {
        let before = BOOK.lock().unwrap().written;
        let layer = tracing_subscriber::fmt::layer().json().with_span_list(false).with_writer(Writer);
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), log);
        before
    }

    #[test]
    fn the_log_can_be_read_by_level_and_by_words() {
        let before = told(|| {
            let span = tracing::info_span!("request", path = "/api/session");
            let _within = span.enter();
            tracing::info!(status = 200, "answered");
            tracing::warn!("the disk is nearly full");
            tracing::error!(error = "broken pipe", "a connection ended badly");
        });
        let all = lines(before, "trace", "", 100);
        let of = |lines: &[LogLine]| lines.iter().map(|line| line.message.clone()).collect::<Vec<_>>();
        assert_eq!(of(&all), ["answered", "the disk is nearly full", "a connection ended badly"]);
        assert_eq!(all[0].fields, "status=200 path=/api/session");
        assert!(all[0].target.contains("log_book"));
        assert_eq!(of(&lines(before, "warn", "", 100)), of(&all)[1..]);
        assert_eq!(of(&lines(before, "trace", "BROKEN", 100)), of(&all)[2..]);
        assert_eq!(of(&lines(all[1].number, "trace", "", 100)), of(&all)[2..]);
        assert_eq!(of(&lines(before, "trace", "", 1)), of(&all)[2..], "the latest");
    }

    #[test]
    fn it_keeps_no_more_than_it_should() {
        let mut book = Book::default();
        for _ in 0..3 * MAX_LINES {
            book.write("x".repeat(1_000));
        }
        assert!(book.lines.len() <= MAX_LINES && book.bytes <= MAX_BYTES);
        assert_eq!(book.written, 3 * MAX_LINES as u64);
    }
}
