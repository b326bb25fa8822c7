//! The first schema, on each engine.
//!
//! Keys are chosen for growth. Messages lie in the order of (conversation, seq), so that a page of history is
//! one stretch of the tree. Whether a client's message id was seen before is asked of an index that begins with
//! that id: ids are UUIDv7, so the index grows at its right edge instead of dirtying a random leaf a message. A
//! message's row is what it says now; what it said before lies in `versions`. `changes` lists the messages that
//! are not as they were first stored, in the order of their last change, and `expiring` those that will
//! disappear, by time: an index of all messages by either would cost each new one a second page.
//!
//! MySQL commits each statement by itself, so every step can be taken again after one that was cut short.

use sea_orm_migration::schema::{
    big_integer, big_integer_null, boolean, small_integer, string_len, text, uuid, uuid_null,
};
use sea_orm_migration::sea_orm::DeriveMigrationName;
use sea_orm_migration::sea_query::{ColumnDef, Index, IndexCreateStatement, TableCreateStatement};
use sea_orm_migration::{DbErr, MigrationTrait, SchemaManager, async_trait};

use super::engine::Engine;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let engine = Engine(manager.get_database_backend());
        for table in tables(engine) {
            manager.create_table(table).await?;
        }
        for (name, table, index) in indexes() {
            if !manager.has_index(table, name).await? {
                manager.create_index(index).await?;
            }
        }
        Ok(())
    }
}

fn yes(name: &'static str) -> ColumnDef {
    boolean(name).default(true).take()
}

fn no(name: &'static str) -> ColumnDef {
    boolean(name).default(false).take()
}

fn zero(mut column: ColumnDef) -> ColumnDef {
    column.default(0).take()
}

