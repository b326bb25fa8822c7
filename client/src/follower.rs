//! Following: what a browser does on a bad day. A [`Follower`] connects again after every loss, catches up by
//! `rev`, and hands out each message once, in order and without gaps. What it is given to send it keeps, under
//! one id and in one sealing, until the server has it.
//!
//! ```no_run
//! # async fn bot(client: client::Client) -> client::Result<()> {
//! let mut follower = client.follow().after(client.places().await?);
//! loop {
//!     if let client::Event::Message(message) = follower.next().await?
//!         && message.sender != client.id()
//!     {
//!         follower.send(message.conversation, "Thank you.");
//!     }
//! }
//! # }
//! ```
//!
//! There is no task behind it: everything happens while somebody waits in [`Follower::next`].

use std::collections::{BTreeSet, HashMap, VecDeque};

use e2ee::Envelope;
use tokio::time::{Duration, Instant, sleep_until, timeout};
use uuid::Uuid;

use crate::{
    Backoff, Client, Content, Error, Event, Live, Message, Result,
    outbox::Outbox,
    receipts::Receipts,
    wire::{Accepted, Conversation, Progress, Pushed, SealedMessage},
};

/// A network that swallows everything never says no.
const READY_WITHIN: Duration = Duration::from_secs(15);
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// The server pings every 25 seconds.
const SILENCE: Duration = Duration::from_secs(60);
/// Opened and thrown out at once, again and again, must slow down too.
const STABLE: Duration = Duration::from_secs(10);
/// The largest page that the server gives, and one that passes through the worst of networks.
const PAGE: u64 = 200;
const SMALL_PAGE: u64 = 10;

/// How far one has come in a conversation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// The last message.
    pub seq: u64,
    /// The last change.
    pub rev: u64,
    /// Messages before `seq` that are still to come, since they were changed after it.
    pub skipped: BTreeSet<u64>,
}

/// Hears everything and loses nothing, however often the connection is lost.
pub struct Follower {
    client: Client,
    backoff: Backoff,
    /// What was handed out of each conversation.
    places: HashMap<Uuid, Place>,
    line: Line,
    attempts: u64,
    /// What came over the socket and was not yet looked at.
    pushed: VecDeque<Pushed>,
    /// The list of conversations is to be looked at.
    refresh: bool,
    /// Conversations of which something is missing.
    behind: BTreeSet<Uuid>,
    /// How much to ask for at once: less after each loss, more after each success.
    page: u64,
    outbox: Outbox,
    receipts: Receipts,
    events: VecDeque<Event>,
}

enum Line {
    Open {
        live: Box<Live>,
        since: Instant,
        heard_at: Instant,
        failures: u32,
    },
    /// `by_post`: no POST has failed since the last attempt to connect.
    Lost {
        failures: u32,
        retry_at: Instant,
        by_post: bool,
    },
}

impl Client {
    /// Follows all conversations, each from its first message; see [`Follower::after`]. Nothing happens before
    /// [`Follower::next`].
    pub fn follow(&self) -> Follower {
        let now = Instant::now();
        Follower {
            client: self.clone(),
            backoff: Backoff::default(),
            places: HashMap::new(),
            line: Line::Lost { failures: 0, retry_at: now, by_post: false },
            attempts: 0,
            pushed: VecDeque::new(),
            refresh: false,
            behind: BTreeSet::new(),
            page: PAGE,
            outbox: Outbox::new(),
            receipts: Receipts::new(),
            events: VecDeque::new(),
        }
    }

    /// How far each conversation has come: where "from now on" begins.
    pub async fn places(&self) -> Result<HashMap<Uuid, Place>> {
        let place =
            |there: Conversation| (there.id, Place { seq: there.seq, rev: there.rev, ..Place::default() });
        Ok(self.conversations().await?.into_iter().map(place).collect())
    }
}

