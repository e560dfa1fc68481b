//! Statements on a connection, and what their failures mean.

use std::error::Error as _;

use deadpool_postgres::Object;
use tokio::time::timeout;
use tokio_postgres::Error;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::private::BytesMut;
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};

use super::super::Statement;
use super::STEP;
use crate::store::{Row, StoreError, Value};

/// How a transaction ended.
pub(super) enum Outcome {
    /// The rows of each statement.
    Committed(Vec<Vec<Row>>),
    /// A `must_hit` statement hit nothing; rolled back.
    Missed,
    /// Another transaction was faster (serialization failure or deadlock); rolled back, worth another try.
    Lost,
}

/// One query, on a connection that cannot change anything.
pub(super) async fn read(client: &Object, sql: &str, params: &[Value]) -> Result<Vec<Row>, StoreError> {
    let answer = step(query(client, sql, params)).await.and_then(|answer| answer);
    answer.map(|(rows, _)| rows).map_err(Failure::into_error)
}

/// All statements, or none when one fails or a `must_hit` one hits nothing. Serializable, as on SQLite: what a
/// statement has read is still so at the commit.
pub(super) async fn transaction(client: &Object, statements: &[Statement]) -> Result<Outcome, StoreError> {
    let done = attempt(client, statements).await;
    match done {
        Ok(Some(rows)) => Ok(Outcome::Committed(rows)),
        Ok(None) => roll_back(client).await.map(|()| Outcome::Missed),
        Err(Failure::Lost) => roll_back(client).await.map(|()| Outcome::Lost),
        Err(Failure::Other(e @ StoreError::Unavailable(_))) => Err(e),
        // The server has become a replica: another connection may find the new primary.
        Err(Failure::ReadOnly) => Err(StoreError::Unavailable("the server takes no changes".to_owned())),
        Err(Failure::Other(e)) => roll_back(client).await.and(Err(e)),
    }
}

enum Failure {
    Lost,
    ReadOnly,
    Other(StoreError),
}

impl Failure {
    fn into_error(self) -> StoreError {
        match self {
            Self::Lost => StoreError::Busy,
            Self::ReadOnly => StoreError::Statement("a query must not change anything".to_owned()),
            Self::Other(e) => e,
        }
    }
}

impl From<Error> for Failure {
    fn from(e: Error) -> Self {
        match e.code() {
            Some(&SqlState::T_R_SERIALIZATION_FAILURE | &SqlState::T_R_DEADLOCK_DETECTED) => Self::Lost,
            Some(&SqlState::READ_ONLY_SQL_TRANSACTION) => Self::ReadOnly,
            _ => Self::Other(translate(&e)),
        }
    }
}

async fn attempt(client: &Object, statements: &[Statement]) -> Result<Option<Vec<Vec<Row>>>, Failure> {
    step(client.batch_execute("BEGIN ISOLATION LEVEL SERIALIZABLE")).await??;
    let mut answers = Vec::with_capacity(statements.len());
    for one in statements {
        let (rows, hits) = step(query(client, one.sql, &one.params)).await??;
        if one.must_hit && hits == 0 {
            return Ok(None);
        }
        answers.push(rows);
    }
    step(client.batch_execute("COMMIT")).await??;
    Ok(Some(answers))
}

async fn roll_back(client: &Object) -> Result<(), StoreError> {
    let done = step(client.batch_execute("ROLLBACK")).await.map_err(Failure::into_error)?;
    done.map_err(|e| StoreError::Unavailable(describe(&e)))
}

/// Waits for one step. A server that hangs ends none of its statements itself.
async fn step<T>(work: impl Future<Output = T>) -> Result<T, Failure> {
    let unanswered = |_| {
        let text = format!("no answer within {:.1} seconds", STEP.as_secs_f32());
        Failure::Other(StoreError::Unavailable(text))
    };
    timeout(STEP, work).await.map_err(unanswered)
}

