//! Which store.

use std::path::PathBuf;

use super::StoreError;
use crate::model::Secret;

/// Where the data live.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Settings {
    /// One SQLite file.
    Sqlite {
        /// Its path; `:memory:` for a store that is gone with the process.
        path: PathBuf,
    },
    /// A PostgreSQL database.
    Postgres(PostgresSettings),
}

/// How to reach a PostgreSQL database.
#[derive(Clone, Debug)]
pub struct PostgresSettings {
    /// `postgres://user:password@host/database`, with the parameters of libpq's URLs.
    pub url: Secret,
    /// Further trusted roots, PEM.
    pub ca: Option<PathBuf>,
    /// Connections of one node at most.
    pub connections: usize,
}

/// Compares the whole URL: `Debug` does not show it.
impl PartialEq for PostgresSettings {
    fn eq(&self, other: &Self) -> bool {
        (self.url.expose(), &self.ca, self.connections) == (other.url.expose(), &other.ca, other.connections)
    }
}

impl Eq for PostgresSettings {}

impl PostgresSettings {
    /// Whether connections can be made from this; asks no server.
    ///
    /// # Errors
    /// [`StoreError::Server`] that says what is wrong, without the URL.
    pub fn check(&self) -> Result<(), StoreError> {
        super::engine::postgres::check(self)
    }
}

/// What a migration did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Migrated {
    /// The schema before; 0 for an empty database.
    pub from: i64,
    /// The schema now.
    pub to: i64,
}
