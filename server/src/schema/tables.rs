//! One module a table. Ids are UUIDs (16 bytes), times milliseconds since 1970, boxes and keys opaque bytes.

macro_rules! table {
    ($(#[$doc:meta])* $module:ident = $name:literal { $($(#[$field_meta:meta])* $field:ident: $type:ty,)* }) => {
        $(#[$doc])*
        pub mod $module {
            use sea_orm::entity::prelude::{ActiveModelBehavior, DerivePrimaryKey, EntityTrait, EnumIter, PrimaryKeyTrait};
            use sea_orm::{DeriveEntityModel, DeriveRelation};
            #[allow(unused_imports, reason = "not every table has one")]
            use uuid::Uuid;

            #[derive(Clone, Debug, DeriveEntityModel, Eq, PartialEq)]
            #[sea_orm(table_name = $name)]
            pub struct Model { $($(#[$field_meta])* pub $field: $type,)* }

            #[derive(Clone, Copy, Debug, DeriveRelation, EnumIter)]
            pub enum Relation {}

            impl ActiveModelBehavior for ActiveModel {}
        }
    };
}

table! {
    /// A person's account: what the server needs to let them in, and what others may see of them.
    accounts = "accounts" {
        #[sea_orm(primary_key, auto_increment = false)]
        id: Uuid,
        handle: String,
        display_name: String,
        status: String,
        bio: String,
        avatar: Option<Uuid>,
        administrator: bool,
        /// The OPAQUE record (RFC 9807): no password, nor anything that could be guessed against without the server's key.
        opaque_record: Vec<u8>,
        /// SHA-256 of the value that the recovery code derives.
        recovery_verifier: Vec<u8>,
        created_at: i64,
        /// What others may see, and what one sees of others.
        shares_presence: bool,
        shares_typing: bool,
        shares_receipts: bool,
        /// To the minute, and only while presence is shared.
        last_seen: Option<i64>,
        /// Since when its owner is kept out.
        suspended_at: Option<i64>,
        /// The one it was made with.
        invitation: Option<Uuid>,
        /// When the password was last changed, the recovery code used, or all other sessions ended; 0 if never. Its
        /// owner's clients write in no epoch from before.
        secured_at: i64,
        /// When everything that opened the account was lost, and its owner began anew; 0 if never.
        renewed_at: i64,
        /// When it will be erased.
        erase_at: Option<i64>,
    }
}

table! {
    /// Accounts that are to be erased, and those that were: what is left of them.
    erasures = "erasures" {
        #[sea_orm(primary_key, auto_increment = false)]
        account: Uuid,
        /// Its owner asked for it; else an administrator.
        by_owner: bool,
        asked_at: i64,
        begun_at: Option<i64>,
        done_at: Option<i64>,
        /// SHA-256 of the token by which its owner sees what became of it.
        receipt: Option<Vec<u8>>,
        /// Tells that the handle was taken, and not what it was (`e2ee::opaque::server::ServerSetup::tag`).
        handle: Option<Vec<u8>>,
        /// How many were erased, and how many conversations hold nothing of the account any more.
        messages: i64,
        conversations: i64,
    }
}

table! {
    /// What an account seals for itself. Apart from the account, which is read far more often.
    vaults = "vaults" {
        #[sea_orm(primary_key, auto_increment = false)]
        account: Uuid,
        version: i64,
        boxed: Vec<u8>,
    }
}

table! {
    /// The account key, boxed under one of the things that open it.
    slots = "slots" {
        #[sea_orm(primary_key, auto_increment = false)]
        account: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        kind: String,
        #[sea_orm(primary_key, auto_increment = false)]
        id: Uuid,
        boxed: Vec<u8>,
    }
}

table! {
    /// The public keys of an account, signed; the highest sequence is current.
    key_bundles = "key_bundles" {
        #[sea_orm(primary_key, auto_increment = false)]
        account: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        sequence: i64,
        body: Vec<u8>,
        signature: Vec<u8>,
    }
}

table! {
    /// A registration or log-in between its two requests. Used once, then gone.
    handshakes = "handshakes" {
        #[sea_orm(primary_key, auto_increment = false)]
        id: Uuid,
        handle: String,
        /// SHA-256 of the record, and the server's half of an OPAQUE log-in; none for a registration, which needs no state.
        login_state: Option<Vec<u8>>,
        expires_at: i64,
    }
}

table! {
    /// What an account's log-ins ask for beside the password.
    second_factors = "second_factors" {
        #[sea_orm(primary_key, auto_increment = false)]
        account: Uuid,
        /// What the codes are made from, sealed under the server's key; none while it is off.
        secret: Option<Vec<u8>>,
        /// The time step of the last code that was taken: none is good twice.
        last_step: i64,
        /// When it was last turned on or off.
        changed_at: i64,
    }
}

table! {
    /// For the day the phone is gone. Each is good once, and then not here any more.
    backup_codes = "backup_codes" {
        #[sea_orm(primary_key, auto_increment = false)]
        account: Uuid,
        /// SHA-256 of the account and the code.
        #[sea_orm(primary_key, auto_increment = false)]
        hash: Vec<u8>,
    }
}

table! {
    /// A log-in whose password was proven and whose code is still to come.
    pending_logins = "pending_logins" {
        #[sea_orm(primary_key, auto_increment = false)]
        id: Uuid,
        handle: String,
        /// SHA-256 of the OPAQUE record that the password was proven against.
        of_record: Vec<u8>,
        expires_at: i64,
    }
}

table! {
    /// Keys that people's devices sign with in the place of a password, or beside it. One that opens the account has the
    /// slot of the same id.
    passkeys = "passkeys" {
        #[sea_orm(primary_key, auto_increment = false)]
        account: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        id: Uuid,
        /// As its owner calls it.
        name: String,
        /// The name of the server that it was made for, and works under.
        site: String,
        /// What the device knows it by.
        credential: Vec<u8>,
        /// DER (SubjectPublicKeyInfo).
        public_key: Vec<u8>,
        /// How often it has signed, as the device counts; 0 where it does not.
        counter: i64,
        created_at: i64,
        used_at: Option<i64>,
    }
}

table! {
    /// What passkeys are asked to sign. Used once, then gone.
    challenges = "challenges" {
        #[sea_orm(primary_key, auto_increment = false)]
        challenge: Vec<u8>,
        /// The account that a passkey is made for, or the log-in that waits for one; none where nobody is known yet.
        about: Option<Uuid>,
        expires_at: i64,
    }
}

table! {
    /// A signed-in browser.
    sessions = "sessions" {
        #[sea_orm(primary_key, auto_increment = false)]
        id: Uuid,
        account: Uuid,
        /// SHA-256 of the token; the token itself is nowhere here.
        token_hash: Vec<u8>,
        /// The server's half of what lets this browser reopen its keys after a reload.
        share: Vec<u8>,
        created_at: i64,
        seen_at: i64,
        /// How the browser calls itself (User-Agent).
        browser: String,
        /// Where it was begun.
        address: String,
    }
}

table! {
    /// Avatars as re-encoded by us; a new picture is a new id, so that each can be cached for ever.
    avatars = "avatars" {
        #[sea_orm(primary_key, auto_increment = false)]
        id: Uuid,
        account: Uuid,
        jpeg: Vec<u8>,
    }
}

table! {
    /// What people are found by: each name and handle from each of its word starts, folded (see `people.rs`).
    search_terms = "search_terms" {
        #[sea_orm(primary_key, auto_increment = false)]
        weight: i16,
        #[sea_orm(primary_key, auto_increment = false)]
        term: String,
        #[sea_orm(primary_key, auto_increment = false)]
        account: Uuid,
    }
}

table! {
    /// A conversation: two accounts, one row. `low` is the account with the lower id.
    conversations = "conversations" {
        #[sea_orm(primary_key, auto_increment = false)]
        id: Uuid,
        low: Uuid,
        high: Uuid,
        /// Number of the last message; messages are numbered from 1 without gaps.
        seq: i64,
        /// Number of the last change.
        rev: i64,
        /// Number of the last epoch, 0 before the first.
        epoch: i64,
        /// Epochs up to this one take no more envelopes: what they carried is to disappear, and then their keys.
        closed_epoch: i64,
        /// When the last message came; 0 before the first, which keeps the conversation out of the lists.
        active_at: i64,
        low_delivered: i64,
        high_delivered: i64,
        low_read: i64,
        high_read: i64,
        /// How far `high` was shown that `low` has read: no further than both share it.
        low_shown: i64,
        high_shown: i64,
        /// Messages of the other person after `low_read`.
        low_unread: i64,
        high_unread: i64,
        /// `low` has blocked `high`.
        low_blocks: bool,
        high_blocks: bool,
        /// How long new messages stay, in milliseconds; 0 for ever.
        timer: i64,
        /// The message that set it; 0 for none.
        timer_seq: i64,
        /// Messages before this one have disappeared, because they were kept long enough.
        kept_from: i64,
    }
}

table! {
    /// An epoch of a conversation: the signed grant that carries its key to the two people.
    epochs = "epochs" {
        #[sea_orm(primary_key, auto_increment = false)]
        conversation: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        number: i64,
        id: Uuid,
        body: Vec<u8>,
        signature: Vec<u8>,
        /// The first message number that it may carry.
        first_seq: i64,
        created_at: i64,
    }
}

table! {
    /// Keys of epochs, boxed by each account for itself.
    keyring = "keyring" {
        #[sea_orm(primary_key, auto_increment = false)]
        account: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        epoch: Uuid,
        conversation: Uuid,
        boxed: Vec<u8>,
    }
}

table! {
    /// Messages: ciphertext and what is needed to put it in its place.
    messages = "messages" {
        #[sea_orm(primary_key, auto_increment = false)]
        conversation: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        seq: i64,
        rev: i64,
        /// Chosen by the client; sent twice, it is one message.
        id: Uuid,
        sender: Uuid,
        /// Of the envelope.
        epoch: Uuid,
        /// What it says now; empty when it was deleted.
        envelope: Vec<u8>,
        sent_at: i64,
        /// The edit that the envelope is; none while it stands as it was sent.
        version: Option<Uuid>,
        edits: i16,
        edited_at: Option<i64>,
        deleted_at: Option<i64>,
        /// How many people have reacted.
        reactions: i16,
        /// It is not as it was first stored: `changes` has its `rev`.
        changed: bool,
        /// Its recipient has blocked its sender, and does not see it.
        hidden: bool,
        /// When it disappears.
        expires_at: Option<i64>,
    }
}

table! {
    /// Messages that will disappear, by time.
    expiring = "expiring" {
        #[sea_orm(primary_key, auto_increment = false)]
        at: i64,
        #[sea_orm(primary_key, auto_increment = false)]
        conversation: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        seq: i64,
    }
}

table! {
    /// Epochs that may have outlived all they carried, by the time to look.
    outliving = "outliving" {
        #[sea_orm(primary_key, auto_increment = false)]
        at: i64,
        #[sea_orm(primary_key, auto_increment = false)]
        conversation: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        number: i64,
    }
}

table! {
    /// Messages that wait for their time to be sent.
    scheduled = "scheduled" {
        #[sea_orm(primary_key, auto_increment = false)]
        sender: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        id: Uuid,
        conversation: Uuid,
        epoch: Uuid,
        envelope: Vec<u8>,
        at: i64,
        written_at: i64,
    }
}

table! {
    /// What edited messages said before, in order; number 0 is what was sent.
    versions = "versions" {
        #[sea_orm(primary_key, auto_increment = false)]
        conversation: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        seq: i64,
        #[sea_orm(primary_key, auto_increment = false)]
        number: i16,
        id: Uuid,
        epoch: Uuid,
        envelope: Vec<u8>,
        sent_at: i64,
    }
}

table! {
    /// Reactions: one a person and message.
    reactions = "reactions" {
        #[sea_orm(primary_key, auto_increment = false)]
        conversation: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        seq: i64,
        #[sea_orm(primary_key, auto_increment = false)]
        sender: Uuid,
        id: Uuid,
        epoch: Uuid,
        envelope: Vec<u8>,
        /// The other person has blocked its sender, and does not see it.
        hidden: bool,
    }
}

table! {
    /// The messages that are not as they were first stored, by their last change.
    changes = "changes" {
        #[sea_orm(primary_key, auto_increment = false)]
        conversation: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        rev: i64,
        seq: i64,
    }
}

table! {
    /// What somebody told the administrators about somebody.
    reports = "reports" {
        #[sea_orm(primary_key, auto_increment = false)]
        id: Uuid,
        reporter: Uuid,
        account: Uuid,
        reason: String,
        note: String,
        created_at: i64,
        /// When an administrator was done with it.
        closed_at: Option<i64>,
    }
}

table! {
    /// The messages that a report discloses. That `account` sent them is known; what they say, only from the reporter.
    reported_messages = "reported_messages" {
        #[sea_orm(primary_key, auto_increment = false)]
        report: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        seq: i64,
        conversation: Uuid,
        text: String,
        sent_at: i64,
    }
}

table! {
    /// What lets somebody sign up where not everybody may.
    invitations = "invitations" {
        #[sea_orm(primary_key, auto_increment = false)]
        id: Uuid,
        /// SHA-256 of the token; the token itself is nowhere here.
        token_hash: Vec<u8>,
        note: String,
        /// None for the command line of the machine.
        inviter: Option<Uuid>,
        /// How many may use it, and how many have.
        uses: i64,
        used: i64,
        created_at: i64,
        expires_at: i64,
        revoked: bool,
        /// Where it was sent by mail, to whoever asked for it there; none for those that administrators make.
        address: Option<String>,
    }
}

table! {
    /// What administrators did, in the order of time. Rows are added, never changed.
    audit = "audit" {
        #[sea_orm(primary_key, auto_increment = false)]
        id: Uuid,
        /// None for the command line of the machine.
        administrator: Option<Uuid>,
        act: String,
        /// Whose account it was done to.
        account: Option<Uuid>,
        /// What else there is to know, in words or as JSON: never a secret.
        detail: String,
        at: i64,
    }
}

table! {
    /// What each node counted, over a minute or half an hour: numbers of nobody in particular.
    samples = "samples" {
        #[sea_orm(primary_key, auto_increment = false)]
        span: i16,
        #[sea_orm(primary_key, auto_increment = false)]
        at: i64,
        #[sea_orm(primary_key, auto_increment = false)]
        node: Uuid,
        /// JSON of `meters::Sample`.
        data: String,
    }
}

table! {
    /// Who sent or read something on a day (of UTC, counted from 1970): for how many do, kept for 400 days.
    activity = "activity" {
        #[sea_orm(primary_key, auto_increment = false)]
        day: i64,
        #[sea_orm(primary_key, auto_increment = false)]
        account: Uuid,
    }
}

table! {
    /// How long messages took, by hour (of UTC, counted from 1970) and by how long: how many, and their sum.
    delays = "delays" {
        #[sea_orm(primary_key, auto_increment = false)]
        hour: i64,
        #[sea_orm(primary_key, auto_increment = false)]
        bucket: i16,
        messages: i64,
        milliseconds: i64,
    }
}

table! {
    /// Who was asked how satisfied they are, and whether they answered. Not what: see `opinions`.
    surveyed = "surveyed" {
        #[sea_orm(primary_key, auto_increment = false)]
        account: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        asked_at: i64,
        /// The question is shown from then on.
        again_at: i64,
        /// How often the answer was "not now".
        put_off: i16,
        answered: bool,
    }
}

table! {
    /// What people answered, and nothing of who or when but the week (counted from that of 1970-01-05). The ids are random,
    /// so that their order, which is also that of the rows, says nothing.
    opinions = "opinions" {
        #[sea_orm(primary_key, auto_increment = false)]
        id: Uuid,
        week: i64,
        /// From 1 to 5.
        score: i16,
        comment: String,
    }
}

table! {
    /// A link that lets somebody begin anew who has lost everything that opens their account. Used once, then gone.
    resets = "resets" {
        #[sea_orm(primary_key, auto_increment = false)]
        id: Uuid,
        account: Uuid,
        /// SHA-256 of the token; the token itself is nowhere here.
        token_hash: Vec<u8>,
        created_at: i64,
        expires_at: i64,
        /// From when on it is good, where it was sent by mail; 0 for those that administrators make.
        good_from: i64,
    }
}

table! {
    /// Whose e-mail address is whose, where somebody has given one.
    addresses = "addresses" {
        #[sea_orm(primary_key, auto_increment = false)]
        account: Uuid,
        /// The one that its mailbox has confirmed.
        address: Option<String>,
        /// One that waits to be confirmed.
        pending: Option<String>,
        /// Of the mails that go there.
        language: String,
        /// When its owner is told that messages wait: `mail::digest::Digest`.
        digest: String,
        /// When that was last done; 0 if never.
        told_at: i64,
    }
}

table! {
    /// Mails that wait to be sent.
    mails = "mails" {
        #[sea_orm(primary_key, auto_increment = false)]
        id: Uuid,
        /// JSON of `mail::Letter`: what it is about. It is written when it is sent.
        letter: String,
        address: String,
        language: String,
        /// When it is tried, or tried again; put off by whoever is sending it.
        due_at: i64,
        attempts: i64,
        created_at: i64,
    }
}

table! {
    /// Links in mails that are about an address.
    mail_tokens = "mail_tokens" {
        /// SHA-256 of the token; the token itself is nowhere here.
        #[sea_orm(primary_key, auto_increment = false)]
        token_hash: Vec<u8>,
        /// What it is good for: `addresses::Use`.
        purpose: String,
        account: Uuid,
        address: String,
        expires_at: i64,
    }
}

table! {
    /// What the server remembers about itself.
    settings = "settings" {
        #[sea_orm(primary_key, auto_increment = false)]
        name: String,
        value: Vec<u8>,
    }
}
