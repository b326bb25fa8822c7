//! The tables, as entities ([`tables`]) and as the migrations that make them. A migration that was released
//! never changes again; the entities show what all of them together lead to.

pub mod tables;

mod m2026_11_28_first;

use sea_orm_migration::{MigrationTrait, MigratorTrait};

pub struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![Box::new(m2026_11_28_first::Migration)]
    }
}
