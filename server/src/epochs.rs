//! Epochs: their grants, sealed to the two people of a conversation, and the end of those whose messages have all
//! disappeared.

use axum::extract::State;
use axum::http::StatusCode;
use e2ee::{Grant, KeyBundle, Signed};
use sea_orm::ActiveValue::Set;
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
    QueryTrait,
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::app::App;
use crate::clock::{HOUR, Millis};
use crate::conversations::Conversation;
use crate::error::{Code, Error, Problem, Result, is_duplicate};
use crate::event::Event;
use crate::keys::{SignedBytes, current_bundle, put_on_keyring};
use crate::people;
use crate::schema::tables::{
    conversations, epochs, keyring, messages, outliving, reactions, scheduled, versions,
};
use crate::wire::{Bytes, Json, Query};

const PAGE: u64 = 50;
/// A message may be under way in its epoch for so long after the next one has begun.
const LATE: Millis = HOUR;

/// An epoch without its keys.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Epoch {
    pub id: Uuid,
    pub number: i64,
    pub created_at: Millis,
    /// The first message number that it may carry.
    pub first_seq: i64,
    /// It takes no more envelopes: the next one is sealed under another epoch.
    pub closed: bool,
}

impl Epoch {
    /// `closed`: up to which epoch of its conversation none takes envelopes any more.
    pub fn of(row: &epochs::Model, closed: i64) -> Self {
        Self {
            id: row.id,
            number: row.number,
            created_at: row.created_at,
            first_seq: row.first_seq,
            closed: row.number <= closed,
        }
    }
}

/// An epoch with the grant that carries its key, sealed to each of the two. Both are empty when what it carried has
/// disappeared, and its key after it.
#[derive(Serialize, ToSchema)]
pub struct GrantedEpoch {
    id: Uuid,
    number: i64,
    body: Bytes,
    signature: Bytes,
}

#[derive(Serialize, ToSchema)]
pub struct GrantedEpochs {
    epochs: Vec<GrantedEpoch>,
    next: Option<i64>,
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct EpochsPage {
    /// Epochs with a higher number than this.
    after: Option<i64>,
    limit: Option<u64>,
}

/// The grants of a conversation, in their order.
#[utoipa::path(get, path = "/conversations/{conversation}/epochs", tag = "keys",
    params(("conversation" = Uuid, Path), EpochsPage), responses(
    (status = 200, body = GrantedEpochs), (status = "default", body = Problem)))]
pub async fn epochs(
    conversation: Conversation,
    State(app): State<App>,
    Query(page): Query<EpochsPage>,
) -> Result<axum::Json<GrantedEpochs>> {
    let limit = page.limit.unwrap_or(PAGE).clamp(1, PAGE);
    let rows = epochs::Entity::find()
        .filter(epochs::Column::Conversation.eq(conversation.id))
        .filter(epochs::Column::Number.gt(page.after.unwrap_or(0)))
        .order_by_asc(epochs::Column::Number)
        .limit(limit)
        .all(app.db.read())
        .await?;
    let next = (rows.len() as u64 == limit).then(|| rows.last().map(|row| row.number)).flatten();
    let granted = |row: epochs::Model| GrantedEpoch {
        id: row.id,
        number: row.number,
        body: row.body.into(),
        signature: row.signature.into(),
    };
    Ok(axum::Json(GrantedEpochs { epochs: rows.into_iter().map(granted).collect(), next }))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewEpoch {
    grant: SignedBytes,
    /// The epoch's key, boxed by its creator for themselves.
    keyring: Bytes,
}

/// Open the next epoch. Of two that do so at once, one wins; the other gets `epoch_conflict` and adopts the
/// winner's.
#[utoipa::path(post, path = "/conversations/{conversation}/epochs", tag = "keys",
    params(("conversation" = Uuid, Path)), request_body = NewEpoch, responses(
    (status = 201, body = Epoch), (status = "default", body = Problem)))]
