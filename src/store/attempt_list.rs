//! The tries to sign in, for auditors: the newest first, through the index of the filter that says most.

use super::{Part, Row, Store, StoreError, params};
use crate::model::{AccountId, ClientIp, Email, Timestamp};

/// Which tries. Filters that are `None` let everything through.
#[derive(Clone, Debug, Default)]
pub struct AttemptQuery {
    /// Of this account.
    pub account: Option<AccountId>,
    /// With this address.
    pub address: Option<Email>,
    /// From here.
    pub ip: Option<ClientIp>,
    /// `success` or `failure`.
    pub outcome: Option<&'static str>,
    /// When.
    pub span: Span,
}

/// From a time on, and up to but not including another.
#[derive(Clone, Copy, Debug, Default)]
pub struct Span {
    /// The beginning; `None`: of all time.
    pub from: Option<Timestamp>,
    /// The end; `None`: of all time.
    pub to: Option<Timestamp>,
}

/// One try, as it is listed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AttemptLine {
    /// Its identifier.
    pub id: String,
    /// When.
    pub at: Timestamp,
    /// Whose account, if there was one with that address.
    pub account: Option<AccountId>,
    /// The address tried.
    pub address: String,
    /// From where.
    pub ip: String,
    /// With what.
    pub user_agent: String,
    /// `success` or `failure`.
    pub outcome: String,
    /// A stable word.
    pub reason: String,
}

impl Span {
    pub(super) fn bounds(self) -> (Timestamp, Timestamp) {
        let all = (Timestamp::from_millis(i64::MIN), Timestamp::from_millis(i64::MAX));
        (self.from.unwrap_or(all.0), self.to.unwrap_or(all.1))
    }
}

/// $1 account, $2 address, $3 ip, $4 outcome, $5 from, $6 to, $7 and $8 the place in the list, $9 limit.
macro_rules! attempts {
    ($by:literal) => {
        concat!(
            "SELECT id, at, account_id, address, ip, user_agent, outcome, reason FROM attempts WHERE ",
            $by,
            " AND ($1 = '' OR account_id = $1) AND ($2 = '' OR address = $2) AND ($3 = '' OR ip = $3)
              AND ($4 = '' OR outcome = $4) AND at >= $5 AND at < $6 AND (at, id) < ($7, $8)
              ORDER BY at DESC, id DESC LIMIT $9"
        )
    };
}

impl Store {
    /// A part of the tries to sign in, the newest first.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    pub async fn attempts(&self, query: &AttemptQuery, part: &Part) -> Result<Vec<AttemptLine>, StoreError> {
        let sql = match query {
            AttemptQuery { account: Some(_), .. } => attempts!("account_id = $1"),
            AttemptQuery { address: Some(_), .. } => attempts!("address = $2"),
            AttemptQuery { ip: Some(_), .. } => attempts!("ip = $3"),
            AttemptQuery { outcome: Some(_), .. } => attempts!("outcome = $4"),
            _ => attempts!("TRUE"),
        };
        let account = query.account.map(|a| a.to_string()).unwrap_or_default();
        let ip = query.ip.map(|ip| ip.to_string()).unwrap_or_default();
        let (from, to) = query.span.bounds();
        let (key, id) = part.newest_first();
        let address = query.address.as_ref().map_or("", |a| a.as_str());
        let outcome = query.outcome.unwrap_or_default();
        let rows =
            self.read(sql, params![account, address, ip, outcome, from, to, key, id, part.limit]).await?;
        rows.iter().map(read).collect()
    }
}

fn read(row: &Row) -> Result<AttemptLine, StoreError> {
    Ok(AttemptLine {
        id: row.string(0)?,
        at: row.time(1)?,
        account: row.opt(2, Row::parse)?,
        address: row.string(3)?,
        ip: row.string(4)?,
        user_agent: row.string(5)?,
        outcome: row.string(6)?,
        reason: row.string(7)?,
    })
}
