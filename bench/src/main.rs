//! Arguments, and the phases one after the other.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::ExitCode;
use std::thread::available_parallelism;
use std::time::Duration;

use bench::people::{Pair, People, Server, confirm};
use bench::process::{Process, raise_file_limit, stop_together};
use bench::report::{Figures, Load, conclude, median, milliseconds, note, rounded};
use bench::throughput::{Round, round};
use bench::{Result, disk, idle, latency, relay};
use clap::{Parser, ValueEnum};

/// Pairs that sign up: as many as the widest phase needs.
const PAIRS: usize = 100;
/// Messages a second of the phase that measures latency, over all pairs.
const RATE: u32 = 1_000;
const RATE_SECONDS: u32 = 15;
const CONNECTIONS: usize = 10_000;
/// Open files beside the sockets: the database, the log, the listener.
const OTHER_FILES: u64 = 200;
const FILES: u64 = 2 * CONNECTIONS as u64 + OTHER_FILES;
const REST: Duration = Duration::from_secs(2);
/// The server pings each connection within this time.
const ONE_PING: Duration = Duration::from_secs(26);
const STARTS: usize = 7;
const MEBIBYTE: f64 = (1 << 20) as f64;

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
    /// 50 pairs, each with one message under way
    Pairs1,
    /// 100 pairs, each with 16 messages under way
    Pairs16,
    /// How long a message takes at a steady rate
    Latency,
    /// Memory, at rest and with many idle connections
    Idle,
    /// From the start of the program to its first answer
    Start,
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
        Some(Role::Relay { address }) => {
            TcpListener::bind(address).map_err(Into::into).and_then(relay::serve)
        }
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
    let work = &arguments.work;
    stop_together()?;
    fs::create_dir_all(work)?;
    disk::require_real(work)?;
    // Before any child is started, which inherits it.
    let files = raise_file_limit(FILES)?;
    let sync = disk::sync_time(work)?;
    note(&format!(
        "{} processors; the disk syncs a page in {:.2} ms",
        available_parallelism()?,
        milliseconds(sync)
    ));
    let people = People::gather(&arguments.server, work, PAIRS)?;
    let mut figures = Figures::default();
    let wanted = |phase| arguments.only.is_none_or(|only| only == phase);
    if wanted(Phase::Pairs1) {
        let (relayed, stored) = compare(arguments, &people, 50, 1)?;
        (figures.relay_per_second_1, figures.messages_per_second_1) = (Some(relayed), Some(stored));
    }
    if wanted(Phase::Pairs16) {
        let (relayed, stored) = compare(arguments, &people, 100, 16)?;
        (figures.relay_per_second_16, figures.messages_per_second_16) = (Some(relayed), Some(stored));
    }
    if wanted(Phase::Latency) {
        let (p50, p99) = time_messages(arguments, &people)?;
        (figures.p50_ms, figures.p99_ms) = (Some(p50), Some(p99));
    }
    if wanted(Phase::Idle) {
        let (alone, each) = weigh(arguments, &people, files)?;
        (figures.idle_rss_mb, figures.bytes_per_idle_connection) = (Some(alone), Some(each));
    }
    if wanted(Phase::Start) {
        figures.cold_start_ms = Some(time_starts(arguments, &people)?);
    }
    Ok(figures)
}

/// Rounds of the relay and of the server in turn, so that a busy minute of the machine hits both.
fn compare(arguments: &Arguments, people: &People, pairs: usize, under_way: u64) -> Result<(f64, f64)> {
    note(&format!("\n{pairs} pairs, each with {under_way} under way, {} s a round:", arguments.seconds));
    let pairs = &people.pairs[..pairs];
    let named: Vec<Pair> = pairs.iter().map(Pair::named_for_the_relay).collect();
    let relay = Process::relay(&arguments.work)?;
    let server = people.server(&arguments.server, &arguments.work)?;
    let time = Duration::from_secs_f64(arguments.seconds);
    let (mut relayed, mut stored) = (Vec::new(), Vec::new());
    let mut sent = vec![0; pairs.len()];
    for _ in 0..arguments.rounds {
        let load = Load::begin(&relay, &arguments.work)?;
        let done = round(relay.address, &named, under_way, time)?;
        relayed.push(told("relay", &done, &load)?);
        let load = Load::begin(&server.process, &arguments.work)?;
        let done = round(server.process.address, pairs, under_way, time)?;
        stored.push(told("server", &done, &load)?);
        sent.iter_mut().zip(done.sent).for_each(|(sum, more)| *sum += more);
    }
    check(&server, pairs, &sent)?;
    Ok((median(relayed).round(), median(stored).round()))
}

