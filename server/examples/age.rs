//! `age DATA A_DAY`: as if the messages in the data folder of a server that does not run had been written A_DAY a
//! day, the last ones today. For looking at conversations of many days.

use std::path::Path;

use rusqlite::Connection;

const DAY: i64 = 24 * 60 * 60 * 1_000;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [data, a_day] = arguments.as_slice() else { return Err("usage: age DATA A_DAY".into()) };
    let database = Connection::open(Path::new(data).join("entrenous.db"))?;
    database.execute(
        "UPDATE messages SET sent_at = sent_at - ?1 * (((SELECT c.seq FROM conversations c
         WHERE c.id = messages.conversation) - seq) / ?2)",
        (DAY, a_day.parse::<i64>()?),
    )?;
    Ok(())
}
