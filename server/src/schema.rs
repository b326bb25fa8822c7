//! The tables, as entities ([`tables`]) and as the migrations that make them. A migration that was released
//! never changes again; the entities show what all of them together lead to.

pub mod tables;

mod m2026_11_23_first;
mod m2026_11_23_lists;
mod m2026_11_24_changes;
mod m2026_11_24_presence;
mod m2026_11_24_reports;
mod m2026_11_24_times;

use sea_orm_migration::{MigrationTrait, MigratorTrait};

pub struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m2026_11_23_first::Migration),
            Box::new(m2026_11_23_lists::Migration),
            Box::new(m2026_11_24_changes::Migration),
            Box::new(m2026_11_24_presence::Migration),
            Box::new(m2026_11_24_times::Migration),
            Box::new(m2026_11_24_reports::Migration),
        ]
    }
}