fn check(server: &Server, pairs: &[Pair], sent: &[u64]) -> Result<()> {
    let all = confirm(server.process.address, pairs, sent)?;
    note(&format!("  {all} messages were acknowledged and received, and the server holds as many"));
    Ok(())
}

fn told(name: &str, round: &Round, load: &Load) -> Result<f64> {
    let per_second = round.per_second();
    note(&format!("  {name:6} {per_second:7.0} messages/s   {}", load.told(round.messages())?));
    Ok(per_second)
}

fn time_messages(arguments: &Arguments, people: &People) -> Result<(f64, f64)> {
    note(&format!("\n{RATE} messages a second, over {PAIRS} pairs, for {RATE_SECONDS} s:"));
    let server = people.server(&arguments.server, &arguments.work)?;
    let load = Load::begin(&server.process, &arguments.work)?;
    let every = Duration::from_secs(1) / RATE;
    let done = latency::measure(server.process.address, &people.pairs, every, RATE * RATE_SECONDS)?;
    let [p50, p90, p99, most] = [0.5, 0.9, 0.99, 1.0].map(|share| done.percentile(share));
    note(&format!(
        "  from send to recipient: p50 {p50:.2} ms, p90 {p90:.2}, p99 {p99:.2}, slowest {most:.2}"
    ));
    note(&format!("  {}", load.told(u64::from(RATE * RATE_SECONDS))?));
    check(&server, &people.pairs, &done.sent)?;
    Ok((rounded(p50, 2), rounded(p99, 2)))
}

fn weigh(arguments: &Arguments, people: &People, files: u64) -> Result<(f64, f64)> {
    let room = usize::try_from(files.saturating_sub(OTHER_FILES))?;
    let connections = CONNECTIONS.min(room);
    note(&format!("\n{connections} idle connections:"));
    if connections < CONNECTIONS {
        note(&format!(
            "  the system lets a process have {files} files, too few for {CONNECTIONS} (ulimit -n)"
        ));
    }
    let server = people.server(&arguments.server, &arguments.work)?;
    let (address, process) = (server.process.address, server.process.id());
    let idle = idle::measure(address, process, &people.pairs, connections, (REST, ONE_PING))?;
    let [alone, opened, later] = [idle.alone, idle.opened, idle.later].map(|bytes| bytes as f64 / MEBIBYTE);
    let each = idle.bytes_per_connection();
    note(&format!("  the server holds {alone:.1} MiB at rest, {opened:.1} with all of them open,"));
    note(&format!("  and {later:.1} when it has pinged them: {each:.0} bytes each"));
    Ok((rounded(alone, 1), each.round()))
}

fn time_starts(arguments: &Arguments, people: &People) -> Result<f64> {
    // The first one finds the files out of the cache, and whatever is new to the database.
    let first = people.server(&arguments.server, &arguments.work)?;
    let mut all = Vec::new();
    let mut server = first.again(&arguments.server, &arguments.work)?;
    for _ in 0..STARTS {
        server = server.again(&arguments.server, &arguments.work)?;
        all.push(milliseconds(server.process.start_up));
    }
    let starts: Vec<String> = all.iter().map(|start| format!("{start:.1}")).collect();
    note(&format!("\nfrom the start of the program to its first answer: {} ms", starts.join(", ")));
    Ok(rounded(median(all), 1))
}
