//! What must not be lost. One file for each aggregate holds its SQL, once for both engines; `engine/` runs it.
//!
//! Adding an operation: write the SQL with `$n` parameters in the aggregate's file, as `impl Store` when it
//! reads or stands alone, as `impl Tx` when it is a part of a larger change; read its rows with the getters of
//! [`Row`]; name the index it uses. A compare-and-set is one `UPDATE … WHERE … RETURNING`, or a [`Tx::must`].

mod accounts;
mod attempt_list;
mod attempts;
mod audit;
mod bootstrap;
mod challenges;
mod codes;
mod devices;
pub mod engine;
mod error;
mod health;
mod job_runs;
mod levels;
mod links;
mod lockouts;
mod mail_queue;
mod migrate;
#[cfg(test)]
mod odd_tests;
mod outbox;
mod own_data;
mod people;
mod people_changes;
mod purge;
mod recovery_codes;
mod revocations;
mod sessions;
mod settings;
mod signing_keys;
#[cfg(test)]
mod tests;
mod totp;
mod transfer;
mod tx;
mod value;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use tokio::sync::Notify;

pub use accounts::*;
pub use attempt_list::{AttemptLine, AttemptQuery, Span};
pub use attempts::*;
pub use audit::{ANONYMOUS_ACTOR, AuditEntry, AuditLine, AuditQuery, SYSTEM_ACTOR};
pub use challenges::*;
pub use codes::*;
pub use devices::*;
pub use error::StoreError;
use health::Health;
pub use job_runs::Claim;
pub use levels::MailLevels;
pub use links::*;
pub use lockouts::*;
pub use mail_queue::{MailState, QueuedMail};
pub use outbox::{LeasedMail, NewMail};
pub use own_data::*;
pub use people::*;
pub use revocations::{Revocation, RevocationPages};
pub use sessions::*;
pub use settings::{Migrated, PostgresSettings, Settings};
pub use signing_keys::SigningKeyRow;
pub use totp::TotpRow;
pub use transfer::{Moved, Snapshot, TransferError};
pub use tx::Tx;
pub(crate) use value::params;
pub use value::{Row, Value};

use crate::metrics::Metrics;
use crate::model::{Clock, Timestamp};
pub use engine::Connections;
use engine::{Engine, Statement};

/// The store. Clones share one database.
#[derive(Clone)]
pub struct Store {
    engine: Arc<dyn Engine>,
    mail_waits: Arc<Notify>,
    /// What the clock of the database's machine is ahead of ours, in milliseconds.
    offset: Arc<AtomicI64>,
    health: Arc<Health>,
}

/// An answer that takes longer does not tell what time it is.
const PROMPT: Duration = Duration::from_secs(1);
/// Where both are further apart, one of them is wrong altogether, and nobody knows which.
const BELIEVED: Duration = Duration::from_secs(3600);

impl Store {
    /// Opens the store and brings its schema up to date, under a lock. Blocks: call it at start-up, before
    /// or outside the async threads.
    ///
    /// # Errors
    /// [`StoreError::Open`], [`StoreError::Corrupt`], [`StoreError::NewerSchema`] or
    /// [`StoreError::Migration`]; each says what to do.
    pub fn open(settings: &Settings) -> Result<Self, StoreError> {
        match settings {
            Settings::Sqlite { path } => Ok(Self::over(Arc::new(engine::sqlite::Sqlite::open(path)?))),
            Settings::Postgres(settings) => {
                Ok(Self::over(Arc::new(engine::postgres::Postgres::open(settings)?)))
            }
        }
    }

