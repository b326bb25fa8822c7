//! Speed: how long it takes from the press of "send" until a message stands on the screen of somebody who is
//! connected. Kept are counts by hour and by how long, never anything of a pair or a person.

use std::collections::HashMap;

use sea_orm::sea_query::{Expr, ExprTrait, OnConflict};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter};
use serde::Serialize;
use utoipa::ToSchema;

use super::pulse::Delays;
use crate::app::App;
use crate::clock::{DAY, HOUR, Millis, SECOND};
use crate::csv::{Csv, date_and_hour};
use crate::error::Result;
use crate::schema::tables::delays;

/// Of the mean.
const TARGET: Millis = 2 * SECOND;
const DAYS: i64 = 30;
const HOURS: i64 = 24;
/// Where one bucket ends and the next begins: six to a tenfold. They are stored by their numbers, so these never change.
const BOUNDS: [Millis; 23] = [
    15, 22, 33, 50, 70, 100, 150, 220, 330, 500, 700, 1_000, 1_500, 2_000, 3_000, 5_000, 7_000, 10_000,
    15_000, 22_000, 33_000, 60_000, 600_000,
];

/// The last one has no end.
pub fn bucket(milliseconds: Millis) -> i16 {
    BOUNDS.partition_point(|bound| *bound < milliseconds) as i16
}

#[derive(Serialize, ToSchema)]
pub struct Speed {
    /// Of the mean, in milliseconds.
    target: Millis,
    /// The last 30 days, today among them.
    month: SpeedFigures,
    /// How many messages of these days took how long; none where none did.
    buckets: Vec<SpeedBucket>,
    days: Vec<SpeedAt>,
    /// The last 24, this one among them.
    hours: Vec<SpeedAt>,
}

#[derive(Clone, Copy, Serialize, ToSchema)]
pub struct SpeedFigures {
    messages: i64,
    /// Milliseconds, as all here.
    mean: Option<Millis>,
    /// As long or shorter took 95 of 100; exact to the bucket.
    p95: Option<Millis>,
}

#[derive(Serialize, ToSchema)]
pub struct SpeedBucket {
    /// More than this,
    above: Millis,
    /// and no more than this.
    up_to: Option<Millis>,
    messages: i64,
}

#[derive(Serialize, ToSchema)]
pub struct SpeedAt {
    /// Its beginning.
    at: Millis,
    #[serde(flatten)]
    figures: SpeedFigures,
}

/// On one node or several, all add to the same rows.
pub async fn store(tx: &impl ConnectionTrait, noted: &HashMap<(i64, i16), Delays>) -> Result<()> {
    use delays::Column;
    let add = |column: Column, more: i64| Expr::col((delays::Entity, column)).add(more);
    for (&(hour, bucket), &Delays { messages, milliseconds }) in noted {
        let row = delays::Model { hour, bucket, messages, milliseconds };
        let more = OnConflict::columns([Column::Hour, Column::Bucket])
            .value(Column::Messages, add(Column::Messages, messages))
            .value(Column::Milliseconds, add(Column::Milliseconds, milliseconds))
            .to_owned();
        delays::Entity::insert(delays::ActiveModel::from(row))
            .on_conflict(more)
            .exec_without_returning(tx)
            .await?;
    }
    Ok(())
}

pub async fn look(app: &App) -> Result<Speed> {
    let now = app.clock.now();
    let first_day = now.div_euclid(DAY) - DAYS + 1;
    let first_hour = now.div_euclid(HOUR) - HOURS + 1;
    let from = first_day * DAY / HOUR;
    let rows = delays::Entity::find().filter(delays::Column::Hour.gte(from)).all(app.db.read()).await?;
    let of = |rows: &mut dyn Iterator<Item = &delays::Model>| {
        let mut histogram = Histogram::default();
        rows.for_each(|row| histogram.add(row));
        histogram
    };
    let day_of = |row: &delays::Model| (row.hour * HOUR).div_euclid(DAY);
    let month = of(&mut rows.iter().filter(|row| day_of(row) >= first_day));
    let day = |day| {
        let figures = of(&mut rows.iter().filter(|row| day_of(row) == day)).figures();
        SpeedAt { at: day * DAY, figures }
    };
    let hour = |hour| {
        let figures = of(&mut rows.iter().filter(|row| row.hour == hour)).figures();
        SpeedAt { at: hour * HOUR, figures }
    };
    Ok(Speed {
        target: TARGET,
        month: month.figures(),
        buckets: month.buckets(),
        days: (first_day..first_day + DAYS).map(day).collect(),
        hours: (first_hour..first_hour + HOURS).map(hour).collect(),
    })
}

