//! PostgreSQL: two pools, one that may change something and one that may not, and one connection for what
//! must not wait behind them: whether the server answers, and which sign-ins have ended. All are worked on a runtime of their own: a caller that goes away does not leave a transaction
//! half sent, and connections never belong to a runtime that somebody else stops.

mod connect;
mod door;
mod run;
mod schema;
#[cfg(test)]
pub(super) mod scratch;
mod target;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use deadpool_postgres::Object;
use tokio::runtime::Runtime;
use tokio::sync::oneshot;
use tokio::time::error::Elapsed;
use tokio::time::timeout;

use super::{Connections, Engine, Statement};
use crate::model::Timestamp;
use crate::store::settings::{Migrated, PostgresSettings};
use crate::store::{Row, StoreError, Value};

pub(in crate::store) use connect::check;
use door::{Asker, Door};
pub(in crate::store) use target::Target;

/// How long one statement may take before the server gives it up.
const STATEMENT: Duration = Duration::from_secs(2);
/// How long to wait for one step on a connection: a little longer than the server lets it take.
const STEP: Duration = Duration::from_millis(2500);
/// How long a whole transaction may take before its connection is thrown away.
const ANSWER: Duration = Duration::from_secs(8);
/// How long to wait for a free connection.
const ACQUIRE: Duration = Duration::from_secs(1);
/// How often a transaction that lost against another is tried again. Of those that meet one always wins, and no more
/// meet than there are connections.
const TRIES: u32 = 40;
/// The longest pause between two tries.
const PAUSE: Duration = Duration::from_millis(25);

/// One PostgreSQL database.
pub struct Postgres {
    inner: Arc<Inner>,
    // `None` only while it is dropped: a runtime must not be dropped inside another.
    runtime: Option<Runtime>,
}

struct Inner {
    write: Door,
    read: Door,
    watch: Door,
}

impl Postgres {
    /// Connects, and brings the schema up to date under a lock that other nodes wait for. Blocks.
    ///
    /// # Errors
    /// [`StoreError`] that says what is wrong with the URL, the server or the schema, and what to do.
    pub fn open(settings: &PostgresSettings) -> Result<Self, StoreError> {
        Self::migrated(settings).map(|(engine, _)| engine)
    }

    /// Brings the schema up to date and says what it was and is. Blocks.
    ///
    /// # Errors
    /// As [`Postgres::open`].
    pub fn migrate(settings: &PostgresSettings) -> Result<Migrated, StoreError> {
        Self::migrated(settings).map(|(_, migrated)| migrated)
    }

    fn migrated(settings: &PostgresSettings) -> Result<(Self, Migrated), StoreError> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("store-postgres")
            .enable_all()
            .build()
            .map_err(|e| StoreError::Unavailable(format!("cannot start a thread: {e}")))?;
        let inner = Inner {
            write: Door::new(connect::pool(settings, connect::Kind::Write)?),
            read: Door::new(connect::pool(settings, connect::Kind::Read)?),
            watch: Door::new(connect::pool(settings, connect::Kind::Watch)?),
        };
        let opened = Self { inner: Arc::new(inner), runtime: Some(runtime) };
        let pool = opened.inner.write.pool().clone();
        let migrated = opened.wait(async move { schema::bring_up_to_date(&pool).await })?;
        Ok((opened, migrated))
    }

    /// Runs on the runtime of the engine, from outside any other.
    fn wait<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, StoreError>> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (send, receive) = std::sync::mpsc::channel();
        self.runtime()?.spawn(async move { drop(send.send(work.await)) });
        receive.recv().map_err(|_| stopped())?
    }

    fn runtime(&self) -> Result<&Runtime, StoreError> {
        self.runtime.as_ref().ok_or_else(stopped)
    }

    /// Runs on the runtime of the engine. What has begun is finished there when the caller goes away.
    async fn ask<T, W>(&self, work: impl FnOnce(Arc<Inner>, Asker) -> W) -> Result<T, StoreError>
    where
        T: Send + 'static,
        W: Future<Output = Result<T, StoreError>> + Send + 'static,
    {
        let here = Arc::new(());
        let work = work(Arc::clone(&self.inner), Arc::downgrade(&here));
        let (answer, wait) = oneshot::channel();
        self.runtime()?.spawn(async move { drop(answer.send(work.await)) });
        let answer = wait.await.map_err(|_| stopped())?;
        drop(here);
        answer
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

fn stopped() -> StoreError {
    StoreError::Unavailable("its threads have stopped".to_owned())
}

#[async_trait]
impl Engine for Postgres {
    async fn read(&self, sql: &'static str, params: Vec<Value>) -> Result<Vec<Row>, StoreError> {
        self.ask(async move |inner, asker| read(&inner.read, &asker, sql, &params).await).await
    }

    async fn transaction(&self, statements: Vec<Statement>) -> Result<Option<Vec<Vec<Row>>>, StoreError> {
        self.ask(|inner, asker| async move { transaction(&inner.write, &asker, &statements).await }).await
    }

    async fn watch(&self, sql: &'static str, params: Vec<Value>) -> Result<Vec<Row>, StoreError> {
        self.ask(async move |inner, asker| read(&inner.watch, &asker, sql, &params).await).await
    }

    async fn clock(&self) -> Result<Option<Timestamp>, StoreError> {
        let rows =
            self.watch("SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint", Vec::new()).await?;
        rows.first().map(|row| row.time(0)).transpose()
    }

    fn connections(&self) -> Option<Connections> {
        let all = [&self.inner.write, &self.inner.read, &self.inner.watch].map(Door::connections);
        let sum = |part: fn(&Connections) -> usize| all.iter().map(part).sum();
        Some(Connections {
            busy: sum(|c| c.busy),
            idle: sum(|c| c.idle),
            waiting: sum(|c| c.waiting),
            most: sum(|c| c.most),
        })
    }
}

async fn read(door: &Door, asker: &Asker, sql: &str, params: &[Value]) -> Result<Vec<Row>, StoreError> {
    let client = door.enter(asker).await?;
    let answer = timeout(ANSWER, run::read(&client, sql, params)).await;
    settle(client, answer)
}

async fn transaction(
    door: &Door,
    asker: &Asker,
    statements: &[Statement],
) -> Result<Option<Vec<Vec<Row>>>, StoreError> {
    for attempt in 1..=TRIES {
        let client = door.enter(asker).await?;
        let answer = timeout(ANSWER, run::transaction(&client, statements)).await;
        match settle(client, answer)? {
            run::Outcome::Committed(rows) => return Ok(Some(rows)),
            run::Outcome::Missed => return Ok(None),
            run::Outcome::Lost => tokio::time::sleep((Duration::from_millis(1) * attempt).min(PAUSE)).await,
        }
    }
    Err(StoreError::Busy)
}

/// A connection whose answer did not come, or came as a surprise, is not used again: nobody knows what is under way
/// on it.
fn settle<T>(client: Object, answer: Result<Result<T, StoreError>, Elapsed>) -> Result<T, StoreError> {
    let answer = answer.unwrap_or_else(|_| {
        Err(StoreError::Unavailable(format!("no answer within {} seconds", ANSWER.as_secs())))
    });
    if matches!(answer, Err(StoreError::Unavailable(_))) {
        drop(Object::take(client));
    }
    answer
}
