//! People, conversations, and the epochs in which a conversation is written.

use std::{collections::HashMap, sync::Arc};

use e2ee::{Adopted, Seen, Signed};
use reqwest::Method;
use serde_json::json;
use tokio::sync::{Mutex, MutexGuard};
use uuid::Uuid;

use crate::{
    Client, Error, Result,
    api::query,
    wire::{
        Conversation, Conversations, Epoch, GrantedEpoch, GrantedEpochs, People, Person, Presence, Privacy,
        PrivacyChange, SignedBytes,
    },
};

const MESSAGES_AN_EPOCH: u64 = 1_000;
const EPOCH_LIFE: u64 = 7 * DAY;
/// Where messages disappear, their keys are to go soon after them.
const BRIEF_EPOCH_LIFE: u64 = DAY;
const DAY: u64 = 24 * 60 * 60 * 1_000;
/// Each lost race means that another client won it; more than a few is a fault.
const RACES: usize = 5;

/// What is known here of one conversation.
pub(crate) struct Thread {
    id: Uuid,
    peer: Person,
    /// The newest epoch known, as the server tells of it; never one before it.
    epoch: Option<Epoch>,
    /// What the grant of the epoch written in last says, under its creator's signature.
    granted: Option<Granted>,
    /// The highest message number seen.
    seq: u64,
    /// How long new messages stay, in milliseconds; 0 for ever. And the message that said so.
    timer: u64,
    timer_seq: u64,
}

#[derive(Clone, Copy)]
struct Granted {
    epoch: Uuid,
    number: u64,
    created_at: u64,
}

impl Thread {
    pub fn saw(&mut self, seq: u64) {
        self.seq = self.seq.max(seq);
    }

    fn set_timer(&mut self, seq: u64, timer: u64) {
        if seq > self.timer_seq {
            (self.timer_seq, self.timer) = (seq, timer);
        }
    }

    /// What disappears and what stays are not sealed under the same key.
    fn is_of_another_timer(&self, epoch: Epoch) -> bool {
        epoch.first_seq <= self.timer_seq
    }

    fn epoch_life(&self) -> u64 {
        if self.timer > 0 { BRIEF_EPOCH_LIFE } else { EPOCH_LIFE }
    }
}

impl Client {
    /// People whose name or handle matches, best first; one page of them.
    pub async fn search(&self, text: &str) -> Result<Vec<Person>> {
        let path = format!("/people{}", query([("q", Some(text.to_owned()))]));
        Ok(self.api().get::<People>(&path).await?.people)
    }

    pub async fn person(&self, account: Uuid) -> Result<Person> {
        self.api().get(&format!("/people/{account}")).await
    }

    /// The conversation with a person: the one there is, or a new one.
    pub async fn open_conversation(&self, with: Uuid) -> Result<Conversation> {
        let opened: Conversation = self.api().post("/conversations", &json!({"with": with})).await?;
        let id = opened.id;
        if opened.peer.id != with {
            return Err(Error::nonsense("a conversation with somebody else"));
        }
        self.checked(opened, id).await
    }

    pub async fn conversation(&self, id: Uuid) -> Result<Conversation> {
        let served = self.api().get(&format!("/conversations/{id}")).await?;
        self.checked(served, id).await
    }

    /// Whose a conversation is follows from its two people: nobody else is taken for the one that one writes with.
    async fn checked(&self, mut served: Conversation, id: Uuid) -> Result<Conversation> {
        if served.id != id || self.keychain().await.conversation_id(served.peer.id) != id {
            return Err(Error::nonsense("a conversation of other people"));
        }
        if let Some(last) = &mut served.last_message {
            last.conversation = id;
        }
        Ok(served)
    }

    /// From now on nothing that this person sends is shown to oneself, and they cannot tell.
    pub async fn block(&self, account: Uuid) -> Result<()> {
        self.api().tell(Method::PUT, &format!("/blocks/{account}"), &()).await
    }

    pub async fn unblock(&self, account: Uuid) -> Result<()> {
        self.api().tell(Method::DELETE, &format!("/blocks/{account}"), &()).await
    }

    /// Changes what one shares; who hides does not see.
    pub async fn share(&self, change: PrivacyChange) -> Result<Privacy> {
        self.api().patch("/privacy", &change).await
    }

    /// Whether the other person is there, without a socket.
    pub async fn presence(&self, conversation: Uuid) -> Result<Presence> {
        self.api().get(&format!("/conversations/{conversation}/presence")).await
    }

