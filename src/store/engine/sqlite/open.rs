//! Opening a file with care: made for its owner only, checked to be ours, migrated under a lock.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::run::translate;
use super::settle::settle;
use crate::store::StoreError;
use crate::store::migrate;
use crate::store::settings::Migrated;

/// How long a statement waits for another process's write lock.
const BUSY: Duration = Duration::from_secs(5);
/// What a connection keeps of the file, in KiB, once it has read that much: the upper levels of every index among a
/// million people. SQLite's own 2 MiB lose them to the rows that pass by.
const PAGES_KIB: i64 = 16 * 1024;
/// Ends of the names of side files: ours, and SQLite's.
const LOCK: &str = ".lock";
const LOG: &str = "-wal";
/// What the lock says once a store was made.
const USED: &[u8] =
    b"There is a Stagedoor store beside this file. Without it no empty one is made in its place.\n";
/// How many prepared statements a connection keeps; more than the house has.
const STATEMENTS: usize = 256;

/// The connection that writes, its schema up to date, and what was done to that.
pub(super) fn file(path: &Path) -> Result<(Connection, Migrated), StoreError> {
    was_never_used(path)?;
    make_private(path)?;
    // Held until the schema stands: a second process that starts at the same time waits here.
    let lock = lock(path)?;
    let mut connection = connect(path)?;
    leave_log(&connection, true).map_err(|e| placed(path, e))?;
    tune(&connection).map_err(|e| placed(path, translate(e)))?;
    is_whole(&connection).map_err(|e| placed(path, e))?;
    let migrated = bring_up_to_date(path, &mut connection, was_used(&lock)).map_err(|e| placed(path, e))?;
    leave_log(&connection, false).map_err(|e| placed(path, e))?;
    remember(&lock)
        .map_err(|e| refused(path, format!("cannot write {}: {e}", beside(path, LOCK).display())))?;
    Ok((connection, migrated))
}

/// Whether a connection that closes last leaves the log of changes as it is: whoever refuses a store may need it to mend
/// the store.
fn leave_log(connection: &Connection, leave: bool) -> Result<(), StoreError> {
    let option = DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE;
    connection.set_db_config(option, leave).map(drop).map_err(translate)
}

/// Refuses a store that was here and is gone: an empty one in its place would let nobody in, and hide the loss.
fn was_never_used(path: &Path) -> Result<(), StoreError> {
    let has_bytes = |path: &Path| path.metadata().is_ok_and(|m| m.len() > 0);
    if has_bytes(path) || path.is_dir() {
        return Ok(());
    }
    let witness = [LOCK, LOG].map(|end| beside(path, end)).into_iter().find(|side| has_bytes(side));
    let Some(witness) = witness else { return Ok(()) };
    let why = format!(
        "the file is gone or empty, and {} says that there was a store; restore a backup, or remove that file to \
         begin with an empty store",
        witness.display()
    );
    Err(refused(path, why))
}

/// Lets the lock say from now on that there is a store.
fn remember(mut lock: &File) -> std::io::Result<()> {
    if was_used(lock) { Ok(()) } else { lock.write_all(USED) }
}

/// Whether it says so.
fn was_used(lock: &File) -> bool {
    lock.metadata().is_ok_and(|m| m.len() > 0)
}

fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    PathBuf::from(name)
}

/// A connection that cannot change anything.
pub(super) fn reader(path: &Path) -> Result<Connection, StoreError> {
    let connection = connect(path)?;
    tune(&connection)
        .and_then(|()| connection.pragma_update(None, "query_only", true))
        .map_err(|e| placed(path, translate(e)))?;
    Ok(connection)
}

/// A connection that reads a file somebody else may be using, whatever its schema; it changes nothing there.
pub(super) fn for_copies(path: &Path) -> Result<Connection, StoreError> {
    let connection = connect(path)?;
    connection.busy_timeout(BUSY).map_err(|e| placed(path, translate(e)))?;
    Ok(connection)
}

/// An empty database of its own.
pub(super) fn memory() -> Result<(Connection, Migrated), StoreError> {
    let mut connection = Connection::open_in_memory().map_err(translate)?;
    tune(&connection).map_err(translate)?;
    let migrated = bring_up_to_date(Path::new(":memory:"), &mut connection, false)?;
    Ok((connection, migrated))
}