impl Follower {
    /// Begin after these places ([`Client::places`], or what [`Follower::places`] said in an earlier life). A
    /// conversation that is not among them is followed from its first message.
    #[must_use]
    pub fn after(self, places: HashMap<Uuid, Place>) -> Self {
        Self { places, ..self }
    }

    #[must_use]
    pub fn backoff(self, backoff: Backoff) -> Self {
        Self { backoff, ..self }
    }

    /// How many messages of one conversation may be under way at once. With one, which is what it begins with,
    /// they keep their order whatever happens. With more it is faster, and they keep it over lost connections,
    /// but not when the server refuses one for want of room and takes the next.
    #[must_use]
    pub fn at_once(mut self, messages: usize) -> Self {
        self.outbox.at_once = messages.max(1);
        self
    }

    /// How far each conversation was handed out.
    pub fn places(&self) -> &HashMap<Uuid, Place> {
        &self.places
    }

    /// How often it has tried to connect.
    pub fn attempts(&self) -> u64 {
        self.attempts
    }

    /// Whether the server has all that this follower was given to send, and all its answers are handed out.
    pub fn is_settled(&self) -> bool {
        self.outbox.is_empty() && self.receipts.is_empty() && self.events.is_empty()
    }

    /// Queues a text, and returns the id it will have. [`Follower::next`] sends it; [`Event::Accepted`] or, for
    /// good, [`Event::Refused`] says what became of it.
    pub fn send(&mut self, conversation: Uuid, text: impl Into<String>) -> Uuid {
        let id = self.client.new_id();
        self.outbox.add(conversation, id, text.into());
        id
    }

    /// Everything up to these numbers has reached me, and I have read it; said until the server knows it.
    pub fn receipt(&mut self, conversation: Uuid, delivered: Option<u64>, read: Option<u64>) {
        self.receipts.add(conversation, delivered.unwrap_or(0), read.unwrap_or(0));
    }

