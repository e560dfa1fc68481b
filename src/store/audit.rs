//! Who did what to whom. Rows are only ever added, and purged by age.

use super::{Part, Row, Span, Store, StoreError, Tx, params};
use crate::model::{ClientIp, Entropy, RequestId, Timestamp};

/// The actor of what nobody asked for: jobs and rules.
pub const SYSTEM_ACTOR: &str = "system";
/// The actor of what anybody can do without having proved who they are.
pub const ANONYMOUS_ACTOR: &str = "anonymous";

/// One line of the audit trail. Carries no secrets and no passwords.
#[derive(Clone, Debug)]
pub struct AuditEntry<'a> {
    /// When.
    pub at: Timestamp,
    /// Who: an account id, `system` or `operator`.
    pub actor: String,
    /// What, as a stable word: `account.locked`, `session.reuse`, …
    pub action: &'static str,
    /// To whom or what.
    pub target: String,
    /// From where, if it came by a request.
    pub ip: Option<ClientIp>,
    /// By which request.
    pub request_id: Option<RequestId>,
    /// More about it; may be empty.
    pub detail: &'a str,
}

impl Tx {
    /// Adds a line to the audit trail.
    pub fn audit(&mut self, entry: &AuditEntry<'_>, entropy: &dyn Entropy) {
        let text = |t: Option<String>| t.unwrap_or_default();
        self.push(
            "INSERT INTO audit (id, at, actor, action, target, ip, request_id, detail)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
            params![
                RequestId::random(entropy),
                entry.at,
                &entry.actor,
                entry.action,
                &entry.target,
                text(entry.ip.map(|ip| ip.to_string())),
                text(entry.request_id.map(|id| id.to_string())),
                entry.detail,
            ],
        );
    }
}

impl Store {
    /// Deletes at most `batch` lines older than `before`. Returns how many. Index: `audit_by_time`.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn purge_audit(&self, before: Timestamp, batch: u32) -> Result<usize, StoreError> {
        let sql = "DELETE FROM audit WHERE id IN
                       (SELECT id FROM audit WHERE at < $1 ORDER BY at LIMIT $2) RETURNING id";
        Ok(self.write(sql, params![before, batch]).await?.len())
    }
}

/// Which lines. Filters that are `None` let everything through.
#[derive(Clone, Debug, Default)]
pub struct AuditQuery {
    /// Done by: an account id, `system` or `operator`.
    pub actor: Option<String>,
    /// Done to.
    pub target: Option<String>,
    /// What.
    pub action: Option<String>,
    /// When.
    pub span: Span,
}

/// One line, as it is listed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AuditLine {
    /// Its identifier.
    pub id: String,
    /// When.
    pub at: Timestamp,
    /// Who.
    pub actor: String,
    /// What.
    pub action: String,
    /// To whom or what.
    pub target: String,
    /// From where; empty if it did not come by a request.
    pub ip: String,
    /// By which request; likewise.
    pub request_id: String,
    /// More about it.
    pub detail: String,
}

/// $1 actor, $2 target, $3 action, $4 from, $5 to, $6 and $7 the place in the list, $8 limit.
macro_rules! lines {
    ($by:literal) => {
        concat!(
            "SELECT id, at, actor, action, target, ip, request_id, detail FROM audit WHERE ",
            $by,
            " AND ($1 = '' OR actor = $1) AND ($2 = '' OR target = $2) AND ($3 = '' OR action = $3)
              AND at >= $4 AND at < $5 AND (at, id) < ($6, $7)
              ORDER BY at DESC, id DESC LIMIT $8"
        )
    };
}

impl Store {
    /// A part of the audit trail, the newest first.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    pub async fn audit_lines(&self, query: &AuditQuery, part: &Part) -> Result<Vec<AuditLine>, StoreError> {
        let sql = match query {
            AuditQuery { target: Some(_), .. } => lines!("target = $2"),
            AuditQuery { actor: Some(_), .. } => lines!("actor = $1"),
            AuditQuery { action: Some(_), .. } => lines!("action = $3"),
            _ => lines!("TRUE"),
        };
        let text = |t: &Option<String>| t.clone().unwrap_or_default();
        let (from, to) = query.span.bounds();
        let (key, id) = part.newest_first();
        let (actor, target, action) = (text(&query.actor), text(&query.target), text(&query.action));
        let rows = self.read(sql, params![actor, target, action, from, to, key, id, part.limit]).await?;
        rows.iter().map(read).collect()
    }
}

fn read(row: &Row) -> Result<AuditLine, StoreError> {
    Ok(AuditLine {
        id: row.string(0)?,
        at: row.time(1)?,
        actor: row.string(2)?,
        action: row.string(3)?,
        target: row.string(4)?,
        ip: row.string(5)?,
        request_id: row.string(6)?,
        detail: row.string(7)?,
    })
}
