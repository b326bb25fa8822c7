//! What somebody lets others see of themselves: that they are there, that they type, how far they have read. Each
//! can be switched off, and who hides does not see: between two people there is only what both share, and
//! nothing while either blocks the other, so that a block looks like hiding.

use std::sync::atomic::{AtomicU64, Ordering};

use axum::extract::State;
use quick_cache::sync::Cache;
use sea_orm::ActiveValue::{NotSet, Set};
use sea_orm::{ActiveModelTrait, ColumnTrait, EntityTrait, QueryFilter, QuerySelect};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::app::App;
use crate::cluster::Notice;
use crate::conversations::Conversation;
use crate::error::{Code, Problem, Result};
use crate::event::Event;
use crate::schema::tables::{accounts, conversations};
use crate::sessions::CurrentAccount;
use crate::wire::Json;

/// What one shares, and therefore sees of others who share it too.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, ToSchema)]
pub struct Privacy {
    /// That one is there, or when one was last.
    presence: bool,
    typing: bool,
    /// How far one has read.
    receipts: bool,
}

impl From<&accounts::Model> for Privacy {
    fn from(account: &accounts::Model) -> Self {
        Self {
            presence: account.shares_presence,
            typing: account.shares_typing,
            receipts: account.shares_receipts,
        }
    }
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PrivacyChange {
    presence: Option<bool>,
    typing: Option<bool>,
    receipts: Option<bool>,
}

/// What one shares.
#[utoipa::path(get, path = "/privacy", tag = "profile", responses(
    (status = 200, body = Privacy), (status = "default", body = Problem)))]
pub async fn privacy(current: CurrentAccount, State(app): State<App>) -> Result<axum::Json<Privacy>> {
    let account = accounts::Entity::find_by_id(current.account).one(app.db.read()).await?;
    Ok(axum::Json(Privacy::from(&account.ok_or(Code::SignedOut)?)))
}

/// Change what is given, keep the rest. Who hides their presence is forgotten to have been there.
#[utoipa::path(patch, path = "/privacy", tag = "profile", request_body = PrivacyChange, responses(
    (status = 200, body = Privacy), (status = "default", body = Problem)))]
pub async fn change_privacy(
    current: CurrentAccount,
    State(app): State<App>,
    Json(change): Json<PrivacyChange>,
) -> Result<axum::Json<Privacy>> {
    let me = current.account;
    let privacy = app
        .db
        .write(async |tx| {
            let account = accounts::Entity::find_by_id(me).one(tx).await?.ok_or(Code::SignedOut)?;
            let before = Privacy::from(&account);
            if !before.presence {
                app.live.presence().forget(me);
            }
            let privacy = Privacy {
                presence: change.presence.unwrap_or(before.presence),
                typing: change.typing.unwrap_or(before.typing),
                receipts: change.receipts.unwrap_or(before.receipts),
            };
            accounts::ActiveModel {
                id: Set(me),
                shares_presence: Set(privacy.presence),
                shares_typing: Set(privacy.typing),
                shares_receipts: Set(privacy.receipts),
                last_seen: if privacy.presence { NotSet } else { Set(None) },
                ..Default::default()
            }
            .update_without_returning(tx)
            .await?;
            Ok(privacy)
        })
        .await?;
    app.live.publish(&[me], &Event::Privacy { privacy });
    app.agreed_anew(me);
    Ok(axum::Json(privacy))
}

/// What two people see of each other at this moment. (Read receipts are the writer's, in its transaction.)
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Agreed {
    pub presence: bool,
    pub typing: bool,
}

/// What was agreed in the conversations that were asked about lately. A change of anybody's privacy and a block
/// are so rare that each of them makes all of it be asked again.
pub struct Agreements {
    known: Cache<Uuid, (u64, Agreed)>,
    changes: AtomicU64,
}

impl Agreements {
    pub fn new(remembered: usize) -> Self {
        Self { known: Cache::new(remembered), changes: AtomicU64::new(0) }
    }

    /// What was read before the commit is worth nothing from here on, also where it is only now being remembered.
    pub fn changed(&self) {
        self.changes.fetch_add(1, Ordering::SeqCst);
    }
}

impl App {
    /// What this person and others see of each other may be different now. To be called after the commit.
    pub fn agreed_anew(&self, account: Uuid) {
        self.agreed_anew_here(account);
        self.live.cluster().tell(&Notice::AgreedAnew { account });
    }

    pub fn agreed_anew_here(&self, account: Uuid) {
        self.agreements.changed();
        self.live.presence().agreed_anew(account);
    }

    pub async fn agreed(&self, conversation: &Conversation) -> Result<Agreed> {
        let changes = self.agreements.changes.load(Ordering::SeqCst);
        if let Some((as_of, agreed)) = self.agreements.known.get(&conversation.id)
            && as_of == changes
        {
            return Ok(agreed);
        }
        let agreed = Box::pin(self.ask_what_is_agreed(conversation)).await?;
        self.agreements.known.insert(conversation.id, (changes, agreed));
        Ok(agreed)
    }

    async fn ask_what_is_agreed(&self, conversation: &Conversation) -> Result<Agreed> {
        use accounts::Column;
        let row = conversations::Entity::find_by_id(conversation.id).one(self.db.read()).await?;
        let row = row.ok_or(Code::NotFound)?;
        let shares: Vec<(bool, bool)> = accounts::Entity::find()
            .select_only()
            .columns([Column::SharesPresence, Column::SharesTyping])
            .filter(Column::Id.is_in(conversation.both()))
            .into_tuple()
            .all(self.db.read())
            .await?;
        let open = shares.len() == 2 && !row.low_blocks && !row.high_blocks;
        Ok(Agreed {
            presence: open && shares.iter().all(|(presence, _)| *presence),
            typing: open && shares.iter().all(|(_, typing)| *typing),
        })
    }
}
