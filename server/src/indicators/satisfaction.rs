//! Satisfaction: of those who answered, how many are satisfied. What people said is shown only where at least
//! [`ENOUGH`] of them did, in periods that do not overlap: two sums cannot be taken from each other.

use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use serde::Serialize;
use std::collections::HashMap;
use utoipa::ToSchema;

use crate::app::App;
use crate::clock::{DAY, Millis};
use crate::csv::{Csv, date};
use crate::error::Result;
use crate::schema::tables::{opinions, surveyed};

/// Of the answers, in percent, that are 4 or 5.
const TARGET: i64 = 90;
const ENOUGH: i64 = 5;
const WEEK: Millis = 7 * DAY;
/// Weeks of a period, of which the last ends with this week.
const WEEKS: i64 = 13;
const PERIODS: i64 = 4;
/// 1970-01-01 was a Thursday.
const FIRST_MONDAY: Millis = 4 * DAY;

/// Counted from Monday, 1970-01-05.
pub fn week(at: Millis) -> i64 {
    (at - FIRST_MONDAY).div_euclid(WEEK)
}

fn monday(week: i64) -> Millis {
    FIRST_MONDAY + week * WEEK
}

#[derive(Serialize, ToSchema)]
pub struct Satisfaction {
    /// Percent.
    target: i64,
    /// So many answers it takes for a period to be shown.
    enough: i64,
    /// Of thirteen weeks, the latest first.
    periods: Vec<SatisfactionPeriod>,
    /// Of the latest period, where it is shown, in no order.
    comments: Vec<String>,
}

#[derive(Serialize, ToSchema)]
pub struct SatisfactionPeriod {
    from: Millis,
    /// Its last day.
    to: Millis,
    /// How many people were asked in this period,
    asked: i64,
    /// and have answered since.
    answered: i64,
    /// Answers of this period.
    answers: i64,
    /// How many of them are 1, 2, 3, 4 and 5; none where they are too few.
    scores: Option<Vec<i64>>,
}

pub async fn look(app: &App) -> Result<Satisfaction> {
    let this_week = week(app.clock.now());
    let period_of = |week: i64| (this_week - week).div_euclid(WEEKS);
    let first_week = this_week + 1 - PERIODS * WEEKS;
    let db = app.db.read();

    let counts: Vec<(i64, i16, i64)> = opinions::Entity::find()
        .select_only()
        .column(opinions::Column::Week)
        .column(opinions::Column::Score)
        .column_as(Expr::col(opinions::Column::Id).count(), "answers")
        .filter(opinions::Column::Week.gte(first_week))
        .group_by(opinions::Column::Week)
        .group_by(opinions::Column::Score)
        .into_tuple()
        .all(db)
        .await?;
    let mut scores: HashMap<i64, [i64; 5]> = HashMap::new();
    for (week, score, count) in counts {
        let of_period = scores.entry(period_of(week)).or_default();
        if let Some(sum) = usize::try_from(score - 1).ok().and_then(|score| of_period.get_mut(score)) {
            *sum += count;
        }
    }
    let mut asked: HashMap<i64, (i64, i64)> = HashMap::new();
    let rows: Vec<(Millis, bool)> = surveyed::Entity::find()
        .select_only()
        .column(surveyed::Column::AskedAt)
        .column(surveyed::Column::Answered)
        .filter(surveyed::Column::AskedAt.gte(monday(first_week)))
        .into_tuple()
        .all(db)
        .await?;
    for (at, answered) in rows {
        let of_period = asked.entry(period_of(week(at))).or_default();
        of_period.0 += 1;
        of_period.1 += i64::from(answered);
    }
    let period = |ago: i64| {
        let scores = scores.get(&ago).copied().unwrap_or_default();
        let answers = scores.iter().sum();
        let (asked, answered) = asked.get(&ago).copied().unwrap_or_default();
        let end = this_week + 1 - ago * WEEKS;
        SatisfactionPeriod {
            from: monday(end - WEEKS),
            to: monday(end) - DAY,
            asked,
            answered,
            answers,
            scores: (answers >= ENOUGH).then(|| scores.to_vec()),
        }
    };
    let periods: Vec<_> = (0..PERIODS).map(period).collect();
    let comments = match &periods[0].scores {
        None => Vec::new(),
        Some(_) => {
            opinions::Entity::find()
                .select_only()
                .column(opinions::Column::Comment)
                .filter(opinions::Column::Week.gt(this_week - WEEKS))
                .filter(opinions::Column::Comment.ne(""))
                // At random: that is what the ids are.
                .order_by_asc(opinions::Column::Id)
                .into_tuple()
                .all(db)
                .await?
        }
    };
    Ok(Satisfaction { target: TARGET, enough: ENOUGH, periods, comments })
}

impl Satisfaction {
    pub fn csv(&self) -> String {
        let mut csv = Csv::new(&["from", "to", "asked", "answered", "answers", "1", "2", "3", "4", "5"]);
        for period in &self.periods {
            let scores = period.scores.clone().unwrap_or_default();
            let scores = (0..5).map(|score| scores.get(score).copied());
            let numbers = [period.asked, period.answered, period.answers].map(Some);
            csv.row([date(period.from), date(period.to)], numbers.into_iter().chain(scores));
        }
        csv.finish()
    }

    pub fn comments_csv(&self) -> String {
        let mut csv = Csv::new(&["comment"]);
        self.comments.iter().for_each(|comment| csv.row([comment.clone()], []));
        csv.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_week_begins_on_monday() {
        // 2026-11-29 was a Sunday.
        let monday_after = 20_787 * DAY;
        assert_eq!(week(monday_after) - week(monday_after - 1), 1);
        assert_eq!(monday(week(monday_after + 6 * DAY)), monday_after);
    }
}
