//! An empty database that is filled in one transaction.
//!
//! `COPY … FROM STDIN` in its binary form: one message stream for each table, no statement and no answer for each row,
//! and values in the form in which parameters go too. A hundred thousand people take seconds.

use std::pin::pin;
use std::sync::Arc;

use deadpool_postgres::{ClientWrapper, Object};
use tokio::sync::mpsc;
use tokio_postgres::Error;
use tokio_postgres::binary_copy::BinaryCopyInWriter;
use tokio_postgres::types::private::BytesMut;
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};

use super::{Postgres, run, stopped};
use crate::store::settings::PostgresSettings;
use crate::store::{Row, StoreError, Value};

/// Batches on the way.
const AHEAD: usize = 4;

/// A database whose tables belong to one transaction of ours. Without [`Target::commit`] nothing has happened.
pub struct Target {
    // Before the engine: its runtime says good-bye to the server.
    client: Arc<ClientWrapper>,
    engine: Postgres,
}

impl Target {
    /// Connects, brings the schema up to date and locks `tables`. Blocks.
    ///
    /// # Errors
    /// As [`Postgres::open`].
    pub fn open(settings: &PostgresSettings, tables: &[&str]) -> Result<Self, StoreError> {
        let engine = Postgres::open(settings)?;
        let pool = engine.inner.write.pool().clone();
        // Time limits are for those who share the server with others at work. The lock keeps a gateway out that is
        // started too early.
        let begin = format!(
            "SET statement_timeout = 0; SET idle_in_transaction_session_timeout = 0; BEGIN; \
             SET LOCAL lock_timeout = '5s'; LOCK TABLE {} IN ACCESS EXCLUSIVE MODE; SET LOCAL lock_timeout = 0",
            tables.join(", ")
        );
        let client = engine.wait(async move {
            let client = pool.get().await.map_err(|e| StoreError::Unavailable(e.to_string()))?;
            let client = Object::take(client);
            client.batch_execute(&begin).await.map_err(|e| run::translate(&e))?;
            Ok(client)
        })?;
        Ok(Self { client: Arc::new(client), engine })
    }

    /// How many rows a table has.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn count(&self, table: &str) -> Result<u64, StoreError> {
        let sql = format!("SELECT count(*) FROM {table}");
        let count: i64 = self.ask(async move |client| Ok(client.query_one(&sql, &[]).await?.get(0)))?;
        u64::try_from(count).map_err(|_| StoreError::Shape("a negative count".to_owned()))
    }

    /// Begins to fill a table.
    ///
    /// # Errors
    /// [`StoreError`] when the table is not as expected.
    pub fn fill(&self, table: &str, columns: &[String]) -> Result<Filling, StoreError> {
        let columns = columns.iter().map(|c| format!("\"{c}\"")).collect::<Vec<_>>().join(", ");
        let types = format!("SELECT {columns} FROM {table} LIMIT 0");
        let types: Vec<Type> = self.ask(async move |client| {
            let statement = client.prepare(&types).await?;
            Ok(statement.columns().iter().map(|c| c.type_().clone()).collect())
        })?;
        let sql = format!("COPY {table} ({columns}) FROM STDIN (FORMAT binary)");
        let (send, batches) = mpsc::channel(AHEAD);
        let (answer, done) = std::sync::mpsc::channel();
        let client = Arc::clone(&self.client);
        self.engine.runtime()?.spawn(async move {
            drop(answer.send(take(&client, &sql, &types, batches).await.map_err(|e| run::translate(&e))));
        });
        Ok(Filling { send, done })
    }

    /// Makes it so, and lets the server look at what it has.
    ///
    /// # Errors
    /// [`StoreError`]; whether it took place is not known then.
    pub fn commit(self) -> Result<(), StoreError> {
        self.ask(async move |client| client.batch_execute("COMMIT").await)?;
        // Only plans depend on it, and the server would do it by itself in a minute.
        let _ = self.ask(async move |client| client.batch_execute("ANALYZE").await);
        Ok(())
    }

    fn ask<T, W>(&self, work: impl FnOnce(Arc<ClientWrapper>) -> W) -> Result<T, StoreError>
    where
        T: Send + 'static,
        W: Future<Output = Result<T, Error>> + Send + 'static,
    {
        let work = work(Arc::clone(&self.client));
        self.engine.wait(async move { work.await.map_err(|e| run::translate(&e)) })
    }
}

/// A table that is being filled.
pub struct Filling {
    // `None` is the end; a line that breaks off is none.
    send: mpsc::Sender<Option<Vec<Row>>>,
    done: std::sync::mpsc::Receiver<Result<u64, StoreError>>,
}

impl Filling {
    /// Hands rows over; waits while enough are on the way. Blocks.
    ///
    /// # Errors
    /// When the server takes no more; [`Filling::finish`] knows why.
    pub fn push(&self, rows: Vec<Row>) -> Result<(), StoreError> {
        self.send.blocking_send(Some(rows)).map_err(|_| stopped())
    }

    /// How many rows the server took. Without `whole` it forgets them. Blocks.
    ///
    /// # Errors
    /// [`StoreError`] with what the server said.
    pub fn finish(self, whole: bool) -> Result<u64, StoreError> {
        if whole {
            // Nobody listens when the server has refused already; the reason comes below.
            let _ = self.send.blocking_send(None);
        }
        let Self { send, done } = self;
        drop(send);
        done.recv().map_err(|_| stopped())?
    }
}

async fn take(
    client: &ClientWrapper,
    sql: &str,
    types: &[Type],
    mut batches: mpsc::Receiver<Option<Vec<Row>>>,
) -> Result<u64, Error> {
    let mut writer = pin!(BinaryCopyInWriter::new(client.copy_in(sql).await?, types));
    while let Some(batch) = batches.recv().await {
        let Some(rows) = batch else { return writer.finish().await };
        for row in &rows {
            let cells: Vec<_> = row.values().iter().map(Cell).collect();
            writer.as_mut().write_raw(cells).await?;
        }
    }
    // Dropped without an end: the server forgets the rows.
    Ok(0)
}

/// A value as SQLite has it: truth is a number there.
#[derive(Debug)]
struct Cell<'a>(&'a Value);

impl ToSql for Cell<'_> {
    fn to_sql(
        &self,
        kind: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        match self.0 {
            Value::Int(n) if *kind == Type::BOOL => (*n != 0).to_sql(kind, out),
            value => value.to_sql(kind, out),
        }
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}