    /// All conversations that hold messages, the latest first.
    pub async fn conversations(&self) -> Result<Vec<Conversation>> {
        let mut all = Vec::new();
        let mut cursor = None;
        loop {
            let path = format!("/conversations{}", query([("cursor", cursor.clone())]));
            let page: Conversations = self.api().get(&path).await?;
            for served in page.conversations {
                let id = served.id;
                all.push(self.checked(served, id).await?);
            }
            if page.next.is_none() {
                return Ok(all);
            }
            if page.next == cursor {
                return Err(Error::nonsense("a list without an end"));
            }
            cursor = page.next;
        }
    }

    /// 60 digits to compare with the other person.
    pub async fn safety_number(&self, with: Uuid) -> Result<String> {
        Ok(self.keychain().await.safety_number(with)?)
    }

    /// Looks at the person's keys, and decides that whoever shows them now is the one to write to. `compared`: the safety
    /// number that was shown for them, which must be the one that is accepted.
    pub async fn accept_identity(&self, person: &Person, compared: &str) -> Result<()> {
        let bundle: Signed = self.key_bundle(person.id).await?.into();
        let mut keychain = self.keychain().await;
        if keychain.safety_number_under(person.id, &person.handle, &bundle)? != compared {
            return Err(Error::IdentityChanged(person.id));
        }
        keychain.accept_identity(person.id, &person.handle, &bundle, self.now())?;
        drop(keychain);
        // What may be written in is looked at again.
        let threads: Vec<_> = self.threads().await.values().cloned().collect();
        for thread in threads {
            let mut thread = thread.lock().await;
            if thread.peer.id == person.id {
                thread.granted = None;
            }
        }
        self.save_vault().await
    }

    /// The safety number under the keys that the server shows for the person now.
    pub async fn safety_number_now(&self, person: &Person) -> Result<String> {
        let bundle: Signed = self.key_bundle(person.id).await?.into();
        Ok(self.keychain().await.safety_number_under(person.id, &person.handle, &bundle)?)
    }

    /// The next epoch is made only after another look at the person's keys.
    pub(crate) async fn forget_keys(&self, person: Uuid) {
        self.keychain().await.forget_bundle(person);
    }

    async fn key_bundle(&self, person: Uuid) -> Result<SignedBytes> {
        self.api().get(&format!("/people/{person}/key-bundle")).await
    }

    /// An epoch of this conversation to write in, its key on the keychain: the present one, or a new one
    /// where there is none, or the present one has done its time or does not open.
    pub(crate) async fn epoch_for_writing(&self, conversation: Uuid) -> Result<Uuid> {
        let thread = self.thread(conversation).await?;
        let mut thread = thread.lock().await;
        if let Some(epoch) = self.usable_epoch(&mut thread).await? {
            return Ok(epoch);
        }
        // Someone may have begun the next one already.
        self.refresh(&mut thread).await?;
        for _ in 0..RACES {
            if let Some(epoch) = self.usable_epoch(&mut thread).await? {
                return Ok(epoch);
            }
            self.begin_epoch(&mut thread).await?;
        }
        Err(Error::Encryption(e2ee::Error::UnknownEpoch))
    }

    /// Makes sure that the key of this epoch is on the keychain, if the server has a grant for it.
    pub(crate) async fn learn_epoch(&self, conversation: Uuid, epoch: Uuid) -> Result<()> {
        if self.keychain().await.has_epoch(conversation, epoch) {
            return Ok(());
        }
        let thread = self.thread(conversation).await?;
        let mut thread = thread.lock().await;
        if self.keychain().await.has_epoch(conversation, epoch) {
            return Ok(());
        }
        self.refresh(&mut thread).await?;
        if !self.keychain().await.has_epoch(conversation, epoch) {
            self.adopt_after(&thread, 0).await?;
        }
        Ok(())
    }

    /// What is known here of a conversation, loaded the first time.
    pub(crate) async fn thread(&self, conversation: Uuid) -> Result<Arc<Mutex<Thread>>> {
        if let Some(thread) = self.threads().await.get(&conversation) {
            return Ok(thread.clone());
        }
        let served = self.conversation(conversation).await?;
        let mut thread = Thread {
            id: served.id,
            peer: served.peer.clone(),
            epoch: None,
            granted: None,
            seq: 0,
            timer: 0,
            timer_seq: 0,
        };
        self.take_in(&mut thread, served).await?;
        Ok(self.threads().await.entry(conversation).or_insert_with(|| Arc::new(Mutex::new(thread))).clone())
    }