pub async fn open_epoch(
    conversation: Conversation,
    State(app): State<App>,
    Json(new): Json<NewEpoch>,
) -> Result<(StatusCode, axum::Json<Epoch>)> {
    let signed = new.grant.signed();
    let grant = Grant::parse(&signed).map_err(|_| Code::BadGrant)?;
    let row = app
        .db
        .write(async |tx| {
            let number = check_grant(tx, &conversation, &grant).await?;
            let state =
                conversations::Entity::find_by_id(conversation.id).one(tx).await?.ok_or(Code::NotFound)?;
            let row = epochs::Model {
                conversation: conversation.id,
                number,
                id: grant.epoch,
                body: signed.body.clone(),
                signature: signed.signature.clone(),
                first_seq: state.seq + 1,
                created_at: app.clock.now(),
            };
            insert_epoch(tx, &row).await?;
            // Messages that disappear may be under the one before, also where new ones no longer do.
            if state.timer_seq > 0 && number > 1 {
                let at = app.clock.now() + state.timer + LATE;
                let outliving = outliving::Model { at, conversation: conversation.id, number: number - 1 };
                outliving::Entity::insert(outliving::ActiveModel::from(outliving))
                    .exec_without_returning(tx)
                    .await?;
            }
            put_on_keyring(tx, conversation.me, conversation.id, row.id, new.keyring.clone()).await?;
            let change = conversations::ActiveModel {
                id: Set(conversation.id),
                epoch: Set(number),
                ..Default::default()
            };
            change.update_without_returning(tx).await?;
            Ok(row)
        })
        .await?;
    let epoch = Epoch::of(&row, 0);
    app.live
        .publish(&conversation.both(), &Event::Epoch { conversation: conversation.id, epoch: epoch.clone() });
    Ok((StatusCode::CREATED, axum::Json(epoch)))
}

/// Everything about a grant that can be checked without its key: whose it is, what it follows, whom it serves.
async fn check_grant(tx: &impl ConnectionTrait, conversation: &Conversation, grant: &Grant) -> Result<i64> {
    // Nobody writes to an account that is gone; its epochs may be, too.
    current_bundle(tx, conversation.peer()).await?;
    let last = epochs::Entity::find()
        .filter(epochs::Column::Conversation.eq(conversation.id))
        .order_by_desc(epochs::Column::Number)
        .one(tx)
        .await?;
    let fits = grant.conversation == conversation.id && grant.creator == conversation.me;
    if !fits {
        return Err(Code::BadGrant.into());
    }
    let number = last.as_ref().map_or(0, |last| last.number) + 1;
    if i64::from(grant.number) != number {
        return Err(Code::EpochConflict.into());
    }
    let previous_hash = match last {
        Some(last) => Signed { body: last.body, signature: last.signature }.hash(),
        None => [0; 32],
    };
    if grant.previous_hash != previous_hash {
        return Err(Code::BadGrant.into());
    }
    for (account, share) in conversation.both().into_iter().zip(&grant.shares) {
        if share.account != account {
            return Err(Code::BadGrant.into());
        }
        let bundle = open_bundle(tx, account).await?;
        if account == grant.creator {
            grant.verify(&bundle.identity).map_err(|_| Code::BadGrant)?;
        }
        if share.encryption_hash != bundle.encryption_hash() {
            return Err(Code::StaleKeyBundle.into());
        }
    }
    Ok(number)
}

async fn open_bundle(tx: &impl ConnectionTrait, account: Uuid) -> Result<KeyBundle> {
    let signed = current_bundle(tx, account).await?.signed();
    let person = people::load(tx, account).await?;
    KeyBundle::open(&signed, account, &person.handle)
        .map_err(|_| Error::internal(format!("the stored key bundle of {account} is damaged")))
}

/// Have a look, `at` a time, whether anything is left under the epochs of a conversation up to one.
pub async fn outlive(tx: &impl ConnectionTrait, conversation: Uuid, up_to: i64, at: Millis) -> Result<()> {
    let numbers: Vec<i64> = epochs::Entity::find()
        .select_only()
        .column(epochs::Column::Number)
        .filter(epochs::Column::Conversation.eq(conversation))
        .filter(epochs::Column::Number.lte(up_to))
        .filter(epochs::Column::Body.ne(Vec::<u8>::new()))
        .into_tuple()
        .all(tx)
        .await?;
    let rows = numbers.into_iter().map(|number| outliving::Model { at, conversation, number });
    outliving::Entity::insert_many(rows.map(outliving::ActiveModel::from))
        .on_conflict_do_nothing()
        .exec_without_returning(tx)
        .await?;
    Ok(())
}

/// The keys of epochs whose time is over go, where nothing is left that they open.
pub async fn erase_outlived(app: &App) -> Result<()> {
    let due = outliving::Entity::find()
        .filter(outliving::Column::At.lte(app.clock.now()))
        .order_by_asc(outliving::Column::At)
        .all(app.db.read())
        .await?;
    for row in due {
        let found = epochs::Entity::find_by_id((row.conversation, row.number)).one(app.db.read()).await?;
        let Some(epoch) = found else { continue };
        let erased = app.db.write(async |tx| erase(tx, &row, &epoch).await).await?;
        if let Some(both) = erased {
            app.live
                .publish(&both, &Event::EpochErased { conversation: epoch.conversation, epoch: epoch.id });
        }
    }
    Ok(())
}