/// The buckets of some hours.
#[derive(Default)]
struct Histogram([Delays; BOUNDS.len() + 1]);

impl Histogram {
    fn add(&mut self, row: &delays::Model) {
        let bucket = usize::try_from(row.bucket).ok().and_then(|bucket| self.0.get_mut(bucket));
        if let Some(bucket) = bucket {
            *bucket += Delays { messages: row.messages, milliseconds: row.milliseconds };
        }
    }

    fn figures(&self) -> SpeedFigures {
        let mut all = Delays::default();
        self.0.iter().for_each(|each| all += *each);
        let Delays { messages, milliseconds } = all;
        SpeedFigures { messages, mean: (messages > 0).then(|| milliseconds / messages), p95: self.p95() }
    }

    /// Within its bucket as if all were spread evenly; in the last one, its mean.
    fn p95(&self) -> Option<Millis> {
        let all: i64 = self.0.iter().map(|each| each.messages).sum();
        let mut rank = (all * 95 + 99) / 100;
        for (bucket, each) in self.0.iter().enumerate() {
            if rank > each.messages || each.messages == 0 {
                rank -= each.messages;
                continue;
            }
            let above = above(bucket);
            return Some(match BOUNDS.get(bucket) {
                Some(bound) => above + (bound - above) * rank / each.messages,
                None => each.milliseconds / each.messages,
            });
        }
        None
    }

    /// From the first with messages to the last.
    fn buckets(&self) -> Vec<SpeedBucket> {
        let filled = |each: &Delays| each.messages > 0;
        let (Some(first), Some(last)) = (self.0.iter().position(filled), self.0.iter().rposition(filled))
        else {
            return Vec::new();
        };
        let bucket = |bucket: usize| SpeedBucket {
            above: above(bucket),
            up_to: BOUNDS.get(bucket).copied(),
            messages: self.0[bucket].messages,
        };
        (first..=last).map(bucket).collect()
    }
}

fn above(bucket: usize) -> Millis {
    bucket.checked_sub(1).map_or(0, |before| BOUNDS[before])
}

impl Speed {
    pub fn csv(&self) -> String {
        let mut csv = Csv::new(&["span", "from", "messages", "mean ms", "p95 ms"]);
        for (span, points) in [("day", &self.days), ("hour", &self.hours)] {
            for SpeedAt { at, figures: SpeedFigures { messages, mean, p95 } } in points {
                csv.row([span.to_owned(), date_and_hour(*at)], [Some(*messages), *mean, *p95]);
            }
        }
        csv.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn histogram(delays: &[Millis]) -> Histogram {
        let mut histogram = Histogram::default();
        for &milliseconds in delays {
            let bucket = bucket(milliseconds);
            histogram.add(&delays::Model { hour: 0, bucket, messages: 1, milliseconds });
        }
        histogram
    }

    #[test]
    fn a_delay_lies_between_the_bounds_of_its_bucket() {
        for (milliseconds, expected) in [(0, 0), (15, 0), (16, 1), (2_000, 13), (2_001, 14), (600_001, 23)] {
            assert_eq!(bucket(milliseconds), expected, "{milliseconds}");
        }
        assert!(BOUNDS.is_sorted());
    }

    #[test]
    fn the_mean_is_exact_and_the_95th_percentile_lies_in_its_bucket() {
        // 19 of 120 ms and one of 4,000: the 19th of twenty is the last within 150.
        let mut delays = vec![120; 19];
        delays.push(4_000);
        let figures = histogram(&delays).figures();
        assert_eq!((figures.messages, figures.mean, figures.p95), (20, Some(314), Some(150)));
        delays.push(4_000);
        // The 20th of 21 is the first of two between 3,000 and 5,000.
        assert_eq!(histogram(&delays).figures().p95, Some(4_000));
        assert_eq!(histogram(&[700_000]).figures().p95, Some(700_000));
        let none = histogram(&[]).figures();
        assert_eq!((none.messages, none.mean, none.p95), (0, None, None));
    }
}
