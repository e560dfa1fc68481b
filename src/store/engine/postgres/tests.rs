//! PostgreSQL by itself: the contract, and what can be wrong with a server.

use std::sync::Arc;

use super::Postgres;
use super::scratch::{Schema, Scratch, run, server, settings};
use crate::model::Timestamp;
use crate::store::engine::{Engine as _, Statement, contract};
use crate::store::settings::Migrated;
use crate::store::{Store, StoreError, migrate, params};

fn refusal(url: &str) -> StoreError {
    Postgres::open(&settings(url)).map(drop).unwrap_err()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_server_keeps_the_contract() {
    contract::run(Arc::new(Scratch::open())).await;
}

#[test]
fn a_migration_says_what_it_did() {
    let schema = Schema::new();
    let known = migrate::latest();
    let migrate = || Postgres::migrate(&settings(&schema.url())).unwrap();
    assert_eq!(migrate(), Migrated { from: 0, to: known });
    assert_eq!(migrate(), Migrated { from: known, to: known });
}

#[test]
fn nodes_that_start_at_once_migrate_once() {
    let schema = Schema::new();
    let starts: Vec<_> = (0..8)
        .map(|_| {
            let url = schema.url();
            std::thread::spawn(move || Postgres::migrate(&settings(&url)))
        })
        .collect();
    let all: Vec<_> = starts.into_iter().map(|start| start.join().unwrap().unwrap()).collect();
    assert_eq!(all.iter().filter(|m| m.from == 0).count(), 1, "{all:?}");
}

/// The third migration meets a table of its name, as after a step that was done by hand.
#[test]
fn case_5_37_a_migration_that_fails_leaves_nothing_behind_and_can_be_run_again() {
    let schema = Schema::new();
    let url = schema.url();
    let to_the_second = async {
        let (mut client, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls).await.unwrap();
        let connection = tokio::spawn(connection);
        let second = refinery::Target::Version(2);
        migrate::runner().unwrap().set_target(second).run_async(&mut client).await.unwrap();
        drop(client);
        connection.await.unwrap().unwrap();
    };
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(to_the_second);
    run(&url, "CREATE TABLE job_runs (odd TEXT)").unwrap();
    for _ in 0..2 {
        assert!(matches!(refusal(&url), StoreError::Migration(_)));
    }
    run(&url, "DROP TABLE job_runs").unwrap();
    let to = migrate::latest();
    assert_eq!(Postgres::migrate(&settings(&url)), Ok(Migrated { from: 2, to }));
}

#[test]
fn a_newer_schema_is_refused() {
    let schema = Schema::new();
    Postgres::migrate(&settings(&schema.url())).unwrap();
    let sql = "INSERT INTO refinery_schema_history (version, name, applied_on, checksum)
               VALUES (9999, 'later', '2030-01-01T00:00:00Z', '1')";
    run(&schema.url(), sql).unwrap();
    let known = migrate::latest();
    assert_eq!(refusal(&schema.url()), StoreError::NewerSchema { found: 9999, known });
}

#[test]
fn a_database_that_sorts_like_a_dictionary_is_refused() {
    let name = format!("dictionary{}", std::process::id());
    let made = format!(
        "CREATE DATABASE {name} TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'en' ENCODING 'UTF8'"
    );
    run(&server(), &made).unwrap();
    let e = refusal(&server().replacen("/postgres?", &format!("/{name}?"), 1)).to_string();
    run(&server(), &format!("DROP DATABASE {name} WITH (FORCE)")).unwrap();
    assert!(e.contains(&format!("CREATE DATABASE {name} ENCODING 'UTF8' LC_COLLATE 'C'")), "{e}");
}

#[test]
fn a_server_that_does_not_let_us_in_is_named_without_the_password() {
    let urls = [
        "postgres://me:hunter2@127.0.0.1:1/x?sslmode=disable",
        "postgres://me:hunter2@127.0.0.1:1/x",
        "postgres://me:hun?ter2@127.0.0.1/x",
        "postgres://me:hunter2@127.0.0.1/x?sslmode=sometimes",
    ];
    for url in urls {
        let e = refusal(url).to_string();
        assert!(e.starts_with("cannot use the store: ") && !e.contains("ter2"), "{e}");
    }
}

#[tokio::test]
async fn failures_do_not_repeat_values() {
    let engine = Scratch::open();
    let insert = |key: &str| Statement {
        sql: "INSERT INTO signing_keys (kid, algorithm, sealed_private, created_at, follows) VALUES ($1, '', '', 0, '')",
        params: params![key],
        must_hit: false,
    };
    engine.transaction(vec![insert("canary-1")]).await.unwrap();
    let twice = engine.transaction(vec![insert("canary-2")]).await.unwrap_err();
    assert!(matches!(&twice, StoreError::Constraint(why) if !why.contains("canary")), "{twice}");
    let cast = engine.read("SELECT CAST(CAST($1 AS TEXT) AS BIGINT)", params!["canary"]).await.unwrap_err();
    assert!(matches!(&cast, StoreError::Statement(why) if !why.contains("canary")), "{cast}");
    let kind = engine.read("SELECT kid FROM signing_keys WHERE created_at = $1", params!["canary"]).await;
    assert!(matches!(&kind, Err(StoreError::Statement(why)) if !why.contains("canary")), "{kind:?}");
}

#[tokio::test]
async fn a_statement_that_takes_too_long_is_ended_and_the_connection_lives_on() {
    let engine = Scratch::open();
    assert_eq!(engine.read("SELECT 1 FROM pg_sleep(30)", vec![]).await, Err(StoreError::Busy));
    let sleep = Statement { sql: "SELECT 1 FROM pg_sleep(30)", params: vec![], must_hit: false };
    assert_eq!(engine.transaction(vec![sleep]).await, Err(StoreError::Busy));
    assert_eq!(engine.read("SELECT 1", vec![]).await.unwrap()[0].int(0), Ok(1));
}

/// Every connection is held by a query that takes its time; far more come than may wait.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_5_8_the_line_before_the_pool_is_bounded_and_the_watch_has_a_connection_of_its_own() {
    let engine = Arc::new(Scratch::open());
    let ask = |sql: &'static str| {
        let engine = Arc::clone(&engine);
        tokio::spawn(async move { engine.read(sql, vec![]).await })
    };
    let readers = 8;
    let held: Vec<_> = (0..readers).map(|_| ask("SELECT 1 FROM pg_sleep(0.9)")).collect();
    while engine.connections().unwrap().busy < readers {
        tokio::task::yield_now().await;
    }
    let many: Vec<_> = (0..600).map(|_| ask("SELECT 1")).collect();
    while engine.connections().unwrap().waiting < 512 {
        tokio::task::yield_now().await;
    }
    engine.ping().await.unwrap();
    let seen = engine.connections().unwrap();
    assert_eq!(seen.most, 16);
    assert!(seen.busy >= readers, "the long queries still run: {seen:?}");

    let mut busy = 0;
    for one in many {
        match one.await.unwrap() {
            Ok(rows) => assert_eq!(rows[0].int(0), Ok(1)),
            Err(e) => {
                assert_eq!(e, StoreError::Busy);
                busy += 1;
            }
        }
    }
    assert!((600 - 512..600).contains(&busy), "those that found a place are served: {busy} were not");
    for one in held {
        assert!(one.await.unwrap().is_ok());
    }
    assert_eq!(engine.connections().unwrap().waiting, 0);
}