/// The two people, when nothing was left under it. It is closed first, with all before it: the writer looks at that
/// in its own transaction, so nothing can come that nobody could read. Where something is left, it is looked at again
/// when that is over; and what never is keeps the key for good.
async fn erase(
    tx: &impl ConnectionTrait,
    row: &outliving::Model,
    epoch: &epochs::Model,
) -> Result<Option<[Uuid; 2]>> {
    let taken = outliving::Entity::delete_by_id((row.at, row.conversation, row.number)).exec(tx).await?;
    if taken.rows_affected == 0 {
        return Ok(None);
    }
    let found = conversations::Entity::find_by_id(epoch.conversation).one(tx).await?;
    let Some(conversation) = found else { return Ok(None) };
    let closed = conversations::ActiveModel {
        id: Set(conversation.id),
        closed_epoch: Set(conversation.closed_epoch.max(epoch.number)),
        ..Default::default()
    };
    closed.update_without_returning(tx).await?;
    match last_use(tx, epoch).await? {
        Some(Some(until)) => {
            let again = outliving::Model { at: until + LATE, ..row.clone() };
            // It may have been put back for then before.
            outliving::Entity::insert(outliving::ActiveModel::from(again))
                .on_conflict_do_nothing()
                .exec_without_returning(tx)
                .await?;
            Ok(None)
        }
        Some(None) => Ok(None),
        None => {
            let erased = epochs::ActiveModel {
                conversation: Set(epoch.conversation),
                number: Set(epoch.number),
                body: Set(Vec::new()),
                signature: Set(Vec::new()),
                ..Default::default()
            };
            erased.update_without_returning(tx).await?;
            let both = [conversation.low, conversation.high];
            keyring::Entity::delete_many()
                .filter(keyring::Column::Account.is_in(both))
                .filter(keyring::Column::Epoch.eq(epoch.id))
                .exec(tx)
                .await?;
            Ok(Some(both))
        }
    }
}

/// Until when something sealed under the epoch is kept: for ever is `Some(None)`; `None` when there is nothing.
async fn last_use(tx: &impl ConnectionTrait, epoch: &epochs::Model) -> Result<Option<Option<Millis>>> {
    let messages = messages::Entity::find()
        .select_only()
        .column(messages::Column::ExpiresAt)
        .filter(messages::Column::Conversation.eq(epoch.conversation))
        .filter(messages::Column::DeletedAt.is_null());
    let own = messages.clone().filter(messages::Column::Epoch.eq(epoch.id));
    let edited = messages.clone().filter(
        messages::Column::Seq.in_subquery(
            versions::Entity::find()
                .select_only()
                .column(versions::Column::Seq)
                .filter(versions::Column::Conversation.eq(epoch.conversation))
                .filter(versions::Column::Epoch.eq(epoch.id))
                .into_query(),
        ),
    );
    let reacted = messages.filter(
        messages::Column::Seq.in_subquery(
            reactions::Entity::find()
                .select_only()
                .column(reactions::Column::Seq)
                .filter(reactions::Column::Conversation.eq(epoch.conversation))
                .filter(reactions::Column::Epoch.eq(epoch.id))
                .into_query(),
        ),
    );
    let mut uses = Vec::new();
    for select in [own, edited, reacted] {
        uses.extend(select.distinct().into_tuple::<Option<Millis>>().all(tx).await?);
    }
    let waiting = scheduled::Entity::find()
        .filter(scheduled::Column::Conversation.eq(epoch.conversation))
        .filter(scheduled::Column::Epoch.eq(epoch.id))
        .one(tx)
        .await?;
    // What waits to be sent begins its time then: it is looked at again.
    uses.extend(waiting.map(|waiting| Some(waiting.at)));
    Ok(if uses.contains(&None) { Some(None) } else { uses.into_iter().flatten().max().map(Some) })
}

async fn insert_epoch(tx: &impl ConnectionTrait, row: &epochs::Model) -> Result<()> {
    let inserted =
        epochs::Entity::insert(epochs::ActiveModel::from(row.clone())).exec_without_returning(tx).await;
    match inserted {
        Err(error) if is_duplicate(&error) => Err(Code::EpochConflict.into()),
        other => Ok(other.map(drop)?),
    }
}
