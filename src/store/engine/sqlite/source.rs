//! A file as it is at one moment, for copies. Others go on reading and writing it meanwhile.

use std::path::Path;

use rusqlite::Connection;

use super::{open, run};
use crate::store::{Row, StoreError};

/// A file in one long read transaction.
pub struct Source {
    connection: Connection,
}

impl Source {
    /// Opens a file that is there; changes nothing in it.
    ///
    /// # Errors
    /// [`StoreError`] that says what is wrong with the file.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let connection = open::for_copies(path)?;
        connection.execute_batch("BEGIN").map_err(run::translate)?;
        let source = Self { connection };
        let ours = "SELECT count(*) FROM sqlite_master WHERE name = 'refinery_schema_history'";
        // This is the first look, and what every later one sees.
        match source.number(ours).map_err(|e| open::placed(path, e))? {
            0 => Err(open::refused(path, "it is no store of Stagedoor".to_owned())),
            _ => Ok(source),
        }
    }

    /// The version of its schema.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn schema(&self) -> Result<i64, StoreError> {
        self.number("SELECT coalesce(max(version), 0) FROM refinery_schema_history")
    }

    /// How many rows a table has.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn count(&self, table: &str) -> Result<u64, StoreError> {
        let count = self.number(&format!("SELECT count(*) FROM \"{table}\""))?;
        u64::try_from(count).map_err(|_| StoreError::Shape("a negative count".to_owned()))
    }

    /// The columns of a table, in their order.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn columns(&self, table: &str) -> Result<Vec<String>, StoreError> {
        let rows = self.read(&format!("SELECT name FROM pragma_table_info('{table}') ORDER BY cid"))?;
        rows.iter().map(|row| row.string(0)).collect()
    }

    /// A query without parameters.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn read(&self, sql: &str) -> Result<Vec<Row>, StoreError> {
        run::read(&self.connection, sql, &[])
    }

    /// Hands over each row of a table, until `take` fails.
    ///
    /// # Errors
    /// [`StoreError`], or what `take` said.
    pub fn each(
        &self,
        table: &str,
        columns: &[String],
        take: &mut dyn FnMut(Row) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let sql = format!("SELECT \"{}\" FROM \"{table}\"", columns.join("\", \""));
        run::each(&self.connection, &sql, take)
    }

    fn number(&self, sql: &str) -> Result<i64, StoreError> {
        let rows = self.read(sql)?;
        rows.first().ok_or_else(|| StoreError::Shape("no row".to_owned()))?.int(0)
    }
}
