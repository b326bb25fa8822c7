//! WebSockets as cheap as they get: the machine is shared with the server, and every microsecond spent here is
//! one that the server does not have. One thread waits for all sockets, reads what has come into one piece of
//! memory, looks at the frames where they lie, and writes what is to be sent in one go.
//!
//! Frames go out masked with zeros. The server takes the mask off as it would any other.

use std::io::{self, ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use mio::event::Source;
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

use crate::Result;
use crate::people::Pair;

const PATIENCE: Duration = Duration::from_secs(20);
/// Sockets that are opened at the same time; well below what a listener lets queue.
const WAVE: usize = 64;
/// Of each socket at first; what it holds back grows by itself.
const INBOX_BYTES: usize = 4 << 10;

const TEXT: u8 = 0x81;
const CLOSE: u8 = 0x88;
const PING: u8 = 0x89;
const PONG: u8 = 0x8A;
const MASKED: u8 = 0x80;
const TWO_BYTES_OF_LENGTH: u8 = 126;

/// All sockets of a phase.
pub struct Sockets {
    poll: Poll,
    events: Events,
    all: Vec<Socket>,
}

pub struct Socket {
    stream: TcpStream,
    inbox: Vec<u8>,
    /// How much of the inbox is filled.
    held: usize,
    outbox: Vec<u8>,
}

impl Sockets {
    /// Opens one socket for each token, and waits until the server is ready to tell.
    pub fn open<'a>(address: SocketAddr, tokens: impl IntoIterator<Item = &'a str>) -> Result<Self> {
        let mut tokens = tokens.into_iter().peekable();
        let poll = Poll::new()?;
        let mut all = Vec::new();
        while tokens.peek().is_some() {
            let wave = tokens.by_ref().take(WAVE).map(|token| knock(address, token));
            for opening in wave.collect::<Result<Vec<_>>>()? {
                let mut socket = enter(opening)?;
                let both = Interest::READABLE | Interest::WRITABLE;
                poll.registry().register(&mut socket.stream, Token(all.len()), both)?;
                all.push(socket);
            }
        }
        Ok(Self { poll, events: Events::with_capacity(1024), all })
    }

    /// Two for each pair: the sender's, and after it the recipient's.
    pub fn of_pairs(address: SocketAddr, pairs: &[Pair]) -> Result<Self> {
        Self::open(address, pairs.iter().flat_map(|pair| [pair.sender.as_str(), pair.recipient.as_str()]))
    }

    pub fn get(&mut self, index: usize) -> &mut Socket {
        &mut self.all[index]
    }

    pub fn len(&self) -> usize {
        self.all.len()
    }

    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Wakes [`Sockets::wait`] up as well; `each` sees it as the index after the last socket's.
    pub fn add(&mut self, source: &mut impl Source) -> io::Result<()> {
        self.poll.registry().register(source, Token(self.all.len()), Interest::READABLE)
    }

    /// Waits until something arrives, or until `until`, and hands over each index at which something has.
    pub fn wait(
        &mut self,
        until: Instant,
        mut each: impl FnMut(&mut [Socket], usize) -> Result<()>,
    ) -> Result<()> {
        let patience = until.saturating_duration_since(Instant::now());
        match self.poll.poll(&mut self.events, Some(patience)) {
            Err(error) if error.kind() == ErrorKind::Interrupted => return Ok(()),
            other => other?,
        }
        for event in &self.events {
            let index = event.token().0;
            if let Some(socket) = self.all.get_mut(index)
                && event.is_writable()
            {
                socket.flush()?;
            }
            if event.is_readable() {
                each(&mut self.all, index)?;
            }
        }
        Ok(())
    }
}

