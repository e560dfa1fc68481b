//! Statements on a connection, and what their failures mean.

use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{CachedStatement, Connection, ErrorCode, ToSql, TransactionBehavior};

use super::super::Statement;
use crate::store::{Row, StoreError, Value};

/// One query; refuses to change anything.
pub(super) fn read(connection: &Connection, sql: &str, params: &[Value]) -> Result<Vec<Row>, StoreError> {
    let mut statement = prepare(connection, sql, params)?;
    if !statement.readonly() {
        return Err(StoreError::Statement("a query must not change anything".to_owned()));
    }
    rows(&mut statement)
}

/// All statements, or none when one fails or a `must_hit` one hits nothing.
pub(super) fn transaction(
    connection: &mut Connection,
    statements: &[Statement],
) -> Result<Option<Vec<Vec<Row>>>, StoreError> {
    let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(translate)?;
    let mut answers = Vec::with_capacity(statements.len());
    for one in statements {
        let (rows, hits) = execute(&tx, one)?;
        if one.must_hit && hits == 0 {
            tx.rollback().map_err(translate)?;
            return Ok(None);
        }
        answers.push(rows);
    }
    tx.commit().map_err(translate)?;
    Ok(Some(answers))
}

/// Refreshes the planner's statistics where they are stale, and closes.
pub(super) fn close(connection: Connection) {
    // Both are best effort: everything committed is safe already.
    let _ = connection.execute_batch("PRAGMA analysis_limit = 400; PRAGMA optimize;");
    let _ = connection.close();
}

fn execute(connection: &Connection, one: &Statement) -> Result<(Vec<Row>, usize), StoreError> {
    let mut statement = prepare(connection, one.sql, &one.params)?;
    if statement.column_count() == 0 {
        let hits = statement.raw_execute().map_err(translate)?;
        return Ok((Vec::new(), hits));
    }
    let rows = rows(&mut statement)?;
    let hits = rows.len();
    Ok((rows, hits))
}

/// Binds `$n` by its name: `SQLite` numbers `$n` by first appearance, not by `n`.
fn prepare<'c>(
    connection: &'c Connection,
    sql: &str,
    params: &[Value],
) -> Result<CachedStatement<'c>, StoreError> {
    let mut statement = connection.prepare_cached(sql).map_err(translate)?;
    let wrong = || StoreError::Statement(format!("parameters do not fit: {sql}"));
    if statement.parameter_count() != params.len() {
        return Err(wrong());
    }
    for (n, value) in (1..).zip(params) {
        let index = statement.parameter_index(&format!("${n}")).map_err(translate)?.ok_or_else(wrong)?;
        statement.raw_bind_parameter(index, value).map_err(translate)?;
    }
    Ok(statement)
}

fn rows(statement: &mut CachedStatement<'_>) -> Result<Vec<Row>, StoreError> {
    let mut all = Vec::new();
    walk(statement, &mut |row| {
        all.push(row);
        Ok(())
    })?;
    Ok(all)
}

/// Each row of a query without parameters, one at a time, until `take` fails.
pub(super) fn each(
    connection: &Connection,
    sql: &str,
    take: &mut dyn FnMut(Row) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    walk(&mut prepare(connection, sql, &[])?, take)
}

fn walk(
    statement: &mut CachedStatement<'_>,
    take: &mut dyn FnMut(Row) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let columns = statement.column_count();
    let mut cursor = statement.raw_query();
    while let Some(row) = cursor.next().map_err(translate)? {
        let cells = (0..columns).map(|i| cell(row.get_ref(i).map_err(translate)?));
        take(Row::new(cells.collect::<Result<_, _>>()?))?;
    }
    Ok(())
}

fn cell(value: ValueRef<'_>) -> Result<Value, StoreError> {
    match value {
        ValueRef::Null => Ok(Value::Null),
        ValueRef::Integer(n) => Ok(Value::Int(n)),
        ValueRef::Real(_) => Err(StoreError::Shape("fractions are not used".to_owned())),
        ValueRef::Text(bytes) => match String::from_utf8(bytes.to_vec()) {
            Ok(text) => Ok(Value::Text(text)),
            Err(_) => Err(StoreError::Shape("a text is not UTF-8".to_owned())),
        },
        ValueRef::Blob(bytes) => Ok(Value::Blob(bytes.to_vec())),
    }
}

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Null => ValueRef::Null,
            Self::Int(n) => ValueRef::Integer(*n),
            Self::Bool(b) => ValueRef::Integer(i64::from(*b)),
            Self::Text(s) => ValueRef::Text(s.as_bytes()),
            Self::Blob(b) => ValueRef::Blob(b),
        }))
    }
}

/// What a failure means to the rest of the house.
#[expect(clippy::needless_pass_by_value, reason = "the shape that map_err takes")]
pub(super) fn translate(e: rusqlite::Error) -> StoreError {
    let text = e.to_string();
    match e.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => StoreError::Busy,
        Some(ErrorCode::ConstraintViolation) => StoreError::Constraint(text),
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => StoreError::Corrupt(text),
        Some(ErrorCode::DiskFull | ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => {
            StoreError::NotWritable(text)
        }
        // A fault of ours: bad SQL, bad binding.
        Some(ErrorCode::Unknown) | None => StoreError::Statement(text),
        Some(_) => StoreError::Unavailable(text),
    }
}
