//! Messages: sealed on the way out, opened on the way in.

use e2ee::{Context, Envelope, Kind};
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::{
    Client, Error, Result,
    api::query,
    wire::{Accepted, Bytes, History, NewMessage, SealedMessage, SealedReaction, Versions},
};

/// A message as it is now, opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    pub conversation: Uuid,
    pub seq: u64,
    pub rev: u64,
    pub id: Uuid,
    pub sender: Uuid,
    pub sent_at: u64,
    pub content: Content,
    /// When it was last edited.
    pub edited_at: Option<u64>,
    pub reactions: Vec<Reaction>,
    /// When it disappears.
    pub expires_at: Option<u64>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    Text(String),
    /// From now on messages disappear after so many milliseconds, or with 0 no longer.
    Timer(u64),
    /// Its sender has deleted it.
    Deleted,
    /// Its time is over.
    Expired,
    /// Its sender is blocked.
    Hidden,
    /// Written by a newer version, in a way that this one does not know.
    Newer,
    /// It does not open; the error says why.
    Unreadable(e2ee::Error),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reaction {
    pub sender: Uuid,
    pub emoji: String,
}

impl Content {
    fn of(opened: e2ee::Result<Zeroizing<String>>) -> Self {
        match opened {
            Ok(plaintext) => word_of(&plaintext, "text", "body")
                .map(Content::Text)
                .or_else(|| timer_of(&plaintext).map(Content::Timer))
                .unwrap_or(Content::Newer),
            Err(e2ee::Error::UnsupportedVersion) => Content::Newer,
            Err(error) => Content::Unreadable(error),
        }
    }
}

impl Message {
    /// The words, if they are words.
    pub fn text(&self) -> Option<&str> {
        match &self.content {
            Content::Text(text) => Some(text),
            _ => None,
        }
    }
}

impl Client {
    /// Sends a text. The answer comes when the server has stored it.
    pub async fn send(&self, conversation: Uuid, text: &str) -> Result<Accepted> {
        let message = self.seal(conversation, text).await?;
        match self.send_sealed(conversation, &message).await {
            // Long behind: the epoch it was sealed in is over, and nothing of it is stored.
            Err(error) if error.is_refusal("epoch_closed") => {
                self.look_again(conversation).await?;
                let message = self.seal(conversation, text).await?;
                self.send_sealed(conversation, &message).await
            }
            answer => answer,
        }
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
        Ok(NewMessage::new(id, Bytes(envelope)))
    }

    /// New messages disappear after `timer` milliseconds from now on, for both; with 0 no longer.
    pub async fn set_timer(&self, conversation: Uuid, timer: u64) -> Result<Accepted> {
        let plaintext = json!({"type": "timer", "after": timer}).to_string();
        let id = self.new_id();
        let epoch = self.epoch_for_writing(conversation).await?;
        let keychain = self.keychain().await;
        let envelope = keychain.seal(conversation, epoch, id, Kind::Message, None, &plaintext)?;
        drop(keychain);
        let message = NewMessage { timer: Some(timer), ..NewMessage::new(id, Bytes(envelope)) };
        let accepted = self.send_sealed(conversation, &message).await?;
        self.note_timer(conversation, accepted.seq, timer).await;
        Ok(accepted)
    }

    /// One's own message says something else from now on.
    pub async fn edit(&self, conversation: Uuid, message: Uuid, text: &str) -> Result<Accepted> {
        let plaintext = json!({"type": "text", "body": text});
        let edit = self.seal_about(conversation, Kind::Edit, message, &plaintext).await?;
        self.send_sealed(conversation, &edit).await
    }

    /// In the place of one's earlier reaction to this message.
    pub async fn react(&self, conversation: Uuid, message: Uuid, emoji: &str) -> Result<Accepted> {
        let plaintext = json!({"type": "reaction", "emoji": emoji});
        let reaction = self.seal_about(conversation, Kind::Reaction, message, &plaintext).await?;
        self.send_sealed(conversation, &reaction).await
    }

    /// Takes one's reaction back.
    pub async fn unreact(&self, conversation: Uuid, message: Uuid) -> Result<Accepted> {
        let path = format!("/conversations/{conversation}/messages/{message}/reaction");
        self.api().delete(&path).await
    }

    /// Deletes one's own message, for both.
    pub async fn delete(&self, conversation: Uuid, message: Uuid) -> Result<Accepted> {
        self.api().delete(&format!("/conversations/{conversation}/messages/{message}")).await
    }

