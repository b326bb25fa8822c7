//! Tables for a spreadsheet: RFC 4180, in UTF-8 with the mark by which Excel knows it.

use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use time::OffsetDateTime;

use crate::clock::{DAY, HOUR, MINUTE, Millis, SECOND};
use crate::error::{Error, Result};

pub struct Csv(String);

impl Csv {
    pub fn new(head: &[&str]) -> Self {
        let mut csv = Self("\u{FEFF}".to_owned());
        csv.line(head.iter().map(|title| cell(title)));
        csv
    }

    /// Words, then numbers; nothing where there is none.
    pub fn row(
        &mut self,
        words: impl IntoIterator<Item = String>,
        numbers: impl IntoIterator<Item = Option<i64>>,
    ) {
        let words = words.into_iter().map(|words| cell(&words));
        let numbers =
            numbers.into_iter().map(|number| number.map(|number| number.to_string()).unwrap_or_default());
        self.line(words.chain(numbers));
    }

    pub fn finish(self) -> String {
        self.0
    }

    fn line(&mut self, cells: impl Iterator<Item = String>) {
        self.0.push_str(&cells.collect::<Vec<_>>().join(","));
        self.0.push_str("\r\n");
    }
}

/// A table as a file, which has the day in its name.
pub fn file(name: &str, now: Millis, table: String) -> Result<Response> {
    let disposition = format!("attachment; filename=\"{name}-{}.csv\"", date(now));
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/csv; charset=utf-8")),
        (header::CONTENT_DISPOSITION, HeaderValue::from_str(&disposition).map_err(Error::internal)?),
    ];
    Ok((headers, table).into_response())
}

/// In quotes; and where a spreadsheet would calculate with it, with an apostrophe in front, which says that it is text.
fn cell(text: &str) -> String {
    let begins_formula =
        |c: char| ['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠'].contains(&c);
    // Some skip what cannot be seen before they look.
    let formula = text.trim_start().starts_with(begins_formula) || text.starts_with(begins_formula);
    format!("\"{}{}\"", if formula { "'" } else { "" }, text.replace('"', "\"\""))
}

/// The day in UTC, as ISO 8601 has it.
pub fn date(at: Millis) -> String {
    OffsetDateTime::from_unix_timestamp(at.div_euclid(SECOND))
        .map(|moment| moment.date().to_string())
        .unwrap_or_default()
}

/// To the second, in UTC.
pub fn date_and_time(at: Millis) -> String {
    let of_day = at.rem_euclid(DAY);
    let (hour, minute, second) = (of_day / HOUR, of_day % HOUR / MINUTE, of_day % MINUTE / SECOND);
    format!("{}T{hour:02}:{minute:02}:{second:02}Z", date(at))
}

pub fn date_and_hour(at: Millis) -> String {
    format!("{}T{:02}:00Z", date(at), at.rem_euclid(DAY) / HOUR)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comment_cannot_leave_its_cell_or_become_a_formula() {
        for (text, expected) in [
            ("fine, \"really\"\nyes", "\"fine, \"\"really\"\"\nyes\""),
            ("=HYPERLINK(\"x\")", "\"'=HYPERLINK(\"\"x\"\")\""),
            ("  +1", "\"'  +1\""),
            ("-2", "\"'-2\""),
            ("@SUM(A1)", "\"'@SUM(A1)\""),
            ("\t=1", "\"'\t=1\""),
            ("＝1", "\"'＝1\""),
            ("a=1", "\"a=1\""),
        ] {
            assert_eq!(cell(text), expected, "{text}");
        }
    }

    #[test]
    fn days_have_their_dates() {
        for (day, expected) in
            [(0, "1970-01-01"), (11_016, "2000-02-29"), (20_786, "2026-11-29"), (-1, "1969-12-31")]
        {
            assert_eq!(date(day * DAY), expected);
        }
        assert_eq!(date_and_time(20_786 * DAY + 7 * HOUR + 65_004), "2026-11-29T07:01:05Z");
        assert_eq!(date_and_hour(20_786 * DAY + 7 * HOUR + 5), "2026-11-29T07:00Z");
    }
}
