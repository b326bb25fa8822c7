//! The tables, as entities ([`tables`]) and as the migrations that make them. A migration that was released
//! never changes again; the entities show what all of them together lead to.

pub mod tables;

mod engine;
mod m2026_11_28_first;
mod m2026_11_29_administration;
mod m2026_11_29_erasures;
mod m2026_11_29_indicators;
mod m2026_11_29_mail;
mod m2026_11_29_passkeys;
mod m2026_11_29_resets;
mod m2026_11_29_retention;
mod m2026_11_29_second_factor;
mod m2026_11_29_sessions;

use sea_orm::{ConnectionTrait, DbBackend, DbErr, EntityTrait, QueryOrder, Statement};
use sea_orm_migration::{MigrationTrait, MigratorTrait, seaql_migrations};

/// Every table that a migration ever made, by name. What a backup holds and a move carries over.
pub const TABLES: [&str; 38] = [
    "accounts",
    "activity",
    "addresses",
    "audit",
    "avatars",
    "backup_codes",
    "challenges",
    "changes",
    "conversations",
    "delays",
    "epochs",
    "erasures",
    "expiring",
    "handshakes",
    "invitations",
    "key_bundles",
    "keyring",
    "mail_tokens",
    "mails",
    "messages",
    "opinions",
    "outliving",
    "passkeys",
    "pending_logins",
    "reactions",
    "reported_messages",
    "reports",
    "resets",
    "samples",
    "scheduled",
    "search_terms",
    "second_factors",
    "sessions",
    "settings",
    "slots",
    "surveyed",
    "vaults",
    "versions",
];

pub struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m2026_11_28_first::Migration),
            Box::new(m2026_11_29_sessions::Migration),
            Box::new(m2026_11_29_administration::Migration),
            Box::new(m2026_11_29_second_factor::Migration),
            Box::new(m2026_11_29_indicators::Migration),
            Box::new(m2026_11_29_resets::Migration),
            Box::new(m2026_11_29_passkeys::Migration),
            Box::new(m2026_11_29_erasures::Migration),
            Box::new(m2026_11_29_retention::Migration),
            Box::new(m2026_11_29_mail::Migration),
        ]
    }
}

/// The migrations that this program knows.
pub fn known<M: MigratorTrait>() -> Vec<String> {
    M::migrations().iter().map(|migration| migration.name().to_owned()).collect()
}

/// Those that a database has had, in order; none of one that was never ours.
pub async fn applied(db: &impl ConnectionTrait) -> Result<Vec<String>, DbErr> {
    if !has_table(db, "seaql_migrations").await? {
        return Ok(Vec::new());
    }
    let rows =
        seaql_migrations::Entity::find().order_by_asc(seaql_migrations::Column::Version).all(db).await?;
    Ok(rows.into_iter().map(|row| row.version).collect())
}

/// Whether there is a table of this name, which is one of ours and needs no quoting.
pub async fn has_table(db: &impl ConnectionTrait, name: &str) -> Result<bool, DbErr> {
    let backend = db.get_database_backend();
    let sql = match backend {
        DbBackend::MySql => "information_schema.tables WHERE table_schema = DATABASE() AND table_name",
        DbBackend::Postgres => {
            "information_schema.tables WHERE table_schema = current_schema() AND table_name"
        }
        _ => "sqlite_master WHERE type = 'table' AND name",
    };
    let asked = Statement::from_string(backend, format!("SELECT 1 FROM {sql} = '{name}'"));
    Ok(db.query_one_raw(asked).await?.is_some())
}
