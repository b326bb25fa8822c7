//! The people of the benchmark: signed up by the real client, once, and kept for later runs. Each pair has its
//! conversation, an epoch to write in, and one sealed message.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use client::Client;
use client::wire::{Bytes, Conversation, NewMessage};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::runtime::Runtime;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::Result;
use crate::frame::SendFrame;
use crate::process::{Process, get};
use crate::report::note;

/// The text of a message, as it is before it is padded (to 320) and sealed (to an envelope of 395).
const TEXT_BYTES: usize = 300;
const PASSWORD: &str = "correct horse battery";
/// Pairs that sign up at the same time; each keeps two processors busy with Argon2id.
const AT_ONCE: usize = 2;

/// One who writes, and one who is written to, by the tokens of their sessions.
#[derive(Clone, Deserialize, Serialize)]
pub struct Pair {
    pub conversation: Uuid,
    pub sender: String,
    pub recipient: String,
    id: Uuid,
    envelope: Bytes,
}

impl Pair {
    pub fn frame(&self) -> Result<SendFrame> {
        SendFrame::new(self.conversation, &NewMessage::new(self.id, self.envelope.clone()))
    }

    /// The relay knows no sessions: who listens to a conversation comes under its name.
    pub fn named_for_the_relay(&self) -> Self {
        let (sender, recipient) = (format!("to {}", self.conversation), self.conversation.to_string());
        Self { sender, recipient, ..self.clone() }
    }

    /// The conversation as the server sees it.
    pub fn look(&self, server: SocketAddr) -> Result<Conversation> {
        let path = format!("/api/conversations/{}", self.conversation);
        match get(server, &path, Some(&self.sender))? {
            (200, body) => Ok(serde_json::from_slice(&body)?),
            (status, body) => Err(format!("{path}: {status} {}", String::from_utf8_lossy(&body)).into()),
        }
    }
}

/// The pairs, and the data folder in which they are at home. It is never run on itself, only copied.
pub struct People {
    home: PathBuf,
    pub pairs: Vec<Pair>,
}

impl People {
    /// The people of the run before, if a server still knows them; otherwise new ones.
    pub fn gather(program: &Path, work: &Path, count: usize) -> Result<Self> {
        let home = work.join("people");
        let known = fs::read(home.join("pairs.json"))
            .map_err(Into::into)
            .and_then(|saved| Ok(Self { pairs: serde_json::from_slice(&saved)?, home: home.clone() }))
            .and_then(|people: Self| people.check(program, work, count).map(|()| people));
        match known {
            Ok(people) => Ok(people),
            Err(reason) => {
                note(&format!("signing up {} people, once ({reason})", 2 * count));
                Self::sign_up(program, home, count)
            }
        }
    }

    fn check(&self, program: &Path, work: &Path, count: usize) -> Result<()> {
        if self.pairs.len() != count {
            return Err("the run before had fewer or more".into());
        }
        let server = self.server(program, work)?;
        for pair in &self.pairs {
            pair.look(server.process.address)?.epoch.ok_or("a conversation without an epoch")?;
        }
        Ok(())
    }

    fn sign_up(program: &Path, home: PathBuf, count: usize) -> Result<Self> {
        if home.exists() {
            fs::remove_dir_all(&home)?;
        }
        fs::create_dir_all(&home)?;
        let server = Process::server(program, &home.join("data"), &home)?;
        let pairs = sign_up(server.address, count)?;
        drop(server);
        fs::write(home.join("pairs.json"), serde_json::to_vec(&pairs)?)?;
        Ok(Self { home, pairs })
    }

    /// A server just started, on a copy of the people's data folder.
    pub fn server(&self, program: &Path, work: &Path) -> Result<Server> {
        let data = work.join("data");
        if data.exists() {
            fs::remove_dir_all(&data)?;
        }
        fs::create_dir_all(&data)?;
        for entry in fs::read_dir(self.home.join("data"))? {
            let entry = entry?;
            fs::copy(entry.path(), data.join(entry.file_name()))?;
        }
        Ok(Server { process: Process::server(program, &data, work)?, data: Passing(data) })
    }
}

/// A server on a data folder that goes when it does.
pub struct Server {
    pub process: Process,
    // After the process: fields are dropped in their order.
    data: Passing,
}

impl Server {
    /// Stops it, and starts it on the same folder.
    pub fn again(self, program: &Path, work: &Path) -> Result<Self> {
        let Self { process, data } = self;
        drop(process);
        Ok(Self { process: Process::server(program, &data.0, work)?, data })
    }
}

struct Passing(PathBuf);

impl Drop for Passing {
    fn drop(&mut self) {
        // What stays is deleted before the next one.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The server itself must know of every message that it acknowledged, and of no other. How many there are.
pub fn confirm(server: SocketAddr, pairs: &[Pair], sent: &[u64]) -> Result<u64> {
    for (pair, sent) in pairs.iter().zip(sent) {
        let seq = pair.look(server)?.seq;
        if seq != *sent {
            return Err(format!("{sent} messages were acknowledged, and the server holds {seq}").into());
        }
    }
    Ok(sent.iter().sum())
}

/// Signs up this many pairs, and has each open its conversation and seal a message.
pub fn sign_up(server: SocketAddr, count: usize) -> Result<Vec<Pair>> {
    let url = format!("http://{server}");
    Runtime::new()?.block_on(async {
        let turns = Arc::new(Semaphore::new(AT_ONCE));
        let mut pairs = JoinSet::new();
        for number in 0..count {
            let (url, turns) = (url.clone(), turns.clone());
            pairs.spawn(async move {
                let _turn = turns.acquire().await;
                pair(&url, number).await
            });
        }
        let mut all = Vec::with_capacity(count);
        while let Some(pair) = pairs.join_next().await {
            all.push(pair??);
        }
        Ok(all)
    })
}

async fn pair(url: &str, number: usize) -> client::Result<Pair> {
    let register = async |role| {
        let handle = format!("{role}.{number}");
        Client::register(url, &handle, &handle, PASSWORD).await
    };
    let (sender, recipient) = tokio::try_join!(register("sender"), register("recipient"))?;
    let conversation = sender.open_conversation(recipient.id()).await?.id;
    let around = json!({"type": "text", "body": ""}).to_string().len();
    let NewMessage { id, envelope, .. } = sender.seal(conversation, &"x".repeat(TEXT_BYTES - around)).await?;
    let (sender, recipient) = (sender.token().to_owned(), recipient.token().to_owned());
    Ok(Pair { conversation, sender, recipient, id, envelope })
}
