//! Every phase in small, against a server in this process, so that the benchmark works when somebody needs it.

use std::future::pending;
use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

use bench::people::{Pair, confirm, sign_up};
use bench::process::{listen, resident_bytes};
use bench::{idle, latency, relay, throughput};
use entrenous::clock::Clock;
use entrenous::config::Config;
use entrenous::listen::Listen;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use uuid::Uuid;

const SHORT: Duration = Duration::from_millis(200);

/// Lives as long as the test's process.
fn server(data: &TempDir) -> SocketAddr {
    let listener = listen().unwrap();
    let address = listener.local_addr().unwrap();
    let mut config = Config {
        listen: Listen::Tcp(address),
        frames_per_second: 1_000_000,
        attempts_per_address: 10_000,
        ..Config::default()
    };
    config.storage.data = data.path().to_owned();
    thread::spawn(move || {
        Runtime::new().unwrap().block_on(async {
            listener.set_nonblocking(true).unwrap();
            let listener = TcpListener::from_std(listener).unwrap();
            let app = entrenous::open(config, Clock::default()).await.unwrap();
            entrenous::serve(listener, app, pending()).await.unwrap();
        });
    });
    address
}

#[test]
fn what_is_measured_is_what_the_server_stored() {
    let data = tempfile::tempdir().unwrap();
    let server = server(&data);
    let pairs = sign_up(server, 2).unwrap();
    confirm(server, &pairs, &[0, 0]).unwrap();

    let round = throughput::round(server, &pairs, 16, SHORT).unwrap();
    assert!(round.messages() >= 2 * 16 && round.per_second() > 0.0);
    assert_eq!(confirm(server, &pairs, &round.sent).unwrap(), round.messages());

    let latencies = latency::measure(server, &pairs, Duration::from_millis(1), 101).unwrap();
    assert_eq!(latencies.sent, [51, 50]);
    confirm(server, &pairs, &[round.sent[0] + 51, round.sent[1] + 50]).unwrap();
    let error = confirm(server, &pairs, &[round.sent[0] + 51, round.sent[1] + 51]).unwrap_err();
    assert!(error.to_string().contains("the server holds"), "{error}");
    let [first, half, last] = [0.0, 0.5, 1.0].map(|share| latencies.percentile(share));
    assert!(0.0 < first && first <= half && half <= last);

    let idle = idle::measure(server, std::process::id(), &pairs, 20, (Duration::ZERO, SHORT)).unwrap();
    assert_eq!(idle.connections, 20);
    assert!(idle.alone > 0 && idle.later <= resident_bytes(std::process::id()).unwrap() * 2);
}

#[test]
fn the_relay_hands_on_every_message() {
    let data = tempfile::tempdir().unwrap();
    let pairs = sign_up(server(&data), 1).unwrap();
    let named: Vec<Pair> = pairs.iter().map(Pair::named_for_the_relay).collect();
    let listener = listen().unwrap();
    let relay = listener.local_addr().unwrap();
    thread::spawn(move || relay::serve(listener).unwrap());
    let round = throughput::round(relay, &named, 16, SHORT).unwrap();
    assert!(round.messages() >= 16);
}

#[test]
fn a_refusal_is_no_figure() {
    let data = tempfile::tempdir().unwrap();
    let server = server(&data);
    let mut pairs = sign_up(server, 2).unwrap();
    assert!(throughput::round(server, &pairs, 1, SHORT).is_ok());
    pairs[1].conversation = Uuid::now_v7();
    let Err(error) = throughput::round(server, &pairs, 1, SHORT) else {
        panic!("it was refused, and counted")
    };
    assert!(error.to_string().contains(r#""type":"refused""#), "{error}");
}