fn tables(engine: Engine) -> Vec<TableCreateStatement> {
    let bytes = |name| engine.bytes(name);
    let place = || [uuid("conversation"), big_integer("seq")];
    let sealed = || [uuid("id"), uuid("epoch"), bytes("envelope")];
    vec![
        engine.table(
            "accounts",
            &["id"],
            [
                uuid("id"),
                string_len("handle", 32),
                string_len("display_name", 64),
                string_len("status", 100),
                text("bio"),
                uuid_null("avatar"),
                boolean("administrator"),
                bytes("opaque_record"),
                bytes("recovery_verifier"),
                big_integer("created_at"),
                yes("shares_presence"),
                yes("shares_typing"),
                yes("shares_receipts"),
                big_integer_null("last_seen"),
            ],
        ),
        engine.table("vaults", &["account"], [uuid("account"), big_integer("version"), bytes("boxed")]),
        engine.table(
            "slots",
            &["account", "kind", "id"],
            [uuid("account"), string_len("kind", 16), uuid("id"), bytes("boxed")],
        ),
        engine.table(
            "key_bundles",
            &["account", "sequence"],
            [uuid("account"), big_integer("sequence"), bytes("body"), bytes("signature")],
        ),
        engine.table(
            "handshakes",
            &["id"],
            [
                uuid("id"),
                string_len("handle", 32),
                bytes("login_state").null().take(),
                big_integer("expires_at"),
            ],
        ),
        engine.table(
            "sessions",
            &["id"],
            [
                uuid("id"),
                uuid("account"),
                engine.short_bytes("token_hash", 32),
                bytes("share"),
                big_integer("created_at"),
                big_integer("seen_at"),
            ],
        ),
        engine.table("avatars", &["id"], [uuid("id"), uuid("account"), bytes("jpeg")]),
        engine.table(
            "search_terms",
            &["weight", "term", "account"],
            [small_integer("weight"), engine.ordered_text("term", 128), uuid("account")],
        ),
        engine.table(
            "conversations",
            &["id"],
            [
                uuid("id"),
                uuid("low"),
                uuid("high"),
                big_integer("seq"),
                big_integer("rev"),
                big_integer("epoch"),
                zero(big_integer("closed_epoch")),
                big_integer("active_at"),
                big_integer("low_delivered"),
                big_integer("high_delivered"),
                big_integer("low_read"),
                big_integer("high_read"),
                big_integer("low_shown"),
                big_integer("high_shown"),
                big_integer("low_unread"),
                big_integer("high_unread"),
                no("low_blocks"),
                no("high_blocks"),
                zero(big_integer("timer")),
                zero(big_integer("timer_seq")),
            ],
        ),
        engine.table(
            "epochs",
            &["conversation", "number"],
            [
                uuid("conversation"),
                big_integer("number"),
                uuid("id"),
                bytes("body"),
                bytes("signature"),
                big_integer("first_seq"),
                big_integer("created_at"),
            ],
        ),
        engine.table(
            "keyring",
            &["account", "epoch"],
            [uuid("account"), uuid("epoch"), uuid("conversation"), bytes("boxed")],
        ),
        engine.table(
            "messages",
            &["conversation", "seq"],
            place().into_iter().chain([big_integer("rev"), uuid("id"), uuid("sender"), uuid("epoch")]).chain(
                [
                    bytes("envelope"),
                    big_integer("sent_at"),
                    uuid_null("version"),
                    zero(small_integer("edits")),
                    big_integer_null("edited_at"),
                    big_integer_null("deleted_at"),
                    zero(small_integer("reactions")),
                    no("changed"),
                    no("hidden"),
                    big_integer_null("expires_at"),
                ],
            ),
        ),
        engine.table(
            "versions",
            &["conversation", "seq", "number"],
            place()
                .into_iter()
                .chain([small_integer("number")])
                .chain(sealed())
                .chain([big_integer("sent_at")]),
        ),
        engine.table(
            "reactions",
            &["conversation", "seq", "sender"],
            place().into_iter().chain([uuid("sender")]).chain(sealed()).chain([boolean("hidden")]),
        ),
        engine.table(
            "changes",
            &["conversation", "rev"],
            [uuid("conversation"), big_integer("rev"), big_integer("seq")],
        ),
        engine.table(
            "expiring",
            &["at", "conversation", "seq"],
            [big_integer("at"), uuid("conversation"), big_integer("seq")],
        ),
        engine.table(
            "outliving",
            &["at", "conversation", "number"],
            [big_integer("at"), uuid("conversation"), big_integer("number")],
        ),
        engine.table(
            "scheduled",
            &["sender", "id"],
            [
                uuid("sender"),
                uuid("id"),
                uuid("conversation"),
                uuid("epoch"),
                bytes("envelope"),
                big_integer("at"),
                big_integer("written_at"),
            ],
        ),
        engine.table(
            "reports",
            &["id"],
            [
                uuid("id"),
                uuid("reporter"),
                uuid("account"),
                string_len("reason", 16),
                text("note"),
                big_integer("created_at"),
            ],
        ),
        engine.table(
            "reported_messages",
            &["report", "seq"],
            [uuid("report"), big_integer("seq"), uuid("conversation"), text("text"), big_integer("sent_at")],
        ),
        engine.table("settings", &["name"], [string_len("name", 64), bytes("value")]),
    ]
}

fn indexes() -> Vec<(&'static str, &'static str, IndexCreateStatement)> {
    let index = |name: &'static str, table: &'static str, columns: &[&'static str]| {
        let mut index = Index::create();
        index.name(name).table(table);
        for column in columns {
            index.col(*column);
        }
        (name, table, index)
    };
    let unique = |name, table, columns: &[&'static str]| {
        let (name, table, mut index) = index(name, table, columns);
        (name, table, index.unique().take())
    };
    vec![
        unique("accounts_by_handle", "accounts", &["handle"]),
        unique("sessions_by_token", "sessions", &["token_hash"]),
        index("sessions_by_account", "sessions", &["account"]),
        index("avatars_by_account", "avatars", &["account"]),
        index("search_terms_by_account", "search_terms", &["account"]),
        // The lists of conversations are sorted when they are asked for: with `active_at` in these, each message
        // would move an entry in both.
        index("conversations_of_low", "conversations", &["low"]),
        index("conversations_of_high", "conversations", &["high"]),
        unique("epochs_by_id", "epochs", &["id"]),
        unique("messages_by_id", "messages", &["id", "conversation"]),
        index("scheduled_by_time", "scheduled", &["at"]),
        index("reports_by_reporter", "reports", &["reporter", "created_at"]),
    ]
}