/// The rows, and how many rows were touched or returned.
async fn query(client: &Object, sql: &str, params: &[Value]) -> Result<(Vec<Row>, u64), Failure> {
    let statement = client.prepare_cached(sql).await?;
    if statement.params().len() != params.len() {
        let text = format!("{} parameters instead of {}", params.len(), statement.params().len());
        return Err(Failure::Other(StoreError::Statement(text)));
    }
    let types: Vec<Type> = statement.columns().iter().map(|c| c.type_().clone()).collect();
    let mut hits = 0;
    let mut rows = Vec::new();
    let params: Vec<&(dyn ToSql + Sync)> = params.iter().map(|p| p as _).collect();
    if types.is_empty() {
        hits = client.execute(&statement, &params).await?;
    } else {
        for row in client.query(&statement, &params).await? {
            hits += 1;
            rows.push(read_row(&row, &types)?);
        }
    }
    Ok((rows, hits))
}

fn read_row(row: &tokio_postgres::Row, types: &[Type]) -> Result<Row, Failure> {
    let columns = types.iter().enumerate().map(|(i, kind)| read_column(row, i, kind));
    Ok(Row::new(columns.collect::<Result<_, _>>()?))
}

fn read_column(row: &tokio_postgres::Row, i: usize, kind: &Type) -> Result<Value, Failure> {
    let value = match *kind {
        Type::INT8 => row.try_get::<_, Option<i64>>(i)?.map(Value::Int),
        Type::INT4 => row.try_get::<_, Option<i32>>(i)?.map(|n| Value::Int(n.into())),
        Type::BOOL => row.try_get::<_, Option<bool>>(i)?.map(Value::Bool),
        Type::TEXT | Type::VARCHAR | Type::NAME => row.try_get::<_, Option<String>>(i)?.map(Value::Text),
        Type::BYTEA => row.try_get::<_, Option<Vec<u8>>>(i)?.map(Value::Blob),
        ref other => {
            return Err(Failure::Other(StoreError::Shape(format!("column {i} is of the type {other}"))));
        }
    };
    Ok(value.unwrap_or(Value::Null))
}

impl ToSql for Value {
    fn to_sql(
        &self,
        kind: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        match self {
            Self::Null => Ok(IsNull::Yes),
            Self::Int(n) if *kind == Type::INT4 => i32::try_from(*n)?.to_sql(kind, out),
            Self::Int(n) if *kind == Type::INT8 => n.to_sql(kind, out),
            Self::Bool(b) if *kind == Type::BOOL => b.to_sql(kind, out),
            Self::Text(s) if <&str as ToSql>::accepts(kind) => s.as_str().to_sql(kind, out),
            Self::Blob(b) if *kind == Type::BYTEA => b.as_slice().to_sql(kind, out),
            // Only the type is named: the content may be a hash or a mail.
            _ => Err(format!("a parameter is not of the type {kind}").into()),
        }
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

/// What a failure means to the callers of the store.
pub(super) fn translate(e: &Error) -> StoreError {
    let Some(code) = e.code() else {
        let io = e.source().is_some_and(<dyn std::error::Error>::is::<std::io::Error>);
        return if io || e.is_closed() { unreachable(e) } else { StoreError::Statement(describe(e)) };
    };
    match code.code() {
        // A statement or a lock that took too long, or a server with no room.
        "57014" | "55P03" | "53300" => StoreError::Busy,
        "53100" => StoreError::NotWritable(describe(e)),
        c if c.starts_with("23") => StoreError::Constraint(describe(e)),
        c if c.starts_with("42") || c.starts_with("22") => StoreError::Statement(describe(e)),
        // The server stops, fails over, or has forgotten a prepared statement: another connection may do.
        _ => unreachable(e),
    }
}

/// What a failure to connect means.
pub(super) fn unreachable(e: &Error) -> StoreError {
    match e.code() {
        Some(&SqlState::TOO_MANY_CONNECTIONS) => StoreError::Busy,
        _ => StoreError::Unavailable(describe(e)),
    }
}

/// The failure in words. Without the detail line, and of wrong data only their kind: these repeat values.
pub(super) fn describe(e: &Error) -> String {
    match (e.as_db_error(), e.source()) {
        (Some(db), _) if db.code().code().starts_with("22") => format!("wrong data ({})", db.code().code()),
        (Some(db), _) => format!("{} ({})", db.message(), db.code().code()),
        (None, Some(cause)) => format!("{e}: {cause}"),
        (None, None) => e.to_string(),
    }
}