/// Somebody holds a table that every reader needs, until no connection for reading is left.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_5_8_what_must_not_wait_is_answered_while_a_lock_holds_every_reader() {
    let engine = Arc::new(Scratch::open());
    let lock = ["LOCK TABLE accounts IN ACCESS EXCLUSIVE MODE", "SELECT 1 FROM pg_sleep(1.9)"];
    let lock = lock.map(|sql| Statement { sql, params: vec![], must_hit: false });
    let holder = tokio::spawn({
        let engine = Arc::clone(&engine);
        async move { engine.transaction(lock.into()).await }
    });
    let locked = "SELECT count(*) FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND granted
                  AND relation = 'accounts'::regclass";
    while engine.watch(locked, vec![]).await.unwrap()[0].int(0) != Ok(1) {}
    let readers = (0..8).map(|_| {
        let engine = Arc::clone(&engine);
        tokio::spawn(async move { engine.read("SELECT count(*) FROM accounts", vec![]).await })
    });
    let readers: Vec<_> = readers.collect();
    while engine.connections().unwrap().busy < 9 {
        tokio::task::yield_now().await;
    }
    let free = "SELECT count(*) FROM revocations";
    assert_eq!(engine.read(free, vec![]).await, Err(StoreError::Busy), "no reader is left");
    let store = Store::over(engine.clone());
    assert_eq!(store.revocation_pages(Timestamp::default()).next().await, Ok(None));
    assert!(
        !holder.is_finished() && readers.iter().all(|one| !one.is_finished()),
        "all of that under the lock"
    );
    holder.await.unwrap().unwrap();
    for one in readers {
        one.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn case_5_8_a_role_that_may_not_connect_any_more_is_busy_and_recovers() {
    let name = format!("narrow{}", std::process::id());
    run(&server(), &format!("CREATE ROLE {name} LOGIN CONNECTION LIMIT 0")).unwrap();
    let schema = Schema::new();
    run(&server(), &format!("GRANT ALL ON SCHEMA {} TO {name}", schema.name())).unwrap();
    let url = schema.url().replacen("stagedoor@", &format!("{name}@"), 1);
    let refused = refusal(&url).to_string();
    run(&server(), &format!("ALTER ROLE {name} CONNECTION LIMIT 1")).unwrap();
    let narrow = Postgres::open(&settings(&url)).unwrap();
    // The connection of the migration may still be on its way out.
    while narrow.read("SELECT 1", vec![]).await.is_err() {}
    let full = narrow.ping().await;
    run(&server(), &format!("ALTER ROLE {name} CONNECTION LIMIT -1")).unwrap();
    let after = (narrow.read("SELECT 1", vec![]).await, narrow.ping().await);
    drop(narrow);
    run(&server(), &format!("DROP OWNED BY {name} CASCADE")).unwrap();
    assert!(refused.contains("too many connections"), "{refused}");
    assert_eq!(full, Err(StoreError::Busy));
    assert!(after.0.is_ok() && after.1.is_ok(), "{after:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_has_begun_is_finished_when_the_caller_goes_away() {
    let engine = Arc::new(Scratch::open());
    let insert = |subject: &str| Statement {
        sql: "INSERT INTO revocations (kind, subject, ends_before, expires_at) VALUES ('session', $1, 0, 5)",
        params: params![subject],
        must_hit: true,
    };
    let pause = Statement { sql: "SELECT 1 FROM pg_sleep(1.5)", params: vec![], must_hit: true };
    let work = vec![insert("a"), pause, insert("b")];
    let caller = tokio::spawn({
        let engine = Arc::clone(&engine);
        async move { engine.transaction(work).await }
    });
    let sql = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(1.5)%' AND state = 'active'
               AND pid <> pg_backend_pid()";
    while engine.read(sql, vec![]).await.unwrap()[0].int(0) != Ok(1) {}
    caller.abort();
    loop {
        let found = engine.read("SELECT count(*) FROM revocations", vec![]).await.unwrap()[0].int(0).unwrap();
        assert!(found == 0 || found == 2, "half a transaction");
        if found == 2 {
            break;
        }
    }
}

#[tokio::test]
async fn a_broken_connection_is_replaced() {
    let engine = Scratch::open();
    let own = Statement { sql: "SELECT CAST(pg_backend_pid() AS BIGINT)", params: vec![], must_hit: true };
    for _ in 0..3 {
        let rows = engine.transaction(vec![own.clone()]).await.unwrap().unwrap();
        let pid = rows[0][0].int(0).unwrap();
        run(&server(), &format!("SELECT pg_terminate_backend({pid})")).unwrap();
        let after = loop {
            match engine.transaction(vec![own.clone()]).await {
                Ok(rows) => break rows.unwrap()[0][0].int(0).unwrap(),
                Err(e) => assert!(matches!(e, StoreError::Unavailable(_)), "{e}"),
            }
        };
        assert_ne!(after, pid);
    }
}
