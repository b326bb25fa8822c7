//! What lies between the two requests of a sign-up or a log-in: a row that the second one takes out.

use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter};
use uuid::Uuid;

use crate::app::App;
use crate::clock::Millis;
use crate::error::{Code, Result};
use crate::schema::tables::handshakes;

/// Keep one for so long. `login_state`: of a log-in what its second request is answered with; none of a sign-up.
pub async fn keep(app: &App, handle: String, login_state: Option<Vec<u8>>, life: Millis) -> Result<Uuid> {
    let row =
        handshakes::Model { id: app.clock.new_id(), handle, login_state, expires_at: app.clock.now() + life };
    let id = row.id;
    let row = handshakes::ActiveModel::from(row);
    app.db
        .write(async |tx| Ok(handshakes::Entity::insert(row.clone()).exec_without_returning(tx).await?))
        .await?;
    Ok(id)
}

/// The handle of a sign-up under way. The row is only taken out when the account is made ([`end`]), so that a refusal
/// (a wrong set-up code) can be put right.
pub async fn of_sign_up(app: &App, account: Uuid) -> Result<String> {
    handshakes::Entity::find_by_id(account)
        .filter(handshakes::Column::LoginState.is_null())
        .filter(handshakes::Column::ExpiresAt.gt(app.clock.now()))
        .one(app.db.read())
        .await?
        .map(|row| row.handle)
        .ok_or_else(|| Code::RegistrationExpired.into())
}

/// Within the transaction that makes the account.
pub async fn end(tx: &impl ConnectionTrait, account: Uuid) -> Result<()> {
    handshakes::Entity::delete_by_id(account).exec(tx).await?;
    Ok(())
}

/// The handle and the state of a log-in, taken out of the table before they are looked at: whatever comes of it, it
/// cannot be tried twice.
pub async fn take_login(app: &App, login: Uuid) -> Result<(String, Vec<u8>)> {
    let row = app
        .db
        .write(async |tx| {
            let row = handshakes::Entity::find_by_id(login).one(tx).await?;
            handshakes::Entity::delete_by_id(login)
                .filter(handshakes::Column::LoginState.is_not_null())
                .exec(tx)
                .await?;
            Ok(row)
        })
        .await?;
    let row = row.filter(|row| app.clock.now() < row.expires_at).ok_or(Code::WrongCredentials)?;
    Ok((row.handle, row.login_state.ok_or(Code::WrongCredentials)?))
}

/// Forget those that were never finished.
pub async fn tidy(app: &App) -> Result<()> {
    let now = app.clock.now();
    app.db
        .write(async |tx| {
            handshakes::Entity::delete_many().filter(handshakes::Column::ExpiresAt.lte(now)).exec(tx).await?;
            Ok(())
        })
        .await
}
