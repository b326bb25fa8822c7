//! The socket: what happens, as it happens, and a faster way to send. It is only a fast path: after a gap,
//! [`Client::changes`] tells what was missed.

use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async_with_config,
    tungstenite::{
        self,
        client::IntoClientRequest,
        http::header::AUTHORIZATION,
        protocol::{WebSocketConfig, frame::coding::CloseCode},
    },
};
use uuid::Uuid;

use crate::{
    Client, Error, Message, Result,
    wire::{Accepted, Epoch, Frame, NewMessage, OwnSession, Person, Presence, Privacy, Pushed},
};

/// An open socket.
pub struct Live {
    client: Client,
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
}

/// What the server tells, its messages opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    Ready {
        session: Uuid,
        server_time: u64,
    },
    Accepted(Accepted),
    Refused {
        conversation: Uuid,
        id: Uuid,
        code: String,
        message: String,
    },
    Message(Message),
    /// A message that was there is another now. Only a [`Follower`](crate::Follower) can tell; else it is a `Message`.
    Changed(Message),
    Receipt {
        conversation: Uuid,
        account: Uuid,
        delivered: u64,
        read: u64,
    },
    /// The other person types.
    Typing {
        conversation: Uuid,
        account: Uuid,
    },
    /// Of the person whose conversation is watched.
    Presence {
        account: Uuid,
        presence: Presence,
    },
    /// One shares more or less now.
    Privacy(Privacy),
    Epoch {
        conversation: Uuid,
        epoch: Epoch,
    },
    /// All that an epoch carried has disappeared, and now its key.
    EpochErased {
        conversation: Uuid,
        epoch: Uuid,
    },
    /// One has blocked or unblocked somebody.
    Block {
        account: Uuid,
        blocked: bool,
    },
    /// Somebody has logged in to one's account.
    SessionBegun {
        session: OwnSession,
    },
    /// One's password was changed or recovered, or all other sessions were ended.
    Secured {
        secured_at: u64,
    },
    /// One's second factor was turned on or off, or its backup codes were replaced.
    SecondFactor {
        on: bool,
    },
    /// One's own vault was written.
    Vault {
        version: i64,
    },
    /// One's account will be erased, or will not after all.
    Erasure {
        erase_at: Option<u64>,
    },
    /// A contact has another identity now, perhaps.
    Keys {
        account: Uuid,
    },
    Profile(Person),
    Error {
        code: String,
        message: String,
    },
}

impl Client {
    /// Opens a socket, and waits until the server is ready to tell: nothing that happens afterwards is
    /// missed.
    pub async fn events(&self) -> Result<Live> {
        let address = format!("{}/api/live", self.api().base().replacen("http", "ws", 1));
        let mut request = address.into_client_request()?;
        let bearer = format!("Bearer {}", self.token()).parse().map_err(tungstenite::http::Error::from)?;
        request.headers_mut().insert(AUTHORIZATION, bearer);
        // A client with thousands of sockets does not want 128 KiB of buffer for each.
        let buffers = WebSocketConfig::default().read_buffer_size(8 << 10);
        let (socket, _) = connect_async_with_config(request, Some(buffers), true).await?;
        let mut live = Live { client: self.clone(), socket };
        // What is told before that is found by asking.
        loop {
            if let Some(Pushed::Ready { server_time, .. }) = live.pushed().await? {
                self.set_clock(server_time);
                return Ok(live);
            }
        }
    }

    pub(crate) async fn saw(&self, conversation: Uuid, seq: u64) -> Result<()> {
        self.thread(conversation).await?.lock().await.saw(seq);
        Ok(())
    }
}

impl Live {
    /// The next event. `Error::Closed` when the server ends the socket.
    pub async fn next(&mut self) -> Result<Event> {
        loop {
            if let Some(pushed) = self.pushed().await?
                && let Some(event) = self.event(pushed).await?
            {
                return Ok(event);
            }
        }
    }

    /// The next frame as it came; `None` for a ping. Loses nothing when it is dropped before it is done.
    pub(crate) async fn pushed(&mut self) -> Result<Option<Pushed>> {
        match self.socket.next().await.ok_or_else(|| closed(None))?? {
            tungstenite::Message::Text(text) => {
                serde_json::from_str(&text).map(Some).map_err(|error| Error::Connection(error.to_string()))
            }
            tungstenite::Message::Close(frame) => {
                Err(closed(frame.map(|frame| (frame.code, frame.reason.to_string()))))
            }
            _ => Ok(None),
        }
    }

    /// Passes over everything until the next message.
    pub async fn next_message(&mut self) -> Result<Message> {
        loop {
            if let Event::Message(message) = self.next().await? {
                return Ok(message);
            }
        }
    }

    /// Sends a text; `accepted` or `refused` comes as an event. Returns the message's id.
    pub async fn send(&mut self, conversation: Uuid, text: &str) -> Result<Uuid> {
        let message = self.client.seal(conversation, text).await?;
        let id = message.id;
        self.send_sealed(conversation, message).await?;
        Ok(id)
    }

