//! A server that lies: it stands between a client and an honest one, and alters what comes back.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

use serde_json::Value;

type Lie = Box<dyn FnMut(&str, &mut Value) + Send>;

pub struct Liar {
    pub address: String,
    lie: Arc<Mutex<Lie>>,
}

impl Liar {
    /// `honest`: the address of the server behind it.
    pub fn before(honest: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let lie: Arc<Mutex<Lie>> = Arc::new(Mutex::new(Box::new(|_, _| {})));
        let (honest, told) = (honest.replacen("http://", "", 1), lie.clone());
        thread::spawn(move || {
            for stream in listener.incoming() {
                pass_on(stream.unwrap(), &honest, &told);
            }
        });
        Liar { address, lie }
    }

    /// What to do with the answers from now on, each with the path it was asked for.
    pub fn tell(&self, lie: impl FnMut(&str, &mut Value) + Send + 'static) {
        *self.lie.lock().unwrap() = Box::new(lie);
    }
}

/// One request, one answer, and the connection is closed.
fn pass_on(mut client: TcpStream, honest: &str, lie: &Mutex<Lie>) {
    let Some((head, body)) = message(&mut client) else { return };
    let path = head.split(' ').nth(1).unwrap().to_owned();
    let mut server = TcpStream::connect(honest).unwrap();
    let head = head.replacen("\r\n", "\r\nconnection: close\r\n", 1);
    server.write_all(&[head.as_bytes(), &body].concat()).unwrap();
    let (head, mut body) = message(&mut server).unwrap();
    if let Ok(mut answer) = serde_json::from_slice(&body) {
        lie.lock().unwrap()(&path, &mut answer);
        body = serde_json::to_vec(&answer).unwrap();
    }
    let kept = head.trim_end().split("\r\n").filter(|line| !is_length(line)).collect::<Vec<_>>().join("\r\n");
    let head = format!("{kept}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
    client.write_all(&[head.as_bytes(), &body].concat()).unwrap();
}

/// Head (with the empty line) and body.
fn message(stream: &mut TcpStream) -> Option<(String, Vec<u8>)> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).ok()?;
        head.extend(byte);
    }
    let head = String::from_utf8(head).unwrap();
    let length =
        head.split("\r\n").find(|line| is_length(line)).map_or(0, |line| line[15..].trim().parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).ok()?;
    Some((head, body))
}

fn is_length(line: &str) -> bool {
    line.get(..15).is_some_and(|name| name.eq_ignore_ascii_case("content-length:"))
}
