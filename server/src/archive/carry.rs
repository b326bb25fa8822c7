//! From one database into another. What was copied is the beginning of each table, in the order of its key, so that a
//! move that was cut short goes on after the last row that the target has. A table of its own in the target says that it
//! is not done.

use std::time::{Duration, Instant};

use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, Statement};
use sea_orm_migration::MigratorTrait;
use tokio::time::sleep;

use super::rows::{self, Batch, Pages, Sum, Table};
use super::{Progress, Tell, known_key, refuse_used};
use crate::config::{DatabaseUrl, Storage};
use crate::schema::{self, Migrator};
use crate::{Failure, db};

/// The table in which a move notes, in its target, that it is not done.
const UNFINISHED: &str = "unfinished_move";
/// Connections that were closed a moment ago may still be listed.
const ENDING: Duration = Duration::from_secs(5);

/// Carry everything over into another database. Cut short, it goes on where it stopped; in the end both sides are
/// compared, and until then no server serves the target.
pub async fn carry(
    from: &DatabaseUrl,
    to: &DatabaseUrl,
    storage: &Storage,
    ignore_connections: bool,
    tell: Tell<'_>,
) -> Result<Vec<(String, Sum)>, Failure> {
    if from == to {
        return Err("both are the same database".into());
    }
    let source = db::alone(from, None).await.map_err(|error| format!("the source: {error}"))?;
    let carried = async {
        let identity = source_identity(&source).await?;
        if !ignore_connections {
            refuse_served(&source).await?;
        }
        let target = db::alone(to, Some(storage.sqlite_journal)).await;
        let target = target.map_err(|error| format!("the target: {error}"))?;
        let carried = carry_between(&source, &target, &identity, tell).await;
        target.close().await?;
        carried
    };
    let carried = carried.await;
    source.close().await?;
    carried
}

/// What tells one installation from another.
async fn source_identity(source: &DatabaseConnection) -> Result<String, Failure> {
    let applied = schema::applied(source).await?;
    db::refuse_newer::<Migrator>(&applied)?;
    if applied.len() < schema::known::<Migrator>().len() {
        return Err(
            "the source was last served by an older version, or never: start this version on it once, \
                    which brings it up to date, and stop it again"
                .into(),
        );
    }
    refuse_half_moved(source).await?;
    let key = known_key(source).await?.unwrap_or_default();
    Ok(key.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// SQLite keeps every other program out by itself.
async fn refuse_served(source: &DatabaseConnection) -> Result<(), Failure> {
    let backend = source.get_database_backend();
    let others = match backend {
        DbBackend::Postgres => format!(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
             AND application_name = '{}' AND pid <> pg_backend_pid()",
            db::APPLICATION
        ),
        DbBackend::MySql => "SELECT count(*) FROM information_schema.processlist
             WHERE db = DATABASE() AND id <> CONNECTION_ID()"
            .to_owned(),
        _ => return Ok(()),
    };
    let begun = Instant::now();
    loop {
        let row = source.query_one_raw(Statement::from_string(backend, others.clone())).await?;
        let count: i64 = row.map(|row| row.try_get_by_index(0)).transpose()?.unwrap_or_default();
        if count == 0 {
            return Ok(());
        }
        if begun.elapsed() > ENDING {
            return Err(format!(
                "the source has {count} other connections: stop every server that uses it, since what they write now \
                 would be lost. (If none of them is one, say --ignore-connections.)"
            )
            .into());
        }
        sleep(ENDING / 20).await;
    }
}

async fn carry_between(
    source: &DatabaseConnection,
    target: &DatabaseConnection,
    identity: &str,
    tell: Tell<'_>,
) -> Result<Vec<(String, Sum)>, Failure> {
    if !begin(target, identity).await? {
        tell("An earlier move was cut short: going on where it stopped");
    }
    Migrator::up(target, None).await?;
    let tables = rows::tables(source).await?;
    if tables != rows::tables(target).await? {
        return Err("the two databases have not the same tables".into());
    }
    let mut progress = Progress::new(tell, "Copying");
    for table in &tables {
        copy(source, target, table, &mut progress).await?;
    }
    let mut progress = Progress::new(tell, "Comparing");
    let mut sums = Vec::new();
    for table in &tables {
        let sum = compare(source, target, table, &mut progress).await?;
        progress.done(table, &sum);
        sums.push((table.name.clone(), sum));
    }
    target.execute_unprepared(&format!("DROP TABLE {UNFINISHED}")).await?;
    Ok(sums)
}

/// Whether it is a beginning; else an earlier move from the same source has got somewhere.
async fn begin(target: &DatabaseConnection, identity: &str) -> Result<bool, Failure> {
    let backend = target.get_database_backend();
    db::refuse_other_encodings(target).await?;
    let say = |sql: String| Statement::from_string(backend, sql);
    if !schema::has_table(target, UNFINISHED).await? {
        refuse_used(target).await.map_err(|error| format!("the target: {error}"))?;
        db::refuse_newer::<Migrator>(&schema::applied(target).await?)?;
        let create = format!("CREATE TABLE {UNFINISHED} (source VARCHAR(64) NOT NULL PRIMARY KEY)");
        target.execute_raw(say(create)).await?;
    }
    match target.query_one_raw(say(format!("SELECT source FROM {UNFINISHED}"))).await? {
        None => {
            // Before any row is.
            target.execute_raw(say(format!("INSERT INTO {UNFINISHED} VALUES ('{identity}')"))).await?;
            Ok(true)
        }
        Some(row) if row.try_get_by_index::<String>(0)? == identity => Ok(false),
        Some(_) => Err("a move from another database into this one was begun: name a new target".into()),
    }
}

/// What the target has is the beginning of the table, since rows come in the order of their key.
async fn copy(
    source: &DatabaseConnection,
    target: &DatabaseConnection,
    table: &Table,
    progress: &mut Progress<'_>,
) -> Result<(), Failure> {
    let mut pages = Pages::after(table, table.last(target).await?);
    let mut copied = 0;
    while let Some(rows) = pages.next(source).await? {
        copied += rows.len() as u64;
        let mut batch = Batch::of(table);
        for row in rows {
            batch.add(target, row).await?;
        }
        batch.flush(target).await?;
        progress.at(&table.name, copied);
    }
    (progress.tell)(&format!("  {:<18}{copied:>10} rows", table.name));
    Ok(())
}

/// A table that is not the same was copied while its source changed, perhaps by an earlier move: once more, anew.
async fn compare(
    source: &DatabaseConnection,
    target: &DatabaseConnection,
    table: &Table,
    progress: &mut Progress<'_>,
) -> Result<Sum, Failure> {
    for attempt in 0.. {
        let here = table.sum(source, |rows| progress.at(&table.name, rows)).await?;
        let there = table.sum(target, |rows| progress.at(&table.name, rows)).await?;
        if here == there {
            return Ok(here);
        }
        if attempt > 0 {
            break;
        }
        (progress.tell)(&format!("  {} has changed meanwhile: copying it anew", table.name));
        table.clear(target).await?;
        copy(source, target, table, progress).await?;
    }
    Err(format!(
        "{} is not the same on both sides: does a server write to the source? Stop it, and move again",
        table.name
    )
    .into())
}

/// In a database that a move has not finished, something is missing.
pub async fn refuse_half_moved(db: &impl ConnectionTrait) -> Result<(), Failure> {
    if schema::has_table(db, UNFINISHED).await? {
        return Err(
            "a move into this database is not finished: run `entrenous move` again until it says so".into()
        );
    }
    Ok(())
}
