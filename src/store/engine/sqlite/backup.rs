//! A copy of a file that is in use.
//!
//! `VACUUM INTO` reads in one transaction, so the copy is the store of one moment however long it takes and whoever writes
//! meanwhile, and nobody waits for it. The copy has no free pages: what was deleted is not in it.

use std::fs::{File, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};

use super::{open, run};
use crate::store::StoreError;

/// Copies the store at `from` to the new file `to`, readable for its owner only, checks the copy, and only then gives it
/// its name. Returns its size in bytes. Blocks.
///
/// # Errors
/// [`StoreError`] when there is no such store, `to` is there already, or it cannot be written; `to` does not appear then.
pub fn backup(from: &Path, to: &Path) -> Result<u64, StoreError> {
    if !from.is_file() {
        return Err(open::refused(from, "there is no such file".to_owned()));
    }
    if to.symlink_metadata().is_ok() {
        return Err(taken(to));
    }
    let mut part = to.as_os_str().to_owned();
    part.push(".part");
    let part = Part::new(PathBuf::from(part))?;
    fill(from, &part.0).map_err(|e| match e {
        StoreError::Statement(why) | StoreError::Unavailable(why) => open::refused(to, why),
        other => open::placed(from, other),
    })?;
    let size = part.settle().map_err(|e| open::refused(to, e.to_string()))?;
    // A link never replaces what somebody else has put there meanwhile.
    match std::fs::hard_link(&part.0, to) {
        Ok(()) => Ok(size),
        Err(e) if e.kind() == ErrorKind::AlreadyExists => Err(taken(to)),
        Err(e) => Err(open::refused(to, e.to_string())),
    }
}

fn fill(from: &Path, part: &Path) -> Result<(), StoreError> {
    let name = part.to_str().ok_or_else(|| open::refused(part, "the name is not UTF-8".to_owned()))?;
    let source = open::for_copies(from)?;
    if !open::is_ours(&source).map_err(run::translate)? {
        let why = "it holds no store: the log beside it, which may have held one, is gone or damaged";
        return Err(StoreError::Corrupt(why.to_owned()));
    }
    source.execute("VACUUM INTO ?1", [name]).map_err(run::translate)?;
    drop(source);
    let copy = Connection::open_with_flags(part, OpenFlags::SQLITE_OPEN_READ_ONLY).map_err(run::translate)?;
    let said: String =
        copy.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0)).map_err(run::translate)?;
    if said == "ok" { Ok(()) } else { Err(StoreError::Corrupt(format!("the copy is not whole: {said}"))) }
}

fn taken(to: &Path) -> StoreError {
    open::refused(to, "it is there already; name another file".to_owned())
}

/// The copy before it has its name; gone when this is.
struct Part(PathBuf);

impl Part {
    /// An empty file: `VACUUM INTO` fills those, and keeps the mode.
    fn new(path: PathBuf) -> Result<Self, StoreError> {
        match OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path) {
            Ok(_) => Ok(Self(path)),
            Err(e) if e.kind() == ErrorKind::AlreadyExists => {
                Err(open::refused(&path, "it was left by a copy that was cut short; remove it".to_owned()))
            }
            Err(e) => Err(open::refused(&path, e.to_string())),
        }
    }

    /// SQLite does not flush what it vacuums into.
    fn settle(&self) -> std::io::Result<u64> {
        let file = File::open(&self.0)?;
        file.sync_all()?;
        Ok(file.metadata()?.len())
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}