    /// Brings the schema up to date, under a lock, and says what it was and is. Blocks.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub fn migrate(settings: &Settings) -> Result<Migrated, StoreError> {
        match settings {
            Settings::Sqlite { path } => engine::sqlite::Sqlite::migrate(path),
            Settings::Postgres(settings) => engine::postgres::Postgres::migrate(settings),
        }
    }

    /// Copies a SQLite store, which may be in use, to a new file; the file's size in bytes. Blocks.
    ///
    /// # Errors
    /// [`StoreError`] when there is no such store, or the file is there already or cannot be written.
    pub fn backup(path: &Path, to: &Path) -> Result<u64, StoreError> {
        engine::sqlite::backup(path, to)
    }

    /// An empty store for a test.
    #[cfg(test)]
    pub(crate) fn scratch() -> Self {
        Self::over(engine::scratch())
    }

    /// A store over an engine whose schema is up to date.
    #[must_use]
    pub fn over(engine: Arc<dyn Engine>) -> Self {
        Self { engine, mail_waits: Arc::default(), offset: Arc::default(), health: Arc::default() }
    }

    /// The same store; from now on `metrics` learns how long it takes and what fails.
    #[must_use]
    pub fn measured(self, metrics: Arc<Metrics>, clock: Arc<dyn Clock>) -> Self {
        let engine = Arc::new(engine::Measured { engine: self.engine, metrics, clock });
        Self { engine, ..self }
    }

    /// Runs one query that changes nothing.
    ///
    /// # Errors
    /// [`StoreError`] when the database does not answer or refuses the statement.
    pub async fn read(&self, sql: &'static str, params: Vec<Value>) -> Result<Vec<Row>, StoreError> {
        let rows = self.engine.read(sql, params).await;
        self.health.note(&rows);
        rows
    }

    /// Runs one statement as a transaction of its own; the rows of its `RETURNING`.
    ///
    /// # Errors
    /// [`StoreError`]; nothing was changed then, unless it is [`StoreError::Unavailable`].
    pub async fn write(&self, sql: &'static str, params: Vec<Value>) -> Result<Vec<Row>, StoreError> {
        let rows = self.transaction(vec![Statement { sql, params, must_hit: false }]).await?;
        Ok(rows.and_then(|mut all| all.pop()).unwrap_or_default())
    }

    /// Runs a transaction: the rows of each statement in order, or `None` when a [`Tx::must`] hit nothing and
    /// everything was rolled back.
    ///
    /// # Errors
    /// [`StoreError`]; nothing was changed then, unless it is [`StoreError::Unavailable`].
    pub async fn commit(&self, tx: Tx) -> Result<Option<Vec<Vec<Row>>>, StoreError> {
        let Tx { statements, mails } = tx;
        if statements.is_empty() {
            return Ok(Some(Vec::new()));
        }
        let rows = self.transaction(statements).await?;
        if rows.is_some() && mails > 0 {
            self.mail_waits.notify_one();
        }
        Ok(rows)
    }

    async fn transaction(&self, statements: Vec<Statement>) -> Result<Option<Vec<Vec<Row>>>, StoreError> {
        let done = self.engine.transaction(statements).await;
        self.health.note(&done);
        done
    }

    /// Whether the database answers and is whole as far as anybody has seen; for readiness.
    ///
    /// # Errors
    /// [`StoreError`]: why not.
    pub async fn ping(&self) -> Result<(), StoreError> {
        self.engine.ping().await?;
        self.health.verdict()
    }

    /// Whether the database takes changes, which a replica and a full disk do not; for readiness. Writes a row.
    ///
    /// # Errors
    /// [`StoreError`]: why not.
    pub async fn takes_changes(&self) -> Result<(), StoreError> {
        match self.engine.takes_changes().await {
            // Too much to do is no reason to send people elsewhere: there it is the same store.
            Err(StoreError::Busy) => Ok(()),
            answer => answer,
        }
    }

    /// How far `clock` is from that of the database's machine; nothing where that is this machine. [`Store::time`] goes by
    /// what was found last.
    ///
    /// # Errors
    /// [`StoreError`] when it does not answer.
    pub async fn skew(&self, clock: &dyn Clock) -> Result<Duration, StoreError> {
        let (asked, begun) = (clock.now(), clock.monotonic());
        let Some(there) = self.engine.clock().await? else { return Ok(Duration::ZERO) };
        let took = clock.monotonic().saturating_sub(begun);
        let offset = there.millis().saturating_sub(asked.after(took / 2).millis());
        let skew = Duration::from_millis(offset.unsigned_abs());
        if took < PROMPT {
            self.offset.store(if skew <= BELIEVED { offset } else { 0 }, Ordering::Relaxed);
        }
        Ok(skew)
    }

    /// What the clock of the database's machine shows when that of this one shows `now`: a time that nodes whose clocks
    /// differ agree on.
    #[must_use]
    pub fn time(&self, now: Timestamp) -> Timestamp {
        Timestamp::from_millis(now.millis().saturating_add(self.offset.load(Ordering::Relaxed)))
    }

    /// How busy the connections to a server are; `None` for a store that has no server.
    #[must_use]
    pub fn connections(&self) -> Option<Connections> {
        self.engine.connections()
    }

    /// Told each time a committed transaction has put a mail into the outbox.
    #[must_use]
    pub fn mail_waits(&self) -> &Notify {
        &self.mail_waits
    }
}
