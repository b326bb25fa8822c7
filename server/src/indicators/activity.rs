//! Use: of all who have an account, how many sent or read something in the last thirty days.

use std::collections::HashSet;

use sea_orm::sea_query::{Expr, ExprTrait, SelectStatement};
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder,
    QuerySelect, QueryTrait,
};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::app::App;
use crate::clock::{DAY, Millis};
use crate::csv::{Csv, date};
use crate::error::Result;
use crate::schema::tables::{accounts, activity};

/// Of those who have an account, in percent.
const TARGET: i64 = 80;
const MONTH: i64 = 30;
const WEEK: i64 = 7;
const WEEKS: i64 = 12;
/// Rows of one statement.
const AT_ONCE: usize = 500;

#[derive(Serialize, ToSchema)]
pub struct Use {
    /// Percent.
    target: i64,
    /// Accounts at this moment.
    registered: i64,
    /// Those of them that were active in the last 30 days, today among them.
    active: i64,
    /// The first day that something is known of.
    since: Option<Millis>,
    /// Up to twelve weeks of seven days, the last one ending with today; none from before `since`.
    weeks: Vec<UseWeek>,
}

/// Seven days, of UTC.
#[derive(Serialize, ToSchema)]
pub struct UseWeek {
    from: Millis,
    /// Its last day.
    to: Millis,
    /// Accounts at its end.
    registered: i64,
    /// Of them, active in the 30 days up to its end.
    active_in_month: i64,
    /// Active in these seven days.
    active: i64,
    /// Of `active`, who signed up in these seven days.
    new: i64,
    /// Of `active`, the others.
    returning: i64,
}

/// Which accounts count, as they were at a moment: not those whose owner was kept out. This is the one place that decides it.
fn counted(at: Millis) -> Condition {
    let suspended_at = accounts::Column::SuspendedAt;
    let let_in = Condition::any().add(suspended_at.is_null()).add(suspended_at.gte(at));
    Condition::all().add(accounts::Column::CreatedAt.lt(at)).add(let_in)
}

pub async fn store(tx: &impl ConnectionTrait, active: &HashSet<(i64, Uuid)>) -> Result<()> {
    let rows: Vec<_> = active.iter().map(|&(day, account)| activity::Model { day, account }).collect();
    for rows in rows.chunks(AT_ONCE) {
        // Some may have been erased since.
        let of = accounts::Column::Id.is_in(rows.iter().map(|row| row.account));
        let there = accounts::Entity::find().select_only().column(accounts::Column::Id).filter(of);
        let there: HashSet<Uuid> = there.into_tuple().all(tx).await?.into_iter().collect();
        let rows = rows.iter().filter(|row| there.contains(&row.account)).cloned();
        let rows = rows.map(activity::ActiveModel::from);
        activity::Entity::insert_many(rows).on_conflict_do_nothing().exec_without_returning(tx).await?;
    }
    Ok(())
}

pub async fn look(app: &App) -> Result<Use> {
    let db = app.db.read();
    let now = app.clock.now();
    let tomorrow = now.div_euclid(DAY) + 1;
    let first = activity::Entity::find().order_by_asc(activity::Column::Day).one(db).await?;
    let mut weeks = Vec::new();
    if let Some(first) = &first {
        for ago in (0..WEEKS).rev() {
            let end = tomorrow - ago * WEEK;
            if end > first.day {
                weeks.push(week(db, end).await?);
            }
        }
    }
    Ok(Use {
        target: TARGET,
        registered: registered(db, tomorrow * DAY).await?,
        active: active(db, tomorrow - MONTH, tomorrow, counted(tomorrow * DAY)).await?,
        since: first.map(|first| first.day * DAY),
        weeks,
    })
}

/// The seven days before the day `end`.
async fn week(db: &impl ConnectionTrait, end: i64) -> Result<UseWeek> {
    let (from, to) = (end - WEEK, end * DAY);
    let all = active(db, from, end, counted(to)).await?;
    let signed_up_before = counted(to).add(accounts::Column::CreatedAt.lt(from * DAY));
    let returning = active(db, from, end, signed_up_before).await?;
    Ok(UseWeek {
        from: from * DAY,
        to: to - DAY,
        registered: registered(db, to).await?,
        active_in_month: active(db, end - MONTH, end, counted(to)).await?,
        active: all,
        new: all - returning,
        returning,
    })
}

async fn registered(db: &impl ConnectionTrait, at: Millis) -> Result<i64> {
    let count = accounts::Entity::find().filter(counted(at)).count(db).await?;
    Ok(i64::try_from(count).unwrap_or(i64::MAX))
}

/// How many of these accounts were active from the day `from` to the one before `end`.
async fn active(db: &impl ConnectionTrait, from: i64, end: i64, those: Condition) -> Result<i64> {
    let those: SelectStatement =
        accounts::Entity::find().select_only().column(accounts::Column::Id).filter(those).into_query();
    let count = activity::Entity::find()
        .select_only()
        .column_as(Expr::col(activity::Column::Account).count_distinct(), "active")
        .filter(activity::Column::Day.gte(from))
        .filter(activity::Column::Day.lt(end))
        .filter(activity::Column::Account.in_subquery(those))
        .into_tuple::<i64>()
        .one(db)
        .await?;
    Ok(count.unwrap_or(0))
}

impl Use {
    pub fn csv(&self) -> String {
        let head = ["from", "to", "accounts", "active in 30 days", "active in 7 days", "new", "returning"];
        let mut csv = Csv::new(&head);
        for week in &self.weeks {
            let numbers =
                [week.registered, week.active_in_month, week.active, week.new, week.returning].map(Some);
            csv.row([date(week.from), date(week.to)], numbers);
        }
        csv.finish()
    }
}
