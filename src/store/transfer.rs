//! From SQLite to PostgreSQL: every table, as it was at one moment, in one transaction.

use std::path::{Path, PathBuf};

use super::engine::postgres::Target;
use super::engine::sqlite::Source;
use super::{PostgresSettings, Row, SigningKeyRow, StoreError, migrate, signing_keys};

/// Every table, each after those it refers to.
pub(super) const TABLES: &[&str] = &[
    "accounts",
    "account_roles",
    "codes",
    "sessions",
    "totp",
    "recovery_codes",
    "challenges",
    "devices",
    "lockouts",
    "attempts",
    "audit",
    "outbox",
    "revocations",
    "signing_keys",
    "bootstrap",
    "job_runs",
];

/// Rows handed over at once: enough that nobody waits for the other, little enough to hold a few.
const BATCH: usize = 1000;

/// Why nothing was copied.
#[derive(Debug, thiserror::Error)]
pub enum TransferError {
    /// There is no file to copy.
    #[error("there is no SQLite store at {}", .0.display())]
    NoSource(PathBuf),
    /// The source is of another release.
    #[error(
        "the source has schema {found}, this release copies schema {known}: {}",
        if found < known {
            "bring it up to date first, with `stagedoor migrate` and a configuration that names it"
        } else {
            "use the newer release"
        }
    )]
    OtherSchema {
        /// The schema of the source.
        found: i64,
        /// The schema this release makes.
        known: i64,
    },
    /// Somebody's data are there already.
    #[error(
        "the target has {rows} rows in \"{table}\"; only an empty database takes a copy. A gateway that was started \
         on it has made keys of its own: make a new database"
    )]
    NotEmpty {
        /// Where.
        table: &'static str,
        /// How many.
        rows: u64,
    },
    /// Fewer or more rows arrived than there are.
    #[error("\"{table}\" has {there} rows in the source and {here} in the target")]
    Differs {
        /// Where.
        table: &'static str,
        /// In the source.
        there: u64,
        /// In the target.
        here: u64,
    },
    /// A table that could not be copied.
    #[error("\"{table}\": {cause}")]
    Table {
        /// Which.
        table: &'static str,
        /// Why.
        cause: StoreError,
    },
    /// One of the two stores.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What was copied of one table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moved {
    /// Its name.
    pub table: &'static str,
    /// How many rows so far.
    pub rows: u64,
    /// How many there are.
    pub of: u64,
}

/// A SQLite store as it is at this moment, whoever goes on writing to it.
pub struct Snapshot(Source);

impl Snapshot {
    /// Looks at the file; changes nothing. Blocks.
    ///
    /// # Errors
    /// [`TransferError`] when there is no such file, or none with the schema of this release.
    pub fn open(path: &Path) -> Result<Self, TransferError> {
        if !path.is_file() {
            return Err(TransferError::NoSource(path.to_owned()));
        }
        let source = Source::open(path)?;
        let (found, known) = (source.schema()?, migrate::latest());
        if found == known { Ok(Self(source)) } else { Err(TransferError::OtherSchema { found, known }) }
    }

    /// The keys in it.
    ///
    /// # Errors
    /// [`StoreError`] when they cannot be read.
    pub fn signing_keys(&self) -> Result<Vec<SigningKeyRow>, StoreError> {
        self.0.read(signing_keys::ALL)?.iter().map(signing_keys::read).collect()
    }

    /// Copies everything into an empty database, or nothing. `told` hears of every few rows. Blocks.
    ///
    /// # Errors
    /// [`TransferError`]; the target is empty then, as it was.
    pub fn copy(
        &self,
        to: &PostgresSettings,
        told: &mut dyn FnMut(Moved),
    ) -> Result<Vec<Moved>, TransferError> {
        let target = Target::open(to, TABLES)?;
        for &table in TABLES {
            let rows = target.count(table)?;
            if rows > 0 {
                return Err(TransferError::NotEmpty { table, rows });
            }
        }
        let all = TABLES.iter().map(|table| self.copy_table(&target, table, told));
        let all = all.collect::<Result<Vec<_>, _>>()?;
        target.commit()?;
        Ok(all)
    }

    fn copy_table(
        &self,
        target: &Target,
        table: &'static str,
        told: &mut dyn FnMut(Moved),
    ) -> Result<Moved, TransferError> {
        let failed = |cause| TransferError::Table { table, cause };
        let columns = self.0.columns(table).map_err(failed)?;
        let of = self.0.count(table).map_err(failed)?;
        let filling = target.fill(table, &columns).map_err(failed)?;
        let (mut rows, mut batch) = (0, Vec::<Row>::with_capacity(BATCH));
        let read = self.0.each(table, &columns, &mut |row| {
            batch.push(row);
            rows += 1;
            if batch.len() == BATCH {
                if rows < of {
                    told(Moved { table, rows, of });
                }
                filling.push(std::mem::take(&mut batch))?;
            }
            Ok(())
        });
        // What the target says matters more: it is why the source could hand over no more.
        let read = read.and_then(|()| filling.push(batch));
        let taken = filling.finish(read.is_ok()).map_err(failed)?;
        read.map_err(failed)?;
        let here = target.count(table).map_err(failed)?;
        if (of, of) != (taken, here) {
            return Err(TransferError::Differs { table, there: of, here });
        }
        told(Moved { table, rows, of });
        Ok(Moved { table, rows, of })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::store::engine::Engine as _;
    use crate::store::engine::sqlite::Sqlite;

    /// A table that nobody copies would be lost by whoever moves.
    #[tokio::test]
    async fn every_table_is_copied_after_those_it_refers_to() {
        let engine = Sqlite::open(":memory:".as_ref()).unwrap();
        let sql = "SELECT t.name, f.\"table\" FROM sqlite_master t LEFT JOIN pragma_foreign_key_list(t.name) f
                   WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite_%' AND t.name <> 'refinery_schema_history'";
        let rows = engine.read(sql, Vec::new()).await.unwrap();
        let there: BTreeSet<_> = rows.iter().map(|row| row.text(0).unwrap()).collect();
        assert_eq!(there, TABLES.iter().copied().collect(), "the list of tables is not that of the schema");
        let place = |name: &str| TABLES.iter().position(|table| *table == name).unwrap();
        for row in rows.iter().filter(|row| !row.is_null(1).unwrap()) {
            let (from, to) = (row.text(0).unwrap(), row.text(1).unwrap());
            assert!(place(to) < place(from), "{from} refers to {to}");
        }
    }
}
