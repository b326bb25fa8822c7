//! Where connections come from, and whose word on the client's address is taken.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::Path;

use entrenous::clock::Clock;
use entrenous::config::{AddressHeader, Config, Mode, TrustedProxy};
use entrenous::listen::{Doors, Listen, Listener};
use reqwest::Method;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::sync::oneshot;

use crate::support::{Refusal, TestApp, refusal, refused};

async fn get(socket: &Path, path: &str) -> String {
    let mut stream = UnixStream::connect(socket).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn a_unix_socket_takes_the_place_of_a_stale_one_and_goes_with_the_server() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("socket");
    drop(UnixListener::bind(&socket).unwrap());
    assert!(socket.exists(), "as a server leaves it behind that was killed");
    let mut config =
        Config { listen: Listen::Unix(socket.clone()), socket_mode: Mode(0o666), ..Config::default() };
    config.storage.data = folder.path().join("data");
    assert!(!config.first_comer_is_trusted(), "others reach it through whatever stands in front");

    let doors = Doors::open(&config).await.unwrap();
    assert_eq!(socket.metadata().unwrap().permissions().mode() & 0o777, 0o666);
    let app = entrenous::open(config.clone(), Clock::default()).await.unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let serving = tokio::spawn(async move {
        entrenous::serve(doors, app, async { drop(stopped.await) }).await.unwrap();
    });
    assert!(get(&socket, "/healthz").await.starts_with("HTTP/1.1 200 OK"));
    let another = Doors::open(&config).await.err().unwrap();
    assert!(another.contains("another server listens here"), "{another}");
    assert!(get(&socket, "/readyz").await.ends_with("ready\n"), "and is not pushed aside");
    stop.send(()).unwrap();
    serving.await.unwrap();
    assert!(!socket.exists());
}

#[tokio::test]
async fn a_file_that_is_no_socket_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("notes");
    std::fs::write(&file, "to be kept").unwrap();
    let refused = Listener::bind(&Listen::Unix(file.clone()), 0o660).await.err().unwrap().to_string();
    assert!(refused.contains("no socket"), "{refused}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "to be kept");
}

/// A server with two attempts a minute for each address.
async fn strict(trusted: &[&str], header: AddressHeader) -> TestApp {
    let trusted: Vec<TrustedProxy> = trusted.iter().map(|proxy| proxy.parse().unwrap()).collect();
    TestApp::start_with(|config| {
        config.attempts_per_address = 2;
        config.trusted_proxies = trusted;
        config.address_header = header;
    })
    .await
}

impl TestApp {
    async fn attempt_from(&self, header: &str, addresses: &str) -> Refusal {
        let attempt = self.request(Method::POST, "/api/login/start").header(header, addresses);
        refusal(attempt.json(&json!({"handle": "nobody", "request": "AAAA"})).send().await.unwrap()).await
    }
}

fn counted() -> Refusal {
    refused(422, "bad_opaque")
}

fn limited() -> Refusal {
    refused(429, "too_many_attempts")
}

#[tokio::test]
async fn the_last_word_of_a_trusted_proxy_tells_clients_apart() {
    let app = strict(&["10.0.0.0/8", "127.0.0.1"], AddressHeader::XForwardedFor).await;
    for expected in [counted(), counted(), limited()] {
        assert_eq!(app.attempt_from("x-forwarded-for", "203.0.113.7").await, expected);
    }
    assert_eq!(app.attempt_from("x-forwarded-for", "203.0.113.8").await, counted(), "somebody else");
    let pretended = "198.51.100.1, 203.0.113.7";
    assert_eq!(app.attempt_from("x-forwarded-for", pretended).await, limited(), "the client's own word");
    // The other header is the client's as well, where this one is the proxy's.
    for expected in [counted(), counted(), limited()] {
        assert_eq!(app.attempt_from("x-real-ip", "198.51.100.2").await, expected);
    }
    assert_eq!(app.attempt_from("x-real-ip", "198.51.100.3").await, limited());
}

#[tokio::test]
async fn a_household_of_ipv6_is_one_also_behind_a_proxy() {
    let app = strict(&["127.0.0.1"], AddressHeader::XRealIp).await;
    for (host, expected) in [(1, counted()), (2, counted()), (3, limited())] {
        assert_eq!(app.attempt_from("x-real-ip", &format!("2001:db8:1:2::{host}")).await, expected);
    }
    assert_eq!(app.attempt_from("x-real-ip", "2001:db8:1:3::1").await, counted());
}

#[tokio::test]
async fn nobody_says_themselves_where_they_come_from() {
    for trusted in [&[][..], &["10.0.0.0/8", "unix"]] {
        let app = strict(trusted, AddressHeader::XForwardedFor).await;
        for (client, expected) in [(7, counted()), (8, counted()), (9, limited())] {
            assert_eq!(app.attempt_from("x-forwarded-for", &format!("203.0.113.{client}")).await, expected);
        }
    }
}
