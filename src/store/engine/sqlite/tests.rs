//! `SQLite` by itself: the contract, and what can be wrong with a file.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;

use rusqlite::Connection;

use super::Sqlite;
use crate::store::engine::{Engine, Statement, contract};
use crate::store::{StoreError, params};

fn place() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("stagedoor.db");
    (dir, path)
}

fn refusal(path: &std::path::Path) -> StoreError {
    Sqlite::open(path).map(drop).unwrap_err()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_file_keeps_the_contract() {
    let (_dir, path) = place();
    contract::run(Arc::new(Sqlite::open(&path).unwrap())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn memory_keeps_the_contract() {
    contract::run(Arc::new(Sqlite::open(":memory:".as_ref()).unwrap())).await;
}

#[tokio::test]
async fn a_reopened_file_has_what_was_committed() {
    let (_dir, path) = place();
    let engine = Sqlite::open(&path).unwrap();
    let sql = "INSERT INTO revocations (kind, subject, ends_before, expires_at) VALUES ('session', $1, 0, 5)";
    let insert = Statement { sql, params: params!["s"], must_hit: true };
    engine.transaction(vec![insert]).await.unwrap().unwrap();
    drop(engine);
    assert!(!path.with_extension("db-wal").exists(), "closed cleanly");
    let engine = Sqlite::open(&path).unwrap();
    let rows =
        engine.read("SELECT expires_at FROM revocations WHERE subject = $1", params!["s"]).await.unwrap();
    assert_eq!(rows[0].int(0), Ok(5));
}

/// A pair of rows changes all the time; each copy has both or neither change.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_is_the_store_of_one_moment_whoever_writes_meanwhile() {
    let (dir, path) = place();
    let engine = Arc::new(Sqlite::open(&path).unwrap());
    let push = |sql, params| Statement { sql, params, must_hit: false };
    let insert = "INSERT INTO lockouts (address, failures, window_start, locked_until, locks, updated_at)
                  VALUES ($1, 0, 0, 0, 0, 0)";
    let rows = (0..2000).map(|n| push(insert, params![format!("person{n}@example.org")])).collect();
    engine.transaction(rows).await.unwrap().unwrap();
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let writer = tokio::spawn({
        let engine = Arc::clone(&engine);
        async move {
            let mut n = 0i64;
            while !*stopped.borrow() {
                n += 1;
                let change = "UPDATE lockouts SET failures = $2 WHERE address = $1";
                let pair = ["person0@example.org", "person1999@example.org"];
                let both = pair.map(|who| push(change, params![who, n]));
                engine.transaction(both.into()).await.unwrap().unwrap();
            }
            n
        }
    });
    let mut last = 0;
    for n in 0..5 {
        let to = dir.path().join(format!("copy{n}.db"));
        let (from, out) = (path.clone(), to.clone());
        let size = tokio::task::spawn_blocking(move || super::backup(&from, &out)).await.unwrap().unwrap();
        let meta = to.metadata().unwrap();
        assert_eq!((meta.len(), meta.permissions().mode() & 0o777), (size, 0o600));
        let copy = Connection::open(&to).unwrap();
        let pair = "SELECT min(failures), max(failures) FROM lockouts
                    WHERE address IN ('person0@example.org', 'person1999@example.org')";
        let (a, b): (i64, i64) = copy.query_row(pair, [], |r| Ok((r.get(0)?, r.get(1)?))).unwrap();
        assert!(a == b && a >= last, "{a} {b} after {last}");
        last = a;
        let whole: String = copy.query_row("PRAGMA integrity_check", [], |r| r.get(0)).unwrap();
        assert_eq!(whole, "ok");
        drop(copy);
        drop(Sqlite::open(&to).unwrap());
        assert!(matches!(super::backup(&path, &to), Err(StoreError::Open { .. })), "never over another file");
    }
    stop.send(true).unwrap();
    assert!(writer.await.unwrap() > 5);
    let left = std::fs::read_dir(dir.path())
        .unwrap()
        .filter(|f| f.as_ref().unwrap().path().extension().is_some_and(|e| e == "part"));
    assert_eq!(left.count(), 0);
}

#[tokio::test]
async fn foreign_keys_and_durability_are_on() {
    let (_dir, path) = place();
    let engine = Sqlite::open(&path).unwrap();
    let sql = "INSERT INTO account_roles (account_id, role) VALUES ('nobody', 'x')";
    let orphan = engine.transaction(vec![Statement { sql, params: vec![], must_hit: false }]).await;
    assert!(matches!(orphan, Err(StoreError::Constraint(_))), "{orphan:?}");
    let mode = engine.transaction(vec![
        Statement { sql: "SELECT * FROM pragma_synchronous", params: vec![], must_hit: true },
        Statement { sql: "SELECT * FROM pragma_journal_mode", params: vec![], must_hit: true },
    ]);
    let mode = mode.await.unwrap().unwrap();
    assert_eq!((mode[0][0].int(0), mode[1][0].text(0)), (Ok(2), Ok("wal")));
}

#[test]
fn a_new_file_is_for_its_owner_only() {
    let (_dir, path) = place();
    let _engine = Sqlite::open(&path).unwrap();
    for name in ["db", "db-wal", "db.lock"] {
        let mode = path.with_extension(name).metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
}

#[test]
fn nodes_that_start_at_once_migrate_once() {
    let (_dir, path) = place();
    let starts: Vec<_> = (0..8)
        .map(|_| {
            let path = path.clone();
            std::thread::spawn(move || Sqlite::open(&path).map(drop))
        })
        .collect();
    for start in starts {
        start.join().unwrap().unwrap();
    }
    let applied: i64 = Connection::open(&path)
        .unwrap()
        .query_row("SELECT count(*) FROM refinery_schema_history", [], |r| r.get(0))
        .unwrap();
    assert_eq!(applied, crate::store::migrate::latest());
}

#[test]
fn a_damaged_file_is_refused_and_left_alone() {
    let (_dir, path) = place();
    let garbage = b"this is no database, and it is longer than the header of one would be. ".repeat(40);
    std::fs::write(&path, &garbage).unwrap();
    let e = refusal(&path);
    assert!(matches!(&e, StoreError::Corrupt(why) if why.contains("stagedoor.db")), "{e}");
    assert!(e.to_string().contains("restore a backup"));
    assert_eq!(std::fs::read(&path).unwrap(), garbage);
}

#[test]
fn a_newer_schema_is_refused() {
    let (_dir, path) = place();
    drop(Sqlite::open(&path).unwrap());
    let sql = "INSERT INTO refinery_schema_history (version, name, applied_on, checksum)
               VALUES (9999, 'later', '2030-01-01T00:00:00Z', '1')";
    Connection::open(&path).unwrap().execute(sql, []).unwrap();
    let known = crate::store::migrate::latest();
    assert_eq!(refusal(&path), StoreError::NewerSchema { found: 9999, known });
}

/// The third migration meets a table of its name, as after a step that was done by hand.
#[test]
fn case_5_37_a_migration_that_fails_leaves_nothing_behind_and_can_be_run_again() {
    let (_dir, path) = place();
    let mut db = Connection::open(&path).unwrap();
    let second = refinery::Target::Version(2);
    crate::store::migrate::runner().unwrap().set_target(second).run(&mut db).unwrap();
    db.execute_batch("CREATE TABLE job_runs (odd TEXT)").unwrap();
    let schema = |db: &Connection| -> Vec<String> {
        let mut all =
            db.prepare("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY name").unwrap();
        all.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    };
    let before = schema(&db);
    assert!(matches!(refusal(&path), StoreError::Migration(_)));
    assert_eq!(schema(&db), before);
    db.execute_batch("DROP TABLE job_runs").unwrap();
    drop(db);
    let to = crate::store::migrate::latest();
    assert_eq!(Sqlite::migrate(&path), Ok(crate::store::Migrated { from: 2, to }));
}

#[test]
fn another_programs_file_is_refused() {
    let (_dir, path) = place();
    Connection::open(&path).unwrap().execute_batch("CREATE TABLE bookmarks (url TEXT)").unwrap();
    let e = refusal(&path).to_string();
    assert!(e.contains("another program") && e.contains("stagedoor.db"), "{e}");
}

#[test]
fn paths_that_cannot_be_written_say_what_to_do() {
    let (dir, _) = place();
    let missing = refusal(&dir.path().join("no/such/folder.db")).to_string();
    assert!(missing.contains("make the folder"), "{missing}");
    let folder = refusal(dir.path()).to_string();
    assert!(folder.contains("check that it is a file"), "{folder}");
    let forbidden = refusal("/proc/stagedoor.db".as_ref()).to_string();
    assert!(forbidden.contains("/proc/stagedoor.db") && forbidden.contains("path"), "{forbidden}");
}

fn changes(sql: &'static str) -> Vec<Statement> {
    vec![Statement { sql, params: vec![], must_hit: false }]
}

#[tokio::test]
async fn what_a_lost_log_must_not_take_is_in_the_file_itself() {
    let (_dir, path) = place();
    let engine = Sqlite::open(&path).unwrap();
    let log = || path.with_extension("db-wal").metadata().map_or(0, |m| m.len());
    let change = async |sql| engine.transaction(changes(sql)).await.unwrap().unwrap();
    assert_eq!(log(), 0, "the schema");
    change("INSERT INTO bootstrap (name, nonce, created_at) VALUES ('first-admin', x'00', 0)").await;
    assert_eq!(log(), 0, "what comes before anybody");
    change(
        "INSERT INTO accounts (id, email, name, password_hash, created_at, password_changed_at)
         VALUES ('a', 'a@example.org', 'A', 'x', 0, 0)",
    )
    .await;
    assert_eq!(log(), 0, "the first account");
    change("UPDATE accounts SET name = 'B'").await;
    assert!(log() > 0, "then as always");
    change("UPDATE bootstrap SET used_at = 1").await;
    assert_eq!(log(), 0, "that the link was used");
    change("UPDATE accounts SET name = 'C'").await;
    assert!(log() > 0, "then as always");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn who_stands_in_line_for_a_lock_waits_for_it_once() {
    let (_dir, path) = place();
    let engine = Arc::new(Sqlite::open(&path).unwrap());
    let other = Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let all: Vec<_> = (0..20)
        .map(|_| {
            let engine = Arc::clone(&engine);
            tokio::spawn(async move { engine.transaction(changes("DELETE FROM lockouts")).await })
        })
        .collect();
    // Once for each of them would be more than a minute and a half.
    let half_a_minute = std::time::Duration::from_secs(30);
    for one in all {
        let done = tokio::time::timeout(half_a_minute, one).await.expect("together").unwrap();
        assert_eq!(done, Err(StoreError::Busy));
    }
    other.execute_batch("COMMIT").unwrap();
    engine.transaction(changes("DELETE FROM lockouts")).await.unwrap().unwrap();
}
