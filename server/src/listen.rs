//! Where connections come from: a TCP port, a Unix socket, or a socket that systemd has opened; with TLS or without.

use std::fs;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::str::FromStr;
use std::task::{Context, Poll};
use std::time::Duration;

use listenfd::ListenFd;
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio_rustls::server::TlsStream;

use crate::config::Config;
use crate::tls::Tls;

/// How long a peer may leave unacknowledged what was sent to it.
const PEER_PATIENCE: Duration = Duration::from_secs(30);

/// Where to listen, as in `--listen`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Listen {
    Tcp(SocketAddr),
    Unix(PathBuf),
    Systemd,
}

impl Listen {
    /// Only this machine reaches it, and nothing stands in front that others could reach.
    pub fn is_loopback(&self) -> bool {
        matches!(self, Self::Tcp(address) if address.ip().is_loopback())
    }
}

impl FromStr for Listen {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.strip_prefix("unix:") {
            Some("") => Err("name the socket's file: unix:/run/entrenous.sock".to_owned()),
            Some(path) => Ok(Self::Unix(path.into())),
            None if text == "systemd" => Ok(Self::Systemd),
            None => text.parse().map(Self::Tcp).map_err(|_| {
                "give an address and a port (127.0.0.1:8080), unix: and a path, or systemd".to_owned()
            }),
        }
    }
}

impl std::fmt::Display for Listen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Systemd => f.write_str("systemd"),
        }
    }
}

/// All by which people come in.
pub struct Doors {
    pub listener: Listener,
    pub tls: Option<Tls>,
    /// For plain http, and only to be sent on to https.
    pub redirect: Option<TcpListener>,
}

impl Doors {
    pub async fn open(config: &Config) -> Result<Self, String> {
        let listener = Listener::bind(&config.listen, config.socket_mode.0).await;
        let redirect = match config.http_redirect {
            Some(at) => Some(TcpListener::bind(at).await.map_err(|error| format!("{at}: {error}"))?),
            None => None,
        };
        Ok(Self {
            listener: listener.map_err(|error| format!("{}: {error}", config.listen))?,
            tls: Tls::open(config)?,
            redirect,
        })
    }
}

impl From<TcpListener> for Doors {
    fn from(listener: TcpListener) -> Self {
        Self { listener: Listener::Tcp(listener), tls: None, redirect: None }
    }
}

pub enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener, Option<OwnFile>),
}

/// The file of a Unix socket, which goes when nobody listens any more.
pub struct OwnFile(PathBuf);

impl Drop for OwnFile {
    fn drop(&mut self) {
        // It may be gone, or another server's by now; neither is ours to repair.
        let _ = fs::remove_file(&self.0);
    }
}

impl Listener {
    /// `mode`: the rights of a Unix socket's file.
    pub async fn bind(listen: &Listen, mode: u32) -> io::Result<Self> {
        match listen {
            Listen::Tcp(address) => Ok(Self::Tcp(TcpListener::bind(address).await?)),
            Listen::Unix(path) => {
                replace_stale(path)?;
                let listener = UnixListener::bind(path)?;
                fs::set_permissions(path, fs::Permissions::from_mode(mode))?;
                Ok(Self::Unix(listener, Some(OwnFile(path.clone()))))
            }
            Listen::Systemd => from_systemd(),
        }
    }

    /// The port, where there is one.
    pub fn listen(&self, asked: &Listen) -> io::Result<Listen> {
        match self {
            Self::Tcp(listener) => Ok(Listen::Tcp(listener.local_addr()?)),
            Self::Unix(..) => Ok(asked.clone()),
        }
    }

    pub async fn accept(&self) -> io::Result<(Stream, Peer)> {
        match self {
            Self::Tcp(listener) => {
                let (stream, peer) = listener.accept().await?;
                Ok((Stream::Tcp(stream), Peer::Address(peer.ip().to_canonical())))
            }
            Self::Unix(listener, _) => Ok((Stream::Unix(listener.accept().await?.0), Peer::Local)),
        }
    }
}

/// What a server left behind that was killed is in the way; a server that still listens is not to be pushed aside.
fn replace_stale(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(found) if !found.file_type().is_socket() => Err(io::Error::new(
            io::ErrorKind::AlreadyExists,
            "there is a file of this name that is no socket",
        )),
        Ok(_) => match std::os::unix::net::UnixStream::connect(path) {
            Ok(_) => Err(io::Error::new(io::ErrorKind::AddrInUse, "another server listens here")),
            Err(_) => fs::remove_file(path),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

fn from_systemd() -> io::Result<Listener> {
    let mut given = ListenFd::from_env();
    if let Ok(Some(listener)) = given.take_tcp_listener(0) {
        listener.set_nonblocking(true)?;
        return Ok(Listener::Tcp(TcpListener::from_std(listener)?));
    }
    match given.take_unix_listener(0)? {
        Some(listener) => {
            listener.set_nonblocking(true)?;
            Ok(Listener::Unix(UnixListener::from_std(listener)?, None))
        }
        None => Err(io::Error::new(io::ErrorKind::NotFound, "systemd has passed no socket")),
    }
}

/// Who is at the other end of a connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Peer {
    Address(IpAddr),
    /// A program on this machine, through the Unix socket.
    Local,
}

pub enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
    Tls(Box<TlsStream<Stream>>),
}

impl Stream {
    /// Small frames are the whole point of a messenger: they do not wait for company. And a peer that is gone, or
    /// has stopped reading, is let go by the kernel, however full its side is.
    pub fn prepare(&self) -> io::Result<()> {
        let Self::Tcp(stream) = self else { return Ok(()) };
        stream.set_nodelay(true)?;
        let socket = SockRef::from(stream);
        socket.set_tcp_user_timeout(Some(PEER_PATIENCE))?;
        socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(PEER_PATIENCE))
    }

    /// The first byte that the peer sends, left where it is; none from a Unix socket, and none at the end.
    pub async fn peek(&self) -> io::Result<Option<u8>> {
        let Self::Tcp(stream) = self else { return Ok(None) };
        let mut first = [0];
        Ok((stream.peek(&mut first).await? == 1).then_some(first[0]))
    }
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_read(cx, into),
            Self::Unix(stream) => Pin::new(stream).poll_read(cx, into),
            Self::Tls(stream) => Pin::new(stream.as_mut()).poll_read(cx, into),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, from: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write(cx, from),
            Self::Unix(stream) => Pin::new(stream).poll_write(cx, from),
            Self::Tls(stream) => Pin::new(stream.as_mut()).poll_write(cx, from),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        from: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write_vectored(cx, from),
            Self::Unix(stream) => Pin::new(stream).poll_write_vectored(cx, from),
            Self::Tls(stream) => Pin::new(stream.as_mut()).poll_write_vectored(cx, from),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_flush(cx),
            Self::Unix(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream.as_mut()).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream.as_mut()).poll_shutdown(cx),
        }
    }
}