    pub async fn send_sealed(&mut self, conversation: Uuid, message: NewMessage) -> Result<()> {
        self.frame(&Frame::Send { conversation, message }).await
    }

    pub async fn receipt(
        &mut self,
        conversation: Uuid,
        delivered: Option<u64>,
        read: Option<u64>,
    ) -> Result<()> {
        self.frame(&Frame::Receipt { conversation, delivered, read }).await
    }

    /// Says that one is typing.
    pub async fn typing(&mut self, conversation: Uuid) -> Result<()> {
        self.frame(&Frame::Typing { conversation }).await
    }

    /// Says whether one is there, until it is said otherwise or the socket ends.
    pub async fn attend(&mut self, attending: bool) -> Result<()> {
        self.frame(&Frame::Attending { attending }).await
    }

    /// Asks to be told of the other person of this conversation, and of no one else.
    pub async fn watch(&mut self, conversation: Option<Uuid>) -> Result<()> {
        self.frame(&Frame::Watch { conversation }).await
    }

    /// Any text at all.
    pub async fn raw(&mut self, text: impl Into<String>) -> Result<()> {
        Ok(self.socket.send(tungstenite::Message::text(text.into())).await?)
    }

    /// Any bytes at all, as a binary frame.
    pub async fn raw_binary(&mut self, bytes: Vec<u8>) -> Result<()> {
        Ok(self.socket.send(tungstenite::Message::binary(bytes)).await?)
    }

    /// Leaves politely.
    pub async fn close(mut self) -> Result<()> {
        Ok(self.socket.close(None).await?)
    }

    async fn frame(&mut self, frame: &Frame) -> Result<()> {
        let text = serde_json::to_string(frame).map_err(|error| Error::Connection(error.to_string()))?;
        self.raw(text).await
    }

    async fn event(&self, pushed: Pushed) -> Result<Option<Event>> {
        Ok(Some(match pushed {
            Pushed::Ready { session, server_time } => Event::Ready { session, server_time },
            Pushed::Accepted(accepted) => {
                self.client.saw(accepted.conversation, accepted.seq).await?;
                Event::Accepted(accepted)
            }
            Pushed::Refused { conversation, id, code, message } => {
                Event::Refused { conversation, id, code, message }
            }
            Pushed::Message { message } => {
                self.client.saw(message.conversation, message.seq).await?;
                Event::Message(self.client.open(message).await?)
            }
            Pushed::Receipt { conversation, account, delivered, read } => {
                Event::Receipt { conversation, account, delivered, read }
            }
            Pushed::Typing { conversation, account } => Event::Typing { conversation, account },
            Pushed::Presence { account, presence } => Event::Presence { account, presence },
            Pushed::Privacy { privacy } => Event::Privacy(privacy),
            Pushed::Epoch { conversation, epoch } => Event::Epoch { conversation, epoch },
            Pushed::EpochErased { conversation, epoch } => {
                self.client.keychain().await.forget_epoch(conversation, epoch);
                Event::EpochErased { conversation, epoch }
            }
            Pushed::Block { account, blocked } => Event::Block { account, blocked },
            Pushed::SessionBegun { session } => Event::SessionBegun { session },
            Pushed::Secured { secured_at } => Event::Secured { secured_at },
            Pushed::SecondFactor { on } => Event::SecondFactor { on },
            Pushed::Vault { version } => Event::Vault { version },
            Pushed::Erasure { erase_at } => Event::Erasure { erase_at },
            Pushed::Keys { account } => {
                self.client.forget_keys(account).await;
                Event::Keys { account }
            }
            Pushed::Profile { person } => Event::Profile(person),
            Pushed::Error { code, message } => Event::Error { code, message },
            Pushed::Unknown => return Ok(None),
        }))
    }
}

fn closed(frame: Option<(CloseCode, String)>) -> Error {
    let (code, reason) = frame.unwrap_or((CloseCode::Abnormal, "the connection is gone".to_owned()));
    Error::Closed { code: code.into(), reason }
}

impl From<tungstenite::Error> for Error {
    fn from(error: tungstenite::Error) -> Self {
        match error {
            // The server answers with JSON where it does not open the socket.
            tungstenite::Error::Http(response) => {
                let status = response.status().as_u16();
                let body = response.into_body().unwrap_or_default();
                match serde_json::from_slice(&body) {
                    Ok(crate::wire::Problem { code, message }) => Error::Refused { status, code, message },
                    Err(_) => Error::Connection(format!("the socket was answered with {status}")),
                }
            }
            other => Error::Connection(other.to_string()),
        }
    }
}

impl From<tungstenite::http::Error> for Error {
    fn from(error: tungstenite::http::Error) -> Self {
        Error::Connection(error.to_string())
    }
}
