//! `fill URL HANDLE COUNT`: somebody new who writes COUNT messages to HANDLE, for looking at long conversations.
//! Prints the writer's handle and display name.

#![allow(clippy::print_stdout, reason = "it answers on standard output")]

use client::{Client, Event};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [url, handle, count] = arguments.as_slice() else {
        return Err("usage: fill URL HANDLE COUNT".into());
    };
    let count: usize = count.parse()?;
    let own = format!("filler.{}", std::process::id());
    let writer = Client::register(url, &own, "Phil Writer", "correct horse battery").await?;
    let found = writer.search(handle).await?;
    let reader = found.iter().find(|person| person.handle == *handle).ok_or("nobody has this handle")?;
    let conversation = writer.open_conversation(reader.id).await?.id;
    let mut live = writer.events().await?;
    // As many on their way as the server works on at once.
    let (mut sent, mut stored) = (0, 0);
    while stored < count {
        while sent < count && sent - stored < 60 {
            sent += 1;
            live.send(conversation, &text(sent)).await?;
        }
        match live.next().await? {
            Event::Accepted(_) => stored += 1,
            Event::Refused { code, message, .. } => return Err(format!("{code}: {message}").into()),
            _ => {}
        }
    }
    println!("{own} Phil Writer");
    Ok(())
}

/// Of different heights, so that a list cannot guess them.
fn text(number: usize) -> String {
    format!("Message {number}{}", " and some more words".repeat(number * 7 % 11))
}