    /// An edit of a message, or a reaction to one, as it will travel.
    pub async fn seal_about(
        &self,
        conversation: Uuid,
        kind: Kind,
        target: Uuid,
        plaintext: &Value,
    ) -> Result<NewMessage> {
        let id = self.new_id();
        let epoch = self.epoch_for_writing(conversation).await?;
        let keychain = self.keychain().await;
        let envelope = keychain.seal(conversation, epoch, id, kind, Some(target), &plaintext.to_string())?;
        let kind = match kind {
            Kind::Message => None,
            Kind::Edit => Some("edit"),
            Kind::Reaction => Some("reaction"),
        };
        Ok(NewMessage { kind, target: Some(target), ..NewMessage::new(id, Bytes(envelope)) })
    }

    /// What a message said before it was edited, the oldest first.
    pub async fn versions(&self, conversation: Uuid, message: &Message) -> Result<Vec<Content>> {
        let path = format!("/conversations/{conversation}/messages/{}/versions", message.id);
        let served: Versions = self.api().get(&path).await?;
        let mut versions = Vec::new();
        for version in served.versions {
            let edit = (version.id != message.id).then_some(version.id);
            let context = context_of(conversation, message.sender, message.id, edit);
            versions.push(Content::of(self.open_envelope(&context, &version.envelope).await?));
        }
        Ok(versions)
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

    /// Opens a message and the reactions to it, and fetches their epochs' keys first where those are missing.
    pub async fn open(&self, sealed: SealedMessage) -> Result<Message> {
        let SealedMessage { conversation, seq, rev, id, sender, sent_at, edit, .. } = sealed;
        let content = match &sealed.envelope {
            _ if sealed.deleted_at.is_some() && sealed.deleted_at >= sealed.expires_at.or(Some(u64::MAX)) => {
                Content::Expired
            }
            _ if sealed.deleted_at.is_some() => Content::Deleted,
            None => Content::Hidden,
            Some(envelope) => {
                let context = context_of(conversation, sender, id, edit.map(|edit| edit.id));
                Content::of(self.open_envelope(&context, envelope).await?)
            }
        };
        let mut reactions = Vec::new();
        for SealedReaction { sender, id: reaction, envelope } in sealed.reactions {
            let context =
                Context { conversation, sender, id: reaction, kind: Kind::Reaction, target: Some(id) };
            // One that does not open, or is of a newer version, is left out.
            if let Ok(plaintext) = self.open_envelope(&context, &envelope).await?
                && let Some(emoji) = word_of(&plaintext, "reaction", "emoji")
            {
                reactions.push(Reaction { sender, emoji });
            }
        }
        if let Content::Timer(timer) = content {
            self.note_timer(conversation, seq, timer).await;
        }
        let edited_at = edit.map(|edit| edit.at);
        let expires_at = sealed.expires_at;
        Ok(Message { conversation, seq, rev, id, sender, sent_at, content, edited_at, reactions, expires_at })
    }

    async fn open_envelope(
        &self,
        context: &Context,
        envelope: &Bytes,
    ) -> Result<e2ee::Result<Zeroizing<String>>> {
        if let Ok(envelope) = Envelope::parse(&envelope.0) {
            self.learn_epoch(context.conversation, envelope.epoch).await?;
        }
        Ok(self.keychain().await.open(context, &envelope.0))
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
        let changes = range.0 == "changed_after";
        let after = range.1.as_ref().filter(|_| changes).and_then(|rev| rev.parse().ok()).unwrap_or(0);
        let query = query([range, ("limit", Some(limit.to_string()))]);
        let mut page: History =
            self.api().get(&format!("/conversations/{conversation}/messages{query}")).await?;
        let places = page.messages.iter().map(|message| if changes { message.rev } else { message.seq });
        let ascend = [after].into_iter().chain(places).is_sorted_by(|before, next| before < next);
        if !ascend || (changes && page.next.is_some_and(|next| next <= after)) {
            return Err(Error::nonsense("a page that goes back"));
        }
        // Whatever the server says of where they are from: what is of another conversation does not open here.
        page.messages.iter_mut().for_each(|message| message.conversation = conversation);
        Ok(page)
    }
}

/// What surrounds a message's envelope: as it was sent, or as its edit `edit`.
fn context_of(conversation: Uuid, sender: Uuid, message: Uuid, edit: Option<Uuid>) -> Context {
    match edit {
        None => Context { conversation, sender, id: message, kind: Kind::Message, target: None },
        Some(id) => Context { conversation, sender, id, kind: Kind::Edit, target: Some(message) },
    }
}

fn timer_of(plaintext: &str) -> Option<u64> {
    let plaintext: Value = serde_json::from_str(plaintext).ok()?;
    plaintext["after"].as_u64().filter(|_| plaintext["type"] == "timer")
}

/// The word in this field of a plaintext, if it is of this type.
fn word_of(plaintext: &str, kind: &str, field: &str) -> Option<String> {
    let plaintext: Value = serde_json::from_str(plaintext).ok()?;
    if plaintext.get("type")?.as_str()? != kind {
        return None;
    }
    Some(plaintext.get(field)?.as_str()?.to_owned())
}
