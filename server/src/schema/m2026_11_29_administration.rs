//! What administrators did, whom they keep out, whom they let in, and how the server does.

use sea_orm_migration::schema::{
    big_integer, big_integer_null, boolean, small_integer, string_len, text, uuid, uuid_null,
};
use sea_orm_migration::sea_orm::DeriveMigrationName;
use sea_orm_migration::sea_query::{ColumnDef, Index, Table};
use sea_orm_migration::{DbErr, MigrationTrait, SchemaManager, async_trait};

use super::engine::Engine;

#[derive(DeriveMigrationName)]
pub struct Migration;

const BY_TOKEN: &str = "invitations_by_token";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let engine = Engine(manager.get_database_backend());
        let audit = [
            uuid("id"),
            uuid_null("administrator"),
            string_len("act", 32),
            uuid_null("account"),
            text("detail"),
            big_integer("at"),
        ];
        manager.create_table(engine.table("audit", &["id"], audit)).await?;
        let invitations = [
            uuid("id"),
            engine.short_bytes("token_hash", 32),
            string_len("note", 200),
            uuid_null("inviter"),
            big_integer("uses"),
            big_integer("used"),
            big_integer("created_at"),
            big_integer("expires_at"),
            boolean("revoked"),
        ];
        manager.create_table(engine.table("invitations", &["id"], invitations)).await?;
        if !manager.has_index("invitations", BY_TOKEN).await? {
            let index = Index::create().name(BY_TOKEN).table("invitations").col("token_hash").unique().take();
            manager.create_index(index).await?;
        }
        let samples = [small_integer("span"), big_integer("at"), uuid("node"), text("data")];
        manager.create_table(engine.table("samples", &["span", "at", "node"], samples)).await?;
        let columns: [(&str, ColumnDef); 2] =
            [("suspended_at", big_integer_null("suspended_at")), ("invitation", uuid_null("invitation"))];
        for (name, mut column) in columns {
            if !manager.has_column("accounts", name).await? {
                manager.alter_table(Table::alter().table("accounts").add_column(&mut column).take()).await?;
            }
        }
        Ok(())
    }
}
