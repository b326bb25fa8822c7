//! `fill URL HANDLE COUNT [FRAMES]`: somebody new who writes COUNT messages to HANDLE, for looking at long
//! conversations. At most FRAMES a second: a server takes 200 unless it was told otherwise.
//! Prints the writer's handle and display name.

#![allow(clippy::print_stdout, reason = "it answers on standard output")]

use std::time::Duration;

use client::{Client, Event};
use tokio::time::{MissedTickBehavior, interval};

const FRAMES: usize = 150;
/// As many on their way as the server works on at once.
const UNDER_WAY: usize = 60;
const TICKS: usize = 10;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (url, handle, count, frames) = match arguments.as_slice() {
        [url, handle, count] => (url, handle, count.parse()?, FRAMES),
        [url, handle, count, frames] => (url, handle, count.parse()?, frames.parse()?),
        _ => return Err("usage: fill URL HANDLE COUNT [FRAMES]".into()),
    };
    let own = format!("filler.{}", std::process::id());
    let writer = Client::register(url, &own, "Phil Writer", "correct horse battery").await?;
    let found = writer.search(handle).await?;
    let reader = found.iter().find(|person| person.handle == *handle).ok_or("nobody has this handle")?;
    let conversation = writer.open_conversation(reader.id).await?.id;
    let mut live = writer.events().await?;
    let mut ticks = interval(Duration::from_secs(1) / u32::try_from(TICKS)?);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut sent, mut stored): (usize, usize) = (0, 0);
    while stored < count {
        ticks.tick().await;
        let goal = count.min(sent + (frames / TICKS).max(1));
        while stored < goal {
            while sent < goal && sent - stored < UNDER_WAY {
                sent += 1;
                live.send(conversation, &text(sent)).await?;
            }
            match live.next().await? {
                Event::Accepted(_) => stored += 1,
                Event::Refused { code, message, .. } => return Err(format!("{code}: {message}").into()),
                _ => {}
            }
        }
    }
    println!("{own} Phil Writer");
    Ok(())
}

/// Of different heights, so that a list cannot guess them.
fn text(number: usize) -> String {
    format!("Message {number}{}", " and some more words".repeat(number * 7 % 11))
}
