//! Arguments, and the phases one after the other.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use bench::people::{Pair, People, Server};
use bench::process::Process;
use bench::report::{Figures, conclude, median, note};
use bench::throughput::{Round, round};
use bench::{Result, relay};
use clap::{Parser, ValueEnum};

/// Pairs that sign up: as many as the widest phase needs.
const PAIRS: usize = 100;

/// Measures a server of Entre Nous; docs/performance.md says what and how.
#[derive(Parser)]
struct Arguments {
    /// The server's program
    #[arg(long, default_value = "target/release/entrenous")]
    server: PathBuf,
    /// A folder for the data, on a real disk
    #[arg(long, default_value = "target/bench")]
    work: PathBuf,
    /// One phase alone
    #[arg(long, value_enum)]
    only: Option<Phase>,
    /// Seconds of one round of throughput
    #[arg(long, default_value = "4")]
    seconds: f64,
    /// Rounds of throughput, each with the relay and with the server; the middle one counts
    #[arg(long, default_value = "3", value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    #[command(subcommand)]
    role: Option<Role>,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Phase {
    Pairs1,
    Pairs16,
}

#[derive(clap::Subcommand)]
enum Role {
    /// Be the bare relay (for the benchmark itself)
    #[command(hide = true)]
    Relay { address: SocketAddr },
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let done = match arguments.role {
        Some(Role::Relay { address }) => relay::serve(address),
        None => measure(&arguments).and_then(|figures| conclude(&figures)),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            note(&format!("bench: {error}"));
            ExitCode::FAILURE
        }
    }
}

fn measure(arguments: &Arguments) -> Result<Figures> {
    fs::create_dir_all(&arguments.work)?;
    let people = People::gather(&arguments.server, &arguments.work, PAIRS)?;
    let wanted = |phase| arguments.only.is_none_or(|only| only == phase);
    let mut figures = Figures::default();
    if wanted(Phase::Pairs1) {
        let (relayed, stored) = compare(arguments, &people, 50, 1)?;
        (figures.relay_per_second_1, figures.messages_per_second_1) = (Some(relayed), Some(stored));
    }
    if wanted(Phase::Pairs16) {
        let (relayed, stored) = compare(arguments, &people, 100, 16)?;
        (figures.relay_per_second_16, figures.messages_per_second_16) = (Some(relayed), Some(stored));
    }
    Ok(figures)
}

/// Rounds of the relay and of the server in turn, so that a busy minute of the machine hits both.
fn compare(arguments: &Arguments, people: &People, pairs: usize, under_way: u64) -> Result<(f64, f64)> {
    note(&format!("{pairs} pairs, each with {under_way} under way, for {} s:", arguments.seconds));
    let pairs = &people.pairs[..pairs];
    let named: Vec<Pair> = pairs.iter().map(Pair::named_for_the_relay).collect();
    let relay = Process::relay(&arguments.work)?;
    let server = people.server(&arguments.server, &arguments.work)?;
    let time = Duration::from_secs_f64(arguments.seconds);
    let (mut relayed, mut stored) = (Vec::new(), Vec::new());
    let mut sent = vec![0; pairs.len()];
    for _ in 0..arguments.rounds {
        let done = round(relay.address, relay.id(), &named, under_way, time)?;
        relayed.push(told("relay", &done));
        let done = round(server.process.address, server.process.id(), pairs, under_way, time)?;
        stored.push(told("server", &done));
        sent.iter_mut().zip(done.sent).for_each(|(sum, more)| *sum += more);
    }
    check(&server, pairs, &sent)?;
    Ok((median(relayed), median(stored)))
}

/// The server itself must know of every message that it acknowledged, and of no other.
fn check(server: &Server, pairs: &[Pair], sent: &[u64]) -> Result<()> {
    for (pair, sent) in pairs.iter().zip(sent) {
        let seq = pair.look(server.process.address)?.seq;
        if seq != *sent {
            return Err(format!("{sent} messages were acknowledged, and the server holds {seq}").into());
        }
    }
    note(&format!(
        "  {} messages acknowledged, received, and counted by the server",
        sent.iter().sum::<u64>()
    ));
    Ok(())
}

fn told(name: &str, round: &Round) -> f64 {
    let each = |seconds: f64| seconds * 1e6 / round.messages() as f64;
    note(&format!(
        "  {name:6} {:7.0} messages/s   processor time per message: {:4.1} µs {name}, {:4.1} µs generator",
        round.per_second(),
        each(round.its_cpu),
        each(round.own_cpu),
    ));
    round.per_second()
}