impl Socket {
    /// Reads all that has come, and hands over each text.
    pub fn receive(&mut self, mut each: impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
        loop {
            if self.held == self.inbox.len() {
                self.inbox.resize(self.held * 2, 0);
            }
            let room = self.inbox.len() - self.held;
            match self.stream.read(&mut self.inbox[self.held..]) {
                Ok(0) => return Err("the server ended a connection".into()),
                Ok(count) => {
                    self.held += count;
                    self.unpack(&mut each)?;
                    // Less than there was room for: nothing more is waiting, and if it comes, we are woken.
                    if count < room {
                        return Ok(());
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// A whole frame, as [`text_frame`] makes it; sent with the next [`Socket::flush`].
    pub fn queue(&mut self, frame: &[u8]) {
        self.outbox.extend_from_slice(frame);
    }

    pub fn flush(&mut self) -> Result<()> {
        let mut written = 0;
        while written < self.outbox.len() {
            match self.stream.write(&self.outbox[written..]) {
                Ok(count) => written += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        self.outbox.drain(..written);
        Ok(())
    }

    fn unpack(&mut self, each: &mut impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
        let mut at = 0;
        while let Some((kind, start, end)) = frame(&self.inbox[at..self.held])? {
            let payload = &self.inbox[at + start..at + end];
            match kind {
                TEXT => each(payload)?,
                PING => self.outbox.extend([&[PONG, MASKED, 0, 0, 0, 0], payload].concat()),
                CLOSE => {
                    let reason = String::from_utf8_lossy(payload.get(2..).unwrap_or_default());
                    return Err(format!("the server closed a socket: {reason}").into());
                }
                kind => return Err(format!("a frame of kind {kind:#x}").into()),
            }
            at += end;
        }
        self.inbox.copy_within(at..self.held, 0);
        self.held -= at;
        if !self.outbox.is_empty() { self.flush() } else { Ok(()) }
    }
}

/// A text as it goes up the socket.
pub fn text_frame(text: &str) -> Vec<u8> {
    let length = u16::try_from(text.len()).expect("a frame of the benchmark is short");
    assert!(length >= u16::from(TWO_BYTES_OF_LENGTH), "and not that short");
    [&[TEXT, MASKED | TWO_BYTES_OF_LENGTH][..], &length.to_be_bytes(), &[0; 4], text.as_bytes()].concat()
}

/// Kind, start and end of the payload of the first frame, if it is there whole.
fn frame(bytes: &[u8]) -> Result<Option<(u8, usize, usize)>> {
    let (kind, start, length) = match *bytes {
        [kind, length, ..] if length < TWO_BYTES_OF_LENGTH => (kind, 2, usize::from(length)),
        [kind, TWO_BYTES_OF_LENGTH, high, low, ..] => (kind, 4, usize::from(u16::from_be_bytes([high, low]))),
        [_, length, ..] if length > TWO_BYTES_OF_LENGTH => return Err("a frame that is too long".into()),
        _ => return Ok(None),
    };
    let end = start + length;
    Ok((bytes.len() >= end).then_some((kind, start, end)))
}

fn knock(address: SocketAddr, token: &str) -> Result<std::net::TcpStream> {
    let mut stream = std::net::TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let request = format!(
        "GET /api/live HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {token}\r\nconnection: upgrade\r\n\
         upgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    );
    stream.write_all(request.as_bytes())?;
    Ok(stream)
}

fn enter(mut stream: std::net::TcpStream) -> Result<Socket> {
    let mut inbox = vec![0; INBOX_BYTES];
    let mut held = 0;
    let head_end = loop {
        held += read_some(&mut stream, &mut inbox[held..])?;
        if let Some(end) = inbox[..held].windows(4).position(|bytes| bytes == b"\r\n\r\n") {
            break end + 4;
        }
    };
    let head = String::from_utf8_lossy(&inbox[..head_end]);
    if !head.starts_with("HTTP/1.1 101 ") {
        return Err(format!("a socket was not opened: {}", head.lines().next().unwrap_or_default()).into());
    }
    inbox.copy_within(head_end..held, 0);
    held -= head_end;
    let (start, end) = loop {
        match frame(&inbox[..held])? {
            Some((TEXT, start, end)) => break (start, end),
            Some(_) => return Err("a socket that does not begin with a text".into()),
            None => held += read_some(&mut stream, &mut inbox[held..])?,
        }
    };
    if !inbox[start..end].starts_with(br#"{"type":"ready""#) {
        return Err("a socket that does not begin with `ready`".into());
    }
    inbox.copy_within(end..held, 0);
    held -= end;
    stream.set_nonblocking(true)?;
    Ok(Socket { stream: TcpStream::from_std(stream), inbox, held, outbox: Vec::new() })
}

fn read_some(stream: &mut std::net::TcpStream, room: &mut [u8]) -> Result<usize> {
    match stream.read(room)? {
        0 => Err("the server did not finish its answer".into()),
        count => Ok(count),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_taken_only_when_it_is_whole() {
        let mut short = vec![TEXT, 3];
        short.extend(b"abcdef");
        assert_eq!(frame(&short).unwrap(), Some((TEXT, 2, 5)));
        let mut long = vec![TEXT, TWO_BYTES_OF_LENGTH, 1, 0];
        long.extend([b'x'; 256]);
        assert_eq!(frame(&long).unwrap(), Some((TEXT, 4, 260)));
        for cut in [0, 1, 3, 4, 259] {
            assert_eq!(frame(&long[..cut]).unwrap(), None, "{cut}");
        }
        assert!(frame(&[TEXT, 127, 0, 0]).is_err());
    }
}
