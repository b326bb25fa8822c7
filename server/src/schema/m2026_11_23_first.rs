//! The first schema.
//!
//! Keys are chosen for growth. Messages lie in the order of (conversation, seq), so that a page of history is
//! one stretch of the tree. Whether a client's message id was seen before is asked of an index that begins with
//! that id: ids are UUIDv7, so the index grows at its right edge instead of dirtying a random leaf a message.

use sea_orm_migration::schema::{
    big_integer, blob, blob_null, boolean, small_integer, string_len, text, uuid, uuid_null,
};
use sea_orm_migration::sea_orm::DeriveMigrationName;
use sea_orm_migration::sea_query::{ColumnDef, Index, IndexCreateStatement, Table, TableCreateStatement};
use sea_orm_migration::{DbErr, MigrationTrait, SchemaManager, async_trait};

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in tables() {
            manager.create_table(table).await?;
        }
        for index in indexes() {
            manager.create_index(index).await?;
        }
        Ok(())
    }
}

/// `WITHOUT ROWID` makes SQLite store rows in the order of their primary key, as InnoDB does.
pub fn table(name: &'static str, key: &[&'static str], columns: Vec<ColumnDef>) -> TableCreateStatement {
    let mut primary = Index::create();
    for column in key {
        primary.col(*column);
    }
    let mut table = Table::create();
    table.table(name).primary_key(&mut primary).extra("WITHOUT ROWID");
    for column in columns {
        table.col(column);
    }
    table
}

fn tables() -> Vec<TableCreateStatement> {
    vec![
        table(
            "accounts",
            &["id"],
            vec![
                uuid("id"),
                string_len("handle", 32),
                string_len("display_name", 64),
                string_len("status", 100),
                text("bio"),
                uuid_null("avatar"),
                boolean("administrator"),
                blob("opaque_record"),
                blob("recovery_verifier"),
                big_integer("created_at"),
            ],
        ),
        table("vaults", &["account"], vec![uuid("account"), big_integer("version"), blob("boxed")]),
        table(
            "slots",
            &["account", "kind", "id"],
            vec![uuid("account"), string_len("kind", 16), uuid("id"), blob("boxed")],
        ),
        table(
            "key_bundles",
            &["account", "sequence"],
            vec![uuid("account"), big_integer("sequence"), blob("body"), blob("signature")],
        ),
        table(
            "handshakes",
            &["id"],
            vec![uuid("id"), string_len("handle", 32), blob_null("login_state"), big_integer("expires_at")],
        ),
        table(
            "sessions",
            &["id"],
            vec![
                uuid("id"),
                uuid("account"),
                blob("token_hash"),
                blob("share"),
                big_integer("created_at"),
                big_integer("seen_at"),
            ],
        ),
        table("avatars", &["id"], vec![uuid("id"), uuid("account"), blob("jpeg")]),
        table(
            "search_terms",
            &["weight", "term", "account"],
            vec![small_integer("weight"), string_len("term", 128), uuid("account")],
        ),
        table(
            "conversations",
            &["id"],
            vec![
                uuid("id"),
                uuid("low"),
                uuid("high"),
                big_integer("seq"),
                big_integer("rev"),
                big_integer("epoch"),
                big_integer("active_at"),
                big_integer("low_delivered"),
                big_integer("high_delivered"),
                big_integer("low_read"),
                big_integer("high_read"),
                big_integer("low_unread"),
                big_integer("high_unread"),
            ],
        ),
        table(
            "epochs",
            &["conversation", "number"],
            vec![
                uuid("conversation"),
                big_integer("number"),
                uuid("id"),
                blob("body"),
                blob("signature"),
                big_integer("first_seq"),
                big_integer("created_at"),
            ],
        ),
        table(
            "keyring",
            &["account", "epoch"],
            vec![uuid("account"), uuid("epoch"), uuid("conversation"), blob("boxed")],
        ),
        table(
            "messages",
            &["conversation", "seq"],
            vec![
                uuid("conversation"),
                big_integer("seq"),
                big_integer("rev"),
                uuid("id"),
                uuid("sender"),
                uuid("epoch"),
                blob("envelope"),
                big_integer("sent_at"),
            ],
        ),
        table("settings", &["name"], vec![string_len("name", 64), blob("value")]),
    ]
}

fn indexes() -> Vec<IndexCreateStatement> {
    let index = |name: &'static str, table: &'static str, columns: &[&'static str]| {
        let mut index = Index::create();
        index.name(name).table(table);
        for column in columns {
            index.col(*column);
        }
        index
    };
    let unique = |name, table, columns: &[&'static str]| index(name, table, columns).unique().take();
    vec![
        unique("accounts_by_handle", "accounts", &["handle"]),
        unique("sessions_by_token", "sessions", &["token_hash"]),
        index("sessions_by_account", "sessions", &["account"]),
        index("avatars_by_account", "avatars", &["account"]),
        index("search_terms_by_account", "search_terms", &["account"]),
        index("conversations_by_low", "conversations", &["low", "active_at"]),
        index("conversations_by_high", "conversations", &["high", "active_at"]),
        unique("epochs_by_id", "epochs", &["id"]),
        unique("messages_by_id", "messages", &["id", "conversation"]),
    ]
}
