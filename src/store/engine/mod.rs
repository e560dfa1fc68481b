//! What a database must be able to do for us. The SQL text comes from the files of `store/` and is
//! the same for every engine; nothing outside this folder knows which engine runs.

#[cfg(test)]
mod contract;
mod measured;
pub mod postgres;
pub mod sqlite;

pub(super) use measured::Measured;

#[cfg(test)]
use std::sync::Arc;

use async_trait::async_trait;

use super::{Row, StoreError, Value};
use crate::model::Timestamp;

/// One SQL statement with its parameters (`$1`, `$2`, …, bound by number).
#[derive(Debug, Clone)]
pub struct Statement {
    /// The text; common to SQLite and PostgreSQL.
    pub sql: &'static str,
    /// The parameters, `$1` first.
    pub params: Vec<Value>,
    /// Whether the transaction is rolled back when this statement touches or returns no row.
    pub must_hit: bool,
}

/// How busy the connections of an engine are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Connections {
    /// At work.
    pub busy: usize,
    /// Open and free.
    pub idle: usize,
    /// Who waits for one.
    pub waiting: usize,
    /// How many there may be.
    pub most: usize,
}

/// A database.
#[async_trait]
pub trait Engine: Send + Sync + 'static {
    /// Runs one query that changes nothing.
    ///
    /// # Errors
    /// [`StoreError`] when the database does not answer in time or refuses the statement.
    async fn read(&self, sql: &'static str, params: Vec<Value>) -> Result<Vec<Row>, StoreError>;

    /// Runs statements as one transaction; `None` when a `must_hit` statement hit nothing (nothing
    /// was changed then), else the rows of each statement in order.
    ///
    /// # Errors
    /// [`StoreError`]; after an error the transaction was rolled back, unless the error is
    /// [`StoreError::Unavailable`], after which the outcome is unknown.
    async fn transaction(&self, statements: Vec<Statement>) -> Result<Option<Vec<Vec<Row>>>, StoreError>;

    /// The same for what must be answered while everything else waits. Keep it short: there may be one connection for it.
    ///
    /// # Errors
    /// As [`Engine::read`].
    async fn watch(&self, sql: &'static str, params: Vec<Value>) -> Result<Vec<Row>, StoreError> {
        self.read(sql, params).await
    }

    /// Whether the database answers. Does not wait behind other work where the engine can avoid it.
    ///
    /// # Errors
    /// [`StoreError`] when it does not.
    async fn ping(&self) -> Result<(), StoreError> {
        self.watch("SELECT 1", Vec::new()).await.map(drop)
    }

    /// Whether the database takes changes at all. Writes one row, always the same.
    ///
    /// # Errors
    /// [`StoreError`] when it does not.
    async fn takes_changes(&self) -> Result<(), StoreError> {
        let sql = "INSERT INTO job_runs (name, due_at, ran_at) VALUES ('readiness', 0, 0)
                   ON CONFLICT (name) DO UPDATE SET ran_at = 1 - job_runs.ran_at";
        let params = Vec::new();
        self.transaction(vec![Statement { sql, params, must_hit: false }]).await.map(drop)
    }

    /// What the clock of the database's machine shows; `None`: that is this machine.
    ///
    /// # Errors
    /// As [`Engine::ping`].
    async fn clock(&self) -> Result<Option<Timestamp>, StoreError> {
        Ok(None)
    }

    /// How busy the connections are, where there is a server to be connected to.
    fn connections(&self) -> Option<Connections> {
        None
    }
}

/// An empty database for a test: `SQLite` in memory, or a schema on a server where `STAGEDOOR_TEST_STORE` says so.
#[cfg(test)]
pub(crate) fn scratch() -> Arc<dyn Engine> {
    if scratch_is_postgres() {
        Arc::new(postgres::scratch::Scratch::open())
    } else {
        Arc::new(sqlite::Sqlite::open(":memory:".as_ref()).expect("memory"))
    }
}

/// Which of the two [`scratch`] makes.
#[cfg(test)]
pub(crate) fn scratch_is_postgres() -> bool {
    std::env::var("STAGEDOOR_TEST_STORE").is_ok_and(|engine| engine == "postgres")
}
