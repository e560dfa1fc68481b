//! Why the store did not do it.

use std::path::PathBuf;

/// Why the store did not do it. "Not found" is no error: it is `None` or no row.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The database does not answer. Whether a transaction took place is not known.
    #[error("the store is not available: {0}")]
    Unavailable(String),
    /// Too much waits already, or another process holds the write lock; nothing was changed.
    #[error("the store is busy")]
    Busy,
    /// A unique key, a foreign key or a NOT NULL was broken; nothing was changed.
    #[error("the store refused the change: {0}")]
    Constraint(String),
    /// The file is damaged or is no database.
    #[error("the store is damaged: {0}; restore a backup")]
    Corrupt(String),
    /// The disk is full or cannot be written; nothing was changed.
    #[error("the store cannot write: {0}; free some space or repair the permissions")]
    NotWritable(String),
    /// A statement that the database does not understand: a fault in this program.
    #[error("the store does not understand a statement: {0}")]
    Statement(String),
    /// An answer of another form than expected: a fault in this program or a changed database.
    #[error("the store answered in an unexpected form: {0}")]
    Shape(String),
    /// The store cannot be opened.
    #[error("cannot open the store {}: {why}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// What is wrong and what to do about it.
        why: String,
    },
    /// The database server cannot be used as configured.
    #[error("cannot use the store: {0}")]
    Server(String),
    /// Another, newer release has changed the schema.
    #[error(
        "the store has schema {found}, this release knows schemas up to {known}: run the newer release, or restore \
         a backup made before the upgrade"
    )]
    NewerSchema {
        /// The schema's version.
        found: i64,
        /// The newest version this release knows.
        known: i64,
    },
    /// A migration failed; the store is as it was before that migration.
    #[error("the schema of the store cannot be brought up to date: {0}")]
    Migration(String),
}