    /// Begins a new epoch now, whatever the age of the present one. Returns its id, or the winner's where
    /// another client was first.
    pub async fn rotate(&self, conversation: Uuid) -> Result<Uuid> {
        let thread = self.thread(conversation).await?;
        let mut thread = thread.lock().await;
        self.refresh(&mut thread).await?;
        self.begin_epoch(&mut thread).await?;
        thread.epoch.map(|epoch| epoch.id).ok_or(Error::Encryption(e2ee::Error::UnknownEpoch))
    }

    /// What the server has of a conversation may be another epoch by now.
    pub(crate) async fn look_again(&self, conversation: Uuid) -> Result<()> {
        let thread = self.thread(conversation).await?;
        let mut thread = thread.lock().await;
        self.refresh(&mut thread).await
    }

    /// A message says how long messages stay from here on.
    pub(crate) async fn note_timer(&self, conversation: Uuid, seq: u64, timer: u64) {
        let known = self.threads().await.get(&conversation).cloned();
        if let Some(thread) = known {
            thread.lock().await.set_timer(seq, timer);
        }
    }

    async fn threads(&self) -> MutexGuard<'_, HashMap<Uuid, Arc<Mutex<Thread>>>> {
        self.shared.threads.lock().await
    }

    /// The present epoch, unless it is to be followed by another one.
    async fn usable_epoch(&self, thread: &mut Thread) -> Result<Option<Uuid>> {
        let Some(epoch) = thread.epoch else { return Ok(None) };
        let full = (thread.seq + 1).saturating_sub(epoch.first_seq) >= MESSAGES_AN_EPOCH;
        let old = self.now().saturating_sub(epoch.created_at) >= thread.epoch_life();
        let known_to_others = epoch.created_at < self.me().secured_at;
        if full || old || known_to_others || epoch.closed || thread.is_of_another_timer(epoch) {
            return Ok(None);
        }
        let Some(granted) = self.granted(thread, epoch).await? else { return Ok(None) };
        if granted.number != epoch.number {
            return Err(Error::Encryption(e2ee::Error::BrokenEpochChain));
        }
        // Two times, each with the clock it was taken from. The server may lie about its own; the signed one
        // is by the clock of a client, which one ahead of it by a week calls old: that is one epoch too many,
        // since the next one is by the clock that is ahead, and a time to come is no age at all.
        let over = self.local_now().saturating_sub(granted.created_at) >= thread.epoch_life();
        Ok((!over).then_some(epoch.id))
    }

    /// What the grant of this epoch says; `None` if it cannot be opened.
    async fn granted(&self, thread: &mut Thread, epoch: Epoch) -> Result<Option<Granted>> {
        if let Some(granted) = thread.granted.filter(|granted| granted.epoch == epoch.id) {
            return Ok(Some(granted));
        }
        if !self.keychain().await.has_epoch(thread.id, epoch.id) {
            return Ok(None);
        }
        self.meet(&thread.peer, false).await?;
        let grant = self.grant(thread.id, epoch).await?;
        let adopted = match self.keychain().await.adopt_epoch(thread.peer.id, &grant, None) {
            // Signed by an identity that somebody has left behind.
            Err(e2ee::Error::BadGrant) => return Ok(None),
            adopted => adopted?,
        };
        let Adopted { epoch: id, number, created_at, current, .. } = adopted;
        if !current {
            return Ok(None);
        }
        if id != epoch.id {
            return Err(Error::Encryption(e2ee::Error::BrokenEpochChain));
        }
        thread.granted = Some(Granted { epoch: id, number: number.into(), created_at });
        Ok(thread.granted)
    }

    async fn refresh(&self, thread: &mut Thread) -> Result<()> {
        let served = self.conversation(thread.id).await?;
        self.take_in(thread, served).await
    }

    async fn take_in(&self, thread: &mut Thread, served: Conversation) -> Result<()> {
        thread.saw(served.seq);
        thread.set_timer(served.timer_seq, served.timer);
        let known = thread.epoch.map_or(0, |epoch| epoch.number);
        let Some(epoch) = served.epoch.filter(|epoch| epoch.number >= known) else { return Ok(()) };
        if epoch.number == known {
            // What is known of it stays; but it may have been closed.
            thread.epoch = thread.epoch.map(|known| Epoch { closed: epoch.closed, ..known });
            return Ok(());
        }
        if !self.keychain().await.has_epoch(thread.id, epoch.id) {
            self.adopt_after(thread, known).await?;
        }
        thread.epoch = Some(epoch);
        Ok(())
    }

    /// Adopts what the server has after the epoch of this number, as far as it is not on the keychain. A bad
    /// grant closes its own epoch, whose messages say so; not the ones after it.
    async fn adopt_after(&self, thread: &Thread, number: u64) -> Result<()> {
        self.meet(&thread.peer, false).await?;
        let mut previous = thread.epoch.filter(|epoch| epoch.number == number).map(|epoch| epoch.id);
        let mut after = Some(number);
        while let Some(number) = after {
            let page = self.epochs(thread.id, number, None).await?;
            let mut entries = Vec::new();
            let mut keychain = self.keychain().await;
            for epoch in page.epochs {
                // An erased one has nothing to adopt.
                if !epoch.grant.body.0.is_empty()
                    && !keychain.has_epoch(thread.id, epoch.id)
                    && let Ok(adopted) = keychain.adopt_epoch(thread.peer.id, &epoch.grant.into(), previous)
                {
                    entries.push(adopted.keyring);
                }
                previous = Some(epoch.id);
            }
            drop(keychain);
            match self.put_on_keyring(entries).await {
                // A server that stores nothing at the moment can be read all the same; whoever lacks the entry
                // adopts the grant, as was done here.
                Err(error) if !error.is_passing() => return Err(error),
                _ if page.next.is_some_and(|next| next <= number) => {
                    return Err(Error::nonsense("epochs without an end"));
                }
                _ => after = page.next,
            }
        }
        Ok(())
    }

    async fn begin_epoch(&self, thread: &mut Thread) -> Result<()> {
        self.meet(&thread.peer, false).await?;
        let previous = match thread.epoch {
            None => None,
            Some(epoch) => Some(self.grant(thread.id, epoch).await?),
        };
        let mut offered = self.offer_epoch(thread, previous.as_ref()).await;
        if offered.as_ref().is_err_and(|error| error.is_refusal("stale_key_bundle")) {
            // The peer has new keys; the pin decides whether they are still theirs.
            self.meet(&thread.peer, true).await?;
            offered = self.offer_epoch(thread, previous.as_ref()).await;
        }
        match offered {
            // The winner's epoch is as good as ours, if there is one.
            Err(error) if error.is_refusal("epoch_conflict") => {
                let lost = thread.epoch.map(|epoch| epoch.id);
                self.refresh(thread).await?;
                if thread.epoch.map(|epoch| epoch.id) == lost { Err(error) } else { Ok(()) }
            }
            other => other,
        }
    }

    async fn offer_epoch(&self, thread: &mut Thread, previous: Option<&Signed>) -> Result<()> {
        // By this machine's own clock: the server's is the server's word.
        let created = self.keychain().await.create_epoch(thread.peer.id, previous, self.local_now())?;
        let grant = SignedBytes::from(created.grant);
        let keyring = crate::wire::Bytes(created.keyring.sealed);
        let path = format!("/conversations/{}/epochs", thread.id);
        let taken: Epoch = self.api().post(&path, &json!({"grant": grant, "keyring": keyring})).await?;
        self.set_clock(taken.created_at);
        let (id, number) = (created.epoch, u64::from(created.number));
        thread.epoch = Some(Epoch { id, number, ..taken });
        thread.granted = Some(Granted { epoch: id, number, created_at: created.created_at });
        Ok(())
    }

    async fn grant(&self, conversation: Uuid, epoch: Epoch) -> Result<Signed> {
        let page = self.epochs(conversation, epoch.number.saturating_sub(1), Some(1)).await?;
        match page.epochs.into_iter().next() {
            Some(GrantedEpoch { id, grant, .. }) if id == epoch.id => Ok(grant.into()),
            _ => Err(Error::Encryption(e2ee::Error::BrokenEpochChain)),
        }
    }

    async fn epochs(&self, conversation: Uuid, after: u64, limit: Option<u64>) -> Result<GrantedEpochs> {
        let query =
            query([("after", Some(after.to_string())), ("limit", limit.map(|limit| limit.to_string()))]);
        self.api().get(&format!("/conversations/{conversation}/epochs{query}")).await
    }

    /// Fetches a person's keys and pins them, unless that was done in this run. A new pin goes into the vault
    /// before anything is encrypted for it.
    async fn meet(&self, person: &Person, again: bool) -> Result<()> {
        if !again && self.keychain().await.knows(person.id) {
            return Ok(());
        }
        let bundle = self.key_bundle(person.id).await?;
        let seen = self.keychain().await.pin(person.id, &person.handle, &bundle.into(), self.now())?;
        match seen {
            Seen::New => self.save_vault().await,
            Seen::Known => Ok(()),
            Seen::Changed => Err(Error::IdentityChanged(person.id)),
        }
    }
}
