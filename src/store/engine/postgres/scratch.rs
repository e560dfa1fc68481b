//! Databases for tests: each a schema of its own on the server that `STAGEDOOR_TEST_POSTGRES` names, gone at the end.

use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;

use super::Postgres;
use crate::model::Secret;
use crate::store::engine::{Connections, Engine, Statement};
use crate::store::settings::PostgresSettings;
use crate::store::{Row, StoreError, Value};

/// The server; `scripts/test` starts one.
pub(super) fn server() -> String {
    std::env::var("STAGEDOOR_TEST_POSTGRES").expect(
        "STAGEDOOR_TEST_POSTGRES names no server; `scripts/test` starts one, or name one on which databases may be made",
    )
}

/// How to reach what `url` names.
pub(super) fn settings(url: &str) -> PostgresSettings {
    PostgresSettings { url: Secret::new(url), ca: None, connections: 16 }
}

/// Runs statements as the server's owner, on a connection of their own.
pub(super) fn run(url: &str, sql: &str) -> Result<(), tokio_postgres::Error> {
    let (url, sql) = (url.to_owned(), sql.to_owned());
    // A thread, because the caller may be on a runtime.
    let work = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (client, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls).await?;
            let connection = tokio::spawn(connection);
            client.batch_execute(&sql).await?;
            drop(client);
            connection.await.unwrap()
        })
    });
    work.join().unwrap()
}

/// A schema that no other test uses.
pub(super) struct Schema {
    name: String,
}

impl Schema {
    pub(super) fn new() -> Self {
        static MADE: AtomicU32 = AtomicU32::new(0);
        let name = format!("t{}_{}", std::process::id(), MADE.fetch_add(1, Ordering::Relaxed));
        run(&server(), &format!("DROP SCHEMA IF EXISTS {name} CASCADE; CREATE SCHEMA {name}")).unwrap();
        Self { name }
    }

    /// Its name.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The server with this schema as the place where tables are looked for.
    pub(super) fn url(&self) -> String {
        let server = server();
        let and = if server.contains('?') { '&' } else { '?' };
        format!("{server}{and}options=-csearch_path%3D{}", self.name)
    }
}

impl Drop for Schema {
    fn drop(&mut self) {
        // The server may be gone already, and the schema with it.
        let _ = run(&server(), &format!("DROP SCHEMA IF EXISTS {} CASCADE", self.name));
    }
}

/// An engine over such a schema. The fields are dropped in this order.
pub(in super::super) struct Scratch {
    engine: Postgres,
    _schema: Schema,
}

impl Scratch {
    pub(in super::super) fn open() -> Self {
        let schema = Schema::new();
        let engine = Postgres::open(&settings(&schema.url())).unwrap();
        Self { engine, _schema: schema }
    }
}

#[async_trait]
impl Engine for Scratch {
    async fn read(&self, sql: &'static str, params: Vec<Value>) -> Result<Vec<Row>, StoreError> {
        self.engine.read(sql, params).await
    }

    async fn transaction(&self, statements: Vec<Statement>) -> Result<Option<Vec<Vec<Row>>>, StoreError> {
        self.engine.transaction(statements).await
    }

    async fn watch(&self, sql: &'static str, params: Vec<Value>) -> Result<Vec<Row>, StoreError> {
        self.engine.watch(sql, params).await
    }

    fn connections(&self) -> Option<Connections> {
        self.engine.connections()
    }
}
