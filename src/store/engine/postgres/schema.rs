//! The schema of a database, brought up to date by one node while the others wait.

use deadpool_postgres::{Object, Pool};
use tokio_postgres::{Client, Error};

use super::run::describe;
use crate::store::settings::Migrated;
use crate::store::{StoreError, migrate};

/// One migration at a time in the whole database; any number that nobody else uses.
const MIGRATION_LOCK: i64 = 0x5374_6167_6564;

/// Runs the migrations that are missing; other nodes wait meanwhile.
pub(super) async fn bring_up_to_date(pool: &Pool) -> Result<Migrated, StoreError> {
    let client = pool.get().await.map_err(|e| match e {
        deadpool_postgres::PoolError::Backend(e) => unusable(&describe(&e)),
        other => unusable(&other.to_string()),
    })?;
    // Its time limit goes and its lock must go: this connection is not used again.
    let mut client = Object::take(client);
    let client: &mut Client = &mut client;
    order(client).await?;
    // A migration of a large table may take its time.
    client.batch_execute("SET statement_timeout = 0").await.map_err(|e| failed(&e))?;
    client.execute("SELECT pg_advisory_lock($1)", &[&MIGRATION_LOCK]).await.map_err(|e| failed(&e))?;
    let from = version(client).await?;
    let known = migrate::latest();
    if from > known {
        return Err(StoreError::NewerSchema { found: from, known });
    }
    let done = migrate::runner()?.run_async(client).await;
    done.map_err(|e| StoreError::Migration(e.to_string()))?;
    Ok(Migrated { from, to: version(client).await? })
}

/// Searches and pages compare texts byte by byte, as the addresses and keys were made; a language's order would lose
/// some of them.
async fn order(client: &Client) -> Result<(), StoreError> {
    let sql = "SELECT getdatabaseencoding() = 'UTF8', 'B' < 'a' AND 'a#z' < 'a$a' AND 'z' < 'ä', current_database()";
    let row = client.query_one(sql, &[]).await.map_err(|e| failed(&e))?;
    let (utf8, bytes, name): (bool, bool, String) = (row.get(0), row.get(1), row.get(2));
    if utf8 && bytes {
        return Ok(());
    }
    Err(StoreError::Server(format!(
        "the database \"{name}\" does not sort texts by their bytes in UTF-8; make it with CREATE DATABASE {name} \
         ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0"
    )))
}

async fn version(client: &Client) -> Result<i64, StoreError> {
    let known = "SELECT to_regclass('refinery_schema_history') IS NOT NULL";
    if !client.query_one(known, &[]).await.map_err(|e| failed(&e))?.get::<_, bool>(0) {
        return Ok(0);
    }
    let newest = "SELECT COALESCE(max(version), 0)::bigint FROM refinery_schema_history";
    Ok(client.query_one(newest, &[]).await.map_err(|e| failed(&e))?.get(0))
}

fn failed(e: &Error) -> StoreError {
    StoreError::Migration(describe(e))
}

fn unusable(why: &str) -> StoreError {
    StoreError::Server(format!("the server does not let us in: {why}; check `store.url` and that it runs"))
}
