//! One's own profile: names, words about oneself, and the picture.

use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::header;
use axum::response::IntoResponse;
use sea_orm::ActiveValue::Set;
use sea_orm::{ActiveModelTrait, ColumnTrait, DatabaseTransaction, EntityTrait, QueryFilter};
use serde::Deserialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::accounts::{Me, check_display_name, me};
use crate::app::App;
use crate::conversations;
use crate::error::{Code, Problem, Result};
use crate::event::Event;
use crate::people;
use crate::pictures;
use crate::schema::tables::{accounts, avatars};
use crate::sessions::CurrentAccount;
use crate::wire::{Json, Path};

const MAX_STATUS: usize = 100;
const MAX_BIO: usize = 1_000;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ProfileChange {
    display_name: Option<String>,
    status: Option<String>,
    bio: Option<String>,
}

/// Change what is given, keep the rest.
#[utoipa::path(patch, path = "/profile", tag = "profile", request_body = ProfileChange, responses(
    (status = 200, body = Me), (status = "default", body = Problem)))]
pub async fn change_profile(
    current: CurrentAccount,
    State(app): State<App>,
    Json(change): Json<ProfileChange>,
) -> Result<axum::Json<Me>> {
    let display_name = change.display_name.as_deref().map(check_display_name).transpose()?;
    let status = change.status.as_deref().map(check_status).transpose()?;
    let bio = change.bio.as_deref().map(check_bio).transpose()?;
    save(&app, &current, async |_, account| {
        for (field, new) in [
            (&mut account.display_name, &display_name),
            (&mut account.status, &status),
            (&mut account.bio, &bio),
        ] {
            if let Some(new) = new {
                field.clone_from(new);
            }
        }
        Ok(())
    })
    .await
}

/// Set the picture: a JPEG, PNG or WebP of up to 8 MiB. It is cut square and stored anew, so that nothing of
/// the file but its pixels stays (no place, no camera).
#[utoipa::path(put, path = "/profile/avatar", tag = "profile",
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses((status = 200, body = Me), (status = "default", body = Problem)))]
pub async fn set_avatar(
    current: CurrentAccount,
    State(app): State<App>,
    file: Result<axum::body::Bytes, BytesRejection>,
) -> Result<axum::Json<Me>> {
    let file = file.map_err(|_| Code::TooLarge)?;
    let jpeg = pictures::store_anew(file, pictures::avatar).await?;
    let avatar = avatars::Model { id: app.clock.new_id(), account: current.account, jpeg };
    save(&app, &current, async |tx, account| {
        account.avatar = Some(avatar.id);
        delete_avatars(tx, account.id).await?;
        avatars::Entity::insert(avatars::ActiveModel::from(avatar.clone()))
            .exec_without_returning(tx)
            .await?;
        Ok(())
    })
    .await
}

/// Go back to initials.
#[utoipa::path(delete, path = "/profile/avatar", tag = "profile", responses(
    (status = 200, body = Me), (status = "default", body = Problem)))]
pub async fn remove_avatar(current: CurrentAccount, State(app): State<App>) -> Result<axum::Json<Me>> {
    save(&app, &current, async |tx, account| {
        account.avatar = None;
        delete_avatars(tx, account.id).await
    })
    .await
}

/// A picture. Its id never stands for another one, so browsers may keep it.
#[utoipa::path(get, path = "/avatars/{avatar}", tag = "people", params(("avatar" = Uuid, Path)), responses(
    (status = 200, content_type = "image/jpeg", body = Vec<u8>), (status = "default", body = Problem)))]
pub async fn avatar(
    _: CurrentAccount,
    State(app): State<App>,
    Path(avatar): Path<Uuid>,
) -> Result<impl IntoResponse> {
    let avatar = avatars::Entity::find_by_id(avatar).one(app.db.read()).await?.ok_or(Code::NotFound)?;
    let headers = [
        (header::CONTENT_TYPE, "image/jpeg"),
        (header::CACHE_CONTROL, "private, max-age=31536000, immutable"),
    ];
    Ok((headers, avatar.jpeg))
}

async fn save(
    app: &App,
    current: &CurrentAccount,
    change: impl AsyncFnOnce(&DatabaseTransaction, &mut accounts::Model) -> Result<()> + Clone,
) -> Result<axum::Json<Me>> {
    let account = app
        .db
        .write(async |tx| {
            let before =
                accounts::Entity::find_by_id(current.account).one(tx).await?.ok_or(Code::SignedOut)?;
            let mut account = before.clone();
            change.clone()(tx, &mut account).await?;
            if account.display_name != before.display_name {
                people::index(tx, &account).await?;
            }
            accounts::ActiveModel {
                id: Set(account.id),
                display_name: Set(account.display_name.clone()),
                status: Set(account.status.clone()),
                bio: Set(account.bio.clone()),
                avatar: Set(account.avatar),
                ..Default::default()
            }
            .update_without_returning(tx)
            .await?;
            Ok(account)
        })
        .await?;
    let me = me(account);
    let mut audience = conversations::contacts(app.db.read(), current.account).await?;
    audience.push(current.account);
    app.live.publish(&audience, &Event::Profile { person: me.person.clone() });
    Ok(axum::Json(me))
}

async fn delete_avatars(tx: &DatabaseTransaction, account: Uuid) -> Result<()> {
    avatars::Entity::delete_many().filter(avatars::Column::Account.eq(account)).exec(tx).await?;
    Ok(())
}

fn check_status(status: &str) -> Result<String> {
    check_words(status.trim(), MAX_STATUS, people::is_plain_text)
}

fn check_bio(bio: &str) -> Result<String> {
    check_words(bio.trim(), MAX_BIO, |bio| bio.lines().all(people::is_plain_text))
}

fn check_words(text: &str, most: usize, plain: impl Fn(&str) -> bool) -> Result<String> {
    if text.chars().count() <= most && plain(text) {
        Ok(text.to_owned())
    } else {
        Err(Code::BadProfile.into())
    }
}
