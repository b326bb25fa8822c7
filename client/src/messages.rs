//! Messages: sealed on the way out, opened on the way in.

use e2ee::{Context, Kind};
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    Client, Result,
    api::query,
    wire::{Accepted, Bytes, History, NewMessage, SealedMessage},
};

/// A message, opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    pub conversation: Uuid,
    pub seq: u64,
    pub rev: u64,
    pub id: Uuid,
    pub sender: Uuid,
    pub sent_at: u64,
    pub content: Content,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    Text(String),
    /// Written by a newer version, in a way that this one does not know.
    Newer,
    /// It does not open; the error says why.
    Unreadable(e2ee::Error),
}

impl Message {
    /// The words, if they are words.
    pub fn text(&self) -> Option<&str> {
        match &self.content {
            Content::Text(text) => Some(text),
            Content::Newer | Content::Unreadable(_) => None,
        }
    }
}

impl Client {
    /// Sends a text. The answer comes when the server has stored it.
    pub async fn send(&self, conversation: Uuid, text: &str) -> Result<Accepted> {
        let message = self.seal(conversation, text).await?;
        self.send_sealed(conversation, &message).await
    }

    /// A text as it will travel, in an epoch to write in. For [`Client::send_sealed`], as often as needed.
    pub async fn seal(&self, conversation: Uuid, text: &str) -> Result<NewMessage> {
        self.seal_as(self.new_id(), conversation, text).await
    }

    /// An id for a message to come.
    pub(crate) fn new_id(&self) -> Uuid {
        e2ee::new_id(self.now())
    }

    pub(crate) async fn seal_as(&self, id: Uuid, conversation: Uuid, text: &str) -> Result<NewMessage> {
        let epoch = self.epoch_for_writing(conversation).await?;
        let plaintext = json!({"type": "text", "body": text}).to_string();
        let keychain = self.keychain().await;
        let envelope = keychain.seal(conversation, epoch, id, Kind::Message, None, &plaintext)?;
        Ok(NewMessage { id, envelope: Bytes(envelope) })
    }

    pub async fn send_sealed(&self, conversation: Uuid, message: &NewMessage) -> Result<Accepted> {
        let path = format!("/conversations/{conversation}/messages");
        let accepted: Accepted = self.api().post(&path, message).await?;
        self.saw(conversation, accepted.seq).await?;
        Ok(accepted)
    }

    /// The messages before this number (`None`: the latest), in ascending order; at most `limit`.
    pub async fn history(&self, conversation: Uuid, before: Option<u64>, limit: u64) -> Result<Vec<Message>> {
        self.page(conversation, [("before", before.map(|seq| seq.to_string()))], limit).await
    }

    /// What changed after this `rev`, in ascending order; at most `limit`. From the last one's `rev` on there
    /// may be more.
    pub async fn changes(&self, conversation: Uuid, after_rev: u64, limit: u64) -> Result<Vec<Message>> {
        self.page(conversation, [("changed_after", Some(after_rev.to_string()))], limit).await
    }

    /// Everything up to these numbers has reached me, and I have read it.
    pub async fn receipt(&self, conversation: Uuid, delivered: Option<u64>, read: Option<u64>) -> Result<()> {
        let mut receipt = json!({});
        if let Some(seq) = delivered {
            receipt["delivered"] = seq.into();
        }
        if let Some(seq) = read {
            receipt["read"] = seq.into();
        }
        self.api().tell(Method::POST, &format!("/conversations/{conversation}/receipts"), &receipt).await
    }

    /// Opens a message, and fetches its epoch's key first where that is missing.
    pub async fn open(&self, sealed: SealedMessage) -> Result<Message> {
        let SealedMessage { conversation, seq, rev, id, sender, epoch, envelope, sent_at } = sealed;
        self.learn_epoch(conversation, epoch).await?;
        let context = Context { conversation, sender, id, kind: Kind::Message, target: None };
        let opened = self.keychain().await.open(&context, &envelope.0);
        let content = match opened {
            Ok(text) => content_of(&text),
            Err(e2ee::Error::UnsupportedVersion) => Content::Newer,
            Err(error) => Content::Unreadable(error),
        };
        Ok(Message { conversation, seq, rev, id, sender, sent_at, content })
    }

    async fn page(
        &self,
        conversation: Uuid,
        [range]: [(&str, Option<String>); 1],
        limit: u64,
    ) -> Result<Vec<Message>> {
        let page = self.sealed_page(conversation, range, limit).await?;
        let mut messages = Vec::with_capacity(page.messages.len());
        for sealed in page.messages {
            messages.push(self.open(sealed).await?);
        }
        Ok(messages)
    }

    pub(crate) async fn sealed_page(
        &self,
        conversation: Uuid,
        range: (&str, Option<String>),
        limit: u64,
    ) -> Result<History> {
        let query = query([range, ("limit", Some(limit.to_string()))]);
        self.api().get(&format!("/conversations/{conversation}/messages{query}")).await
    }
}

fn content_of(plaintext: &str) -> Content {
    let Ok(Value::Object(plaintext)) = serde_json::from_str(plaintext) else {
        return Content::Newer;
    };
    match (plaintext.get("type").and_then(Value::as_str), plaintext.get("body").and_then(Value::as_str)) {
        (Some("text"), Some(body)) => Content::Text(body.to_owned()),
        _ => Content::Newer,
    }
}