    /// The next thing that happened. `Ready` stands at the beginning of every connection; messages that were
    /// missed follow it. One's own messages come too, from this follower or elsewhere. An error is one that
    /// trying again does not mend, such as a session that has ended. Nothing is lost when this is dropped
    /// before it is done.
    pub async fn next(&mut self) -> Result<Event> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Ok(event);
            }
            if let Err(error) = self.step().await {
                self.lost();
                if !error.is_passing() {
                    return Err(error);
                }
            }
        }
    }

    /// The first of these that there is to do.
    async fn step(&mut self) -> Result<()> {
        if let Line::Lost { retry_at, by_post, .. } = self.line {
            if retry_at <= Instant::now() {
                return self.connect().await;
            }
            if by_post && self.outbox.next(Instant::now()).is_some() {
                return self.post().await;
            }
            sleep_until(retry_at).await;
        } else if self.refresh {
            self.look_at_list().await?;
        } else if let Some(conversation) = self.behind.first().copied() {
            self.catch_up(conversation).await?;
        } else if !self.pushed.is_empty() {
            self.work().await?;
        } else if self.outbox.next(Instant::now()).is_some() {
            self.transmit().await?;
        } else if let Some((conversation, progress)) = self.receipts.next() {
            self.tell(conversation, progress).await?;
        } else {
            self.listen().await?;
        }
        Ok(())
    }

    async fn connect(&mut self) -> Result<()> {
        self.attempts += 1;
        let live = timeout(READY_WITHIN, self.client.events()).await.map_err(|_| silent())??;
        let now = Instant::now();
        let failures = self.line.failures();
        self.line = Line::Open { live: Box::new(live), since: now, heard_at: now, failures };
        self.refresh = true;
        Ok(())
    }

    /// What was under way may be stored or not: it goes again, under the same id.
    fn lost(&mut self) {
        let failures = self.line.failures();
        let retry_at = Instant::now() + self.backoff.delay(failures);
        self.line = Line::Lost { failures: failures.saturating_add(1), retry_at, by_post: true };
        self.pushed.clear();
        self.behind.clear();
        self.page = (self.page / 2).max(SMALL_PAGE);
        self.outbox.connection_lost();
        self.receipts.again(Duration::ZERO);
    }

    async fn look_at_list(&mut self) -> Result<()> {
        for there in self.client.conversations().await? {
            if there.rev > self.rev(there.id) {
                self.behind.insert(there.id);
            }
            self.receipts.stored(there.id, there.mine);
        }
        self.refresh = false;
        let (session, server_time) = (self.client.session(), self.client.now());
        self.events.push_back(Event::Ready { session, server_time });
        Ok(())
    }

    /// One page of what was missed.
    async fn catch_up(&mut self, conversation: Uuid) -> Result<()> {
        let after = ("changed_after", Some(self.rev(conversation).to_string()));
        let page = self.client.sealed_page(conversation, after, self.page).await?;
        self.page = (self.page * 2).min(PAGE);
        for sealed in page.messages {
            let message = self.open(sealed).await?;
            self.hand_out(message);
        }
        match page.next {
            // What it leaves out has changed again, and comes later.
            Some(next) => self.places.entry(conversation).or_default().rev = next,
            None => drop(self.behind.remove(&conversation)),
        }
        Ok(())
    }

    /// Takes in the oldest of what was pushed. It stays where it is until that is done.
    async fn work(&mut self) -> Result<()> {
        let event = match self.pushed.front().cloned() {
            Some(Pushed::Message { message }) => {
                self.place(message).await?;
                None
            }
            Some(Pushed::Accepted(accepted)) => {
                self.accepted(accepted).await?;
                None
            }
            Some(Pushed::Refused { conversation, id, code, message }) => {
                self.refused(conversation, id, code, message).await?;
                None
            }
            Some(Pushed::Receipt { conversation, account, delivered, read }) => {
                if account == self.client.id() {
                    self.receipts.stored(conversation, Progress { delivered, read });
                }
                Some(Event::Receipt { conversation, account, delivered, read })
            }
            Some(Pushed::Error { code, message }) => {
                // It may have been a receipt, and does not say which.
                if is_passing(&code) {
                    self.receipts.again(self.backoff.first);
                }
                Some(Event::Error { code, message })
            }
            Some(Pushed::Typing { conversation, account }) => Some(Event::Typing { conversation, account }),
            Some(Pushed::Presence { account, presence }) => Some(Event::Presence { account, presence }),
            Some(Pushed::Privacy { privacy }) => Some(Event::Privacy(privacy)),
            Some(Pushed::Epoch { conversation, epoch }) => Some(Event::Epoch { conversation, epoch }),
            Some(Pushed::EpochErased { conversation, epoch }) => {
                self.client.keychain().await.forget_epoch(conversation, epoch);
                Some(Event::EpochErased { conversation, epoch })
            }
            Some(Pushed::Block { account, blocked }) => Some(Event::Block { account, blocked }),
            Some(Pushed::SessionBegun { session }) => Some(Event::SessionBegun { session }),
            Some(Pushed::Secured { secured_at }) => Some(Event::Secured { secured_at }),
            Some(Pushed::SecondFactor { on }) => Some(Event::SecondFactor { on }),
            Some(Pushed::Vault { version }) => Some(Event::Vault { version }),
            Some(Pushed::Erasure { erase_at }) => Some(Event::Erasure { erase_at }),
            Some(Pushed::Keys { account }) => {
                self.client.forget_keys(account).await;
                Some(Event::Keys { account })
            }
            Some(Pushed::Profile { person }) => Some(Event::Profile(person)),
            Some(Pushed::Ready { .. } | Pushed::Unknown) | None => None,
        };
        self.events.extend(event);
        self.pushed.pop_front();
        Ok(())
    }

    /// The next change joins, one that was handed out already is dropped, and a gap is filled first.
    async fn place(&mut self, sealed: SealedMessage) -> Result<()> {
        let held = self.rev(sealed.conversation);
        if sealed.rev == held + 1 {
            let message = self.open(sealed).await?;
            self.hand_out(message);
        } else if sealed.rev > held {
            self.behind.insert(sealed.conversation);
        }
        Ok(())
    }

    /// A message of ours has its place. The connection that sent it is told only this, so the message itself is
    /// taken from the outbox.
    async fn accepted(&mut self, accepted: Accepted) -> Result<()> {
        let Accepted { conversation, id, seq, rev, sent_at, expires_at } = accepted;
        let Some(queued) = self.outbox.get(conversation, id) else { return Ok(()) };
        if let Some(sealed) = &queued.sealed {
            let envelope = sealed.envelope.clone();
            let epoch = Envelope::parse(&envelope.0)?.epoch;
            let sender = self.client.id();
            self.place(SealedMessage {
                conversation,
                seq,
                rev,
                id,
                sender,
                epoch,
                envelope: Some(envelope),
                sent_at,
                edit: None,
                deleted_at: None,
                expires_at,
                reactions: Vec::new(),
                hidden: false,
            })
            .await?;
        }
        self.client.saw(conversation, seq).await?;
        self.outbox.remove(conversation, id);
        self.events.push_back(Event::Accepted(accepted));
        Ok(())
    }

    async fn refused(&mut self, conversation: Uuid, id: Uuid, code: String, message: String) -> Result<()> {
        if code == "epoch_closed" {
            // Long behind: under another epoch, then. Nothing of it is stored.
            self.client.look_again(conversation).await?;
            self.outbox.unseal(conversation, id);
            self.outbox.put_off(conversation, id, self.backoff);
        } else if is_passing(&code) {
            self.outbox.put_off(conversation, id, self.backoff);
        } else if self.outbox.remove(conversation, id).is_some() {
            self.events.push_back(Event::Refused { conversation, id, code, message });
        }
        Ok(())
    }

    async fn transmit(&mut self) -> Result<()> {
        let Some((conversation, id)) = self.seal_next().await? else { return Ok(()) };
        let sealed = self.outbox.get(conversation, id).and_then(|queued| queued.sealed.clone());
        if let (Line::Open { live, .. }, Some(sealed)) = (&mut self.line, sealed) {
            in_time(live.send_sealed(conversation, sealed)).await?;
            self.outbox.sent(conversation, id);
        }
        Ok(())
    }

    /// Without a socket the outbox goes by POST, one message after the other.
    async fn post(&mut self) -> Result<()> {
        match self.post_next().await {
            Err(error) if error.is_passing() => {
                if let Line::Lost { by_post, .. } = &mut self.line {
                    *by_post = false;
                }
                Ok(())
            }
            other => other,
        }
    }

    async fn post_next(&mut self) -> Result<()> {
        let Some((conversation, id)) = self.seal_next().await? else { return Ok(()) };
        let sealed = self.outbox.get(conversation, id).and_then(|queued| queued.sealed.clone());
        let Some(sealed) = sealed else { return Ok(()) };
        match self.client.send_sealed(conversation, &sealed).await {
            Ok(accepted) => self.accepted(accepted).await,
            Err(Error::Refused { status, code, message }) if status != 401 => {
                self.refused(conversation, id, code, message).await
            }
            Err(error) => Err(error),
        }
    }

    /// Seals the next message to send, unless that was done at an earlier attempt.
    async fn seal_next(&mut self) -> Result<Option<(Uuid, Uuid)>> {
        let Some(queued) = self.outbox.next(Instant::now()) else { return Ok(None) };
        let (conversation, id) = (queued.conversation, queued.id);
        if queued.sealed.is_some() {
            return Ok(Some((conversation, id)));
        }
        match self.client.seal_as(id, conversation, &queued.text).await {
            Ok(sealed) => {
                queued.sealed = Some(sealed);
                Ok(Some((conversation, id)))
            }
            // A new epoch may be needed, and there is no room for it: the server is there all the same.
            Err(error @ Error::Refused { .. }) if error.is_passing() => {
                self.outbox.put_off(conversation, id, self.backoff);
                Ok(None)
            }
            Err(error) if error.is_passing() || error.is_refusal("signed_out") => Err(error),
            Err(error) => {
                let code = error.code().unwrap_or("internal").to_owned();
                self.outbox.remove(conversation, id);
                self.events.push_back(Event::Refused { conversation, id, code, message: error.to_string() });
                Ok(None)
            }
        }
    }

    async fn tell(&mut self, conversation: Uuid, Progress { delivered, read }: Progress) -> Result<()> {
        if let Line::Open { live, .. } = &mut self.line {
            in_time(live.receipt(conversation, Some(delivered), Some(read))).await?;
            self.receipts.sent(conversation);
        }
        Ok(())
    }

    /// Waits for a frame, or until something else is to be done.
    async fn listen(&mut self) -> Result<()> {
        let answer_until = self.outbox.unanswered_since().map(|since| since + ANSWER_WITHIN);
        let Line::Open { live, since, heard_at, failures } = &mut self.line else { return Ok(()) };
        let dead_at = answer_until.into_iter().chain([*heard_at + SILENCE]).min().unwrap_or(*heard_at);
        let wake_at = self.outbox.next_at().into_iter().chain(self.receipts.next_at()).chain([dead_at]).min();
        tokio::select! {
            pushed = live.pushed() => {
                *heard_at = Instant::now();
                if since.elapsed() > STABLE {
                    *failures = 0;
                }
                self.pushed.extend(pushed?);
            }
            () = sleep_until(wake_at.unwrap_or(dead_at)) => {
                if dead_at <= Instant::now() {
                    return Err(silent());
                }
            }
        }
        Ok(())
    }

    /// As [`Client::open`]. A message whose key cannot be had is handed out as it is, and does not keep the others.
    async fn open(&self, sealed: SealedMessage) -> Result<Message> {
        let SealedMessage { conversation, seq, rev, id, sender, sent_at, edit, expires_at, .. } = sealed;
        self.client.saw(conversation, seq).await?;
        match self.client.open(sealed).await {
            Err(Error::Encryption(_) | Error::IdentityChanged(_)) => {
                let content = Content::Unreadable(e2ee::Error::UnknownEpoch);
                let (edited_at, reactions) = (edit.map(|edit| edit.at), Vec::new());
                Ok(Message {
                    conversation,
                    seq,
                    rev,
                    id,
                    sender,
                    sent_at,
                    content,
                    edited_at,
                    reactions,
                    expires_at,
                })
            }
            opened => opened,
        }
    }

    fn hand_out(&mut self, message: Message) {
        let place = self.places.entry(message.conversation).or_default();
        place.rev = message.rev;
        if message.seq > place.seq {
            place.skipped.extend(place.seq + 1..message.seq);
            place.seq = message.seq;
            self.events.push_back(Event::Message(message));
        } else if place.skipped.remove(&message.seq) {
            self.events.push_back(Event::Message(message));
        } else {
            self.events.push_back(Event::Changed(message));
        }
    }

    fn rev(&self, conversation: Uuid) -> u64 {
        self.places.get(&conversation).map_or(0, |place| place.rev)
    }
}

impl Line {
    fn failures(&self) -> u32 {
        match self {
            Line::Open { failures, .. } | Line::Lost { failures, .. } => *failures,
        }
    }
}

/// Over the socket a refusal has no status: whether the same may pass later is in the code.
fn is_passing(code: &str) -> bool {
    matches!(code, "unavailable" | "internal" | "too_many_attempts" | "too_slow")
}

async fn in_time(sent: impl Future<Output = Result<()>>) -> Result<()> {
    timeout(ANSWER_WITHIN, sent).await.map_err(|_| silent())?
}

fn silent() -> Error {
    Error::Connection("the server does not answer".to_owned())
}
