//! Blocks. Whoever is blocked cannot tell: what they send is accepted, numbered and acknowledged as ever, and
//! kept from the one who blocked them. The mark stands in the row of the conversation, so that the writer sees
//! it in the same transaction in which it stores a message.

use axum::extract::State;
use axum::http::StatusCode;
use sea_orm::ActiveValue::Set;
use sea_orm::{ActiveModelTrait, ColumnTrait, EntityTrait, QueryFilter, QuerySelect};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::app::App;
use crate::conversations;
use crate::error::{Problem, Result};
use crate::event::Event;
use crate::people::{self, Person};
use crate::schema::tables::conversations as table;
use crate::sessions::CurrentAccount;
use crate::wire::Path;

#[derive(Serialize, ToSchema)]
pub struct Blocked {
    people: Vec<Person>,
}

/// Whom one has blocked.
#[utoipa::path(get, path = "/blocks", tag = "people", responses(
    (status = 200, body = Blocked), (status = "default", body = Problem)))]
pub async fn blocked(current: CurrentAccount, State(app): State<App>) -> Result<axum::Json<Blocked>> {
    use table::Column;
    let mut accounts: Vec<Uuid> = Vec::new();
    for (mine, mark, theirs) in
        [(Column::Low, Column::LowBlocks, Column::High), (Column::High, Column::HighBlocks, Column::Low)]
    {
        let side = table::Entity::find().select_only().column(theirs);
        let side = side.filter(mine.eq(current.account)).filter(mark.eq(true));
        accounts.extend(side.into_tuple::<Uuid>().all(app.db.read()).await?);
    }
    let mut people: Vec<_> = people::by_id(app.db.read(), accounts).await?.into_values().collect();
    people.retain(|person| !person.gone);
    people.sort_by(|one, other| one.handle.cmp(&other.handle));
    Ok(axum::Json(Blocked { people }))
}

/// Block somebody. What they send from now on is never shown, also not after an unblocking.
#[utoipa::path(put, path = "/blocks/{account}", tag = "people", params(("account" = Uuid, Path)), responses(
    (status = 204), (status = "default", body = Problem)))]
pub async fn block(
    current: CurrentAccount,
    State(app): State<App>,
    Path(account): Path<Uuid>,
) -> Result<StatusCode> {
    set(&app, current.account, account, true).await
}

/// Unblock somebody.
#[utoipa::path(delete, path = "/blocks/{account}", tag = "people", params(("account" = Uuid, Path)), responses(
    (status = 204), (status = "default", body = Problem)))]
pub async fn unblock(
    current: CurrentAccount,
    State(app): State<App>,
    Path(account): Path<Uuid>,
) -> Result<StatusCode> {
    set(&app, current.account, account, false).await
}

async fn set(app: &App, me: Uuid, account: Uuid, blocks: bool) -> Result<StatusCode> {
    app.db
        .write(async |tx| {
            let id = conversations::begin(tx, me, account).await?;
            let mut change = table::ActiveModel { id: Set(id), ..Default::default() };
            if me < account {
                change.low_blocks = Set(blocks);
            } else {
                change.high_blocks = Set(blocks);
            }
            Ok(change.update_without_returning(tx).await?)
        })
        .await?;
    app.agreed_anew(me);
    app.live.publish(&[me], &Event::Block { account, blocked: blocks });
    Ok(StatusCode::NO_CONTENT)
}