/// Makes a missing file readable for its owner only; `SQLite` gives its side files the same mode.
fn make_private(path: &Path) -> Result<(), StoreError> {
    // An existing file is left alone: closing a second handle would drop the locks of the first (POSIX).
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(_) => Ok(()),
        Err(e) if e.kind() == ErrorKind::AlreadyExists => Ok(()),
        Err(e) if e.kind() == ErrorKind::NotFound => {
            Err(refused(path, format!("{e}; make the folder it is to lie in, or name another path")))
        }
        Err(e) => Err(refused(path, format!("{e}; let this user write there, or name another path"))),
    }
}

fn lock(path: &Path) -> Result<File, StoreError> {
    let name = beside(path, LOCK);
    let open = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&name);
    let file = open.map_err(|e| {
        refused(path, format!("cannot lock {}: {e}; let this user write beside it", name.display()))
    })?;
    file.lock().map_err(|e| refused(path, format!("cannot lock {}: {e}", name.display())))?;
    Ok(file)
}

fn connect(path: &Path) -> Result<Connection, StoreError> {
    // No CREATE: the file is there by now. No URI: a path is a path.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    Connection::open_with_flags(path, flags).map_err(|e| placed(path, translate(e)))
}

fn tune(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(BUSY)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    connection.pragma_update(None, "cache_size", -PAGES_KIB)?;
    // FULL: what was promised to a person survives a power cut; measured at 0.1 ms for each change.
    connection.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;
         PRAGMA trusted_schema = OFF; PRAGMA temp_store = MEMORY; PRAGMA journal_size_limit = 67108864;",
    )
}

/// Reads every page: a start by itself reads few of them, and would meet damage only when somebody asks for a row there.
fn is_whole(connection: &Connection) -> Result<(), StoreError> {
    let said: String =
        connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0)).map_err(translate)?;
    // Before what it found stands a line with the name of the database, which is always the same.
    match said.lines().last() {
        Some("ok") => Ok(()),
        found => Err(StoreError::Corrupt(found.unwrap_or_default().to_owned())),
    }
}

/// Whether it holds a store of ours, of whatever age.
pub(super) fn is_ours(connection: &Connection) -> rusqlite::Result<bool> {
    let sql = "SELECT EXISTS (SELECT 1 FROM sqlite_master WHERE name = 'refinery_schema_history')";
    connection.query_row(sql, [], |row| row.get(0))
}

fn bring_up_to_date(path: &Path, connection: &mut Connection, used: bool) -> Result<Migrated, StoreError> {
    let mut from = 0;
    let tables = "SELECT count(*), coalesce(sum(name = 'refinery_schema_history'), 0) FROM sqlite_master";
    let (all, ours): (i64, i64) =
        connection.query_row(tables, [], |r| Ok((r.get(0)?, r.get(1)?))).map_err(translate)?;
    if ours > 0 {
        let newest = "SELECT coalesce(max(version), 0) FROM refinery_schema_history";
        from = connection.query_row(newest, [], |r| r.get(0)).map_err(translate)?;
        if from > migrate::latest() {
            return Err(StoreError::NewerSchema { found: from, known: migrate::latest() });
        }
    } else if all > 0 {
        return Err(refused(path, "it belongs to another program; name another path".to_owned()));
    } else if used {
        return Err(lost_log(path));
    }
    migrate::runner()?.run(connection).map_err(|e| StoreError::Migration(e.to_string()))?;
    let migrated = Migrated { from, to: migrate::latest() };
    if migrated.from != migrated.to {
        settle(connection).map_err(translate)?;
    }
    Ok(migrated)
}

/// A store whose file holds nothing: all of it was in the log.
fn lost_log(path: &Path) -> StoreError {
    let (log, lock) = (beside(path, LOG), beside(path, LOCK));
    let why = format!(
        "the file holds nothing, and {} says that there was a store: {}, which held the rest, is gone or damaged; put it \
         back, or restore a backup, or remove {} to begin with an empty store",
        lock.display(),
        log.display(),
        lock.display()
    );
    refused(path, why)
}

/// Names the file in an error that does not.
pub(super) fn placed(path: &Path, e: StoreError) -> StoreError {
    match e {
        StoreError::Corrupt(why) => StoreError::Corrupt(format!("{}: {why}", path.display())),
        named @ (StoreError::NewerSchema { .. } | StoreError::Migration(_) | StoreError::Open { .. }) => {
            named
        }
        other => refused(path, format!("{other}; check that it is a file this user may write")),
    }
}

pub(super) fn refused(path: &Path, why: String) -> StoreError {
    StoreError::Open { path: path.to_owned(), why }
}
