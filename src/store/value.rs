//! What goes into a statement and what comes out. Only types that both engines have: TEXT, BIGINT, BOOLEAN,
//! BYTEA; times are milliseconds.

use std::str::FromStr;

use super::StoreError;
use crate::model::{
    AccountId, ClientIp, CodeId, DeviceId, Email, RequestId, RoleName, SessionId, Timestamp, TokenId,
};

/// One parameter or one column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// No value.
    Null,
    /// BIGINT.
    Int(i64),
    /// BOOLEAN. `SQLite` hands it back as `Int`; [`Row::bool`] reads both.
    Bool(bool),
    /// TEXT.
    Text(String),
    /// BYTEA.
    Blob(Vec<u8>),
}

/// The parameters of a statement, `$1` first, each turned into a [`Value`]: `params![id, email, now]`.
macro_rules! params {
    ($($value:expr),* $(,)?) => { vec![$($crate::store::Value::from($value)),*] };
}
pub(crate) use params;

macro_rules! from {
    ($($from:ty => $make:expr),+ $(,)?) => {$(
        impl From<$from> for Value {
            fn from(value: $from) -> Self {
                let make: fn($from) -> Self = $make;
                make(value)
            }
        }
    )+};
}

from! {
    i64 => Self::Int,
    u32 => |n| Self::Int(i64::from(n)),
    bool => Self::Bool,
    String => Self::Text,
    &String => |s| Self::Text(s.clone()),
    &str => |s| Self::Text(s.to_owned()),
    Vec<u8> => Self::Blob,
    &[u8] => |b| Self::Blob(b.to_vec()),
    Timestamp => |t| Self::Int(t.millis()),
    AccountId => |id| Self::Text(id.to_string()),
    SessionId => |id| Self::Text(id.to_string()),
    CodeId => |id| Self::Text(id.to_string()),
    DeviceId => |id| Self::Text(id.to_string()),
    TokenId => |id| Self::Text(id.to_string()),
    RequestId => |id| Self::Text(id.to_string()),
    ClientIp => |ip| Self::Text(ip.to_string()),
    &Email => |e| Self::Text(e.as_str().to_owned()),
    &RoleName => |r| Self::Text(r.as_str().to_owned()),
}

impl<const N: usize> From<[u8; N]> for Value {
    fn from(bytes: [u8; N]) -> Self {
        Self::Blob(bytes.to_vec())
    }
}

impl<const N: usize> From<&[u8; N]> for Value {
    fn from(bytes: &[u8; N]) -> Self {
        Self::Blob(bytes.to_vec())
    }
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// One row of an answer; columns by position, 0 first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row(Vec<Value>);

/// The getters; each fails with [`StoreError::Shape`] when the column is missing or of another type.
#[expect(clippy::missing_errors_doc, reason = "said once, above")]
impl Row {
    /// A row of these columns.
    #[must_use]
    pub fn new(columns: Vec<Value>) -> Self {
        Self(columns)
    }

    /// All columns.
    #[must_use]
    pub fn values(&self) -> &[Value] {
        &self.0
    }

    /// The column as it came.
    pub fn value(&self, column: usize) -> Result<&Value, StoreError> {
        self.0.get(column).ok_or_else(|| StoreError::Shape(format!("column {column} is missing")))
    }

    /// BIGINT.
    pub fn int(&self, column: usize) -> Result<i64, StoreError> {
        match self.value(column)? {
            Value::Int(n) => Ok(*n),
            other => Err(shape(column, "a number", other)),
        }
    }

    /// BIGINT that counts something.
    pub fn count(&self, column: usize) -> Result<u64, StoreError> {
        u64::try_from(self.int(column)?)
            .map_err(|_| StoreError::Shape(format!("column {column} is negative")))
    }

    /// BOOLEAN.
    pub fn bool(&self, column: usize) -> Result<bool, StoreError> {
        match self.value(column)? {
            Value::Bool(b) => Ok(*b),
            Value::Int(0) => Ok(false),
            Value::Int(1) => Ok(true),
            other => Err(shape(column, "a truth value", other)),
        }
    }

    /// TEXT.
    pub fn text(&self, column: usize) -> Result<&str, StoreError> {
        match self.value(column)? {
            Value::Text(s) => Ok(s),
            other => Err(shape(column, "a text", other)),
        }
    }

    /// TEXT, to keep.
    pub fn string(&self, column: usize) -> Result<String, StoreError> {
        self.text(column).map(str::to_owned)
    }

    /// BYTEA.
    pub fn blob(&self, column: usize) -> Result<&[u8], StoreError> {
        match self.value(column)? {
            Value::Blob(b) => Ok(b),
            other => Err(shape(column, "bytes", other)),
        }
    }

    /// BYTEA of exactly `N` bytes.
    pub fn array<const N: usize>(&self, column: usize) -> Result<[u8; N], StoreError> {
        let bytes = self.blob(column)?;
        bytes
            .try_into()
            .map_err(|_| StoreError::Shape(format!("column {column} has {} bytes, not {N}", bytes.len())))
    }

    /// BIGINT in milliseconds.
    pub fn time(&self, column: usize) -> Result<Timestamp, StoreError> {
        self.int(column).map(Timestamp::from_millis)
    }

    /// TEXT that `T` can read: `row.parse::<AccountId>(0)?`.
    pub fn parse<T: FromStr>(&self, column: usize) -> Result<T, StoreError> {
        self.text(column)?.parse().map_err(|_| {
            StoreError::Shape(format!("column {column} is not a {}", std::any::type_name::<T>()))
        })
    }

    /// Whether the column is NULL.
    pub fn is_null(&self, column: usize) -> Result<bool, StoreError> {
        Ok(*self.value(column)? == Value::Null)
    }

    /// `None` for NULL, else what `get` reads: `row.opt(3, Row::time)?`.
    pub fn opt<'a, T>(
        &'a self,
        column: usize,
        get: impl FnOnce(&'a Self, usize) -> Result<T, StoreError>,
    ) -> Result<Option<T>, StoreError> {
        if self.is_null(column)? { Ok(None) } else { get(self, column).map(Some) }
    }
}

fn shape(column: usize, wanted: &str, found: &Value) -> StoreError {
    // Only the type is named: the content may be a hash or a mail.
    let found = match found {
        Value::Null => "NULL",
        Value::Int(_) => "a number",
        Value::Bool(_) => "a truth value",
        Value::Text(_) => "a text",
        Value::Blob(_) => "bytes",
    };
    StoreError::Shape(format!("column {column} is {found}, not {wanted}"))
}
