//! The schema, step by step. One set of migrations for both engines; each engine runs them its own way.

use refinery::{Migration, Runner};

use super::StoreError;

/// Every migration, oldest first. Never change one that was released: add the next.
const MIGRATIONS: [(&str, &str); 4] = [
    ("V1__accounts", include_str!("../../migrations/0001_accounts.sql")),
    ("V2__whole_accounts", include_str!("../../migrations/0002_whole_accounts.sql")),
    ("V3__production", include_str!("../../migrations/0003_production.sql")),
    ("V4__unheard", include_str!("../../migrations/0004_unheard.sql")),
];

/// The newest schema this release knows.
pub(super) fn latest() -> i64 {
    i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX)
}

/// What brings a database up to date.
pub(super) fn runner() -> Result<Runner, StoreError> {
    let read = |(name, sql): &(&str, &str)| Migration::unapplied(name, sql);
    let all: Result<Vec<_>, _> = MIGRATIONS.iter().map(read).collect();
    Ok(Runner::new(&all.map_err(|e| StoreError::Migration(e.to_string()))?))
}
