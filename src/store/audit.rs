//! Who did what to whom. Rows are only ever added, and purged by age.

use super::{Store, StoreError, Tx, params};
use crate::model::{ClientIp, Entropy, RequestId, Timestamp};

/// The actor of what nobody asked for: jobs and rules.
pub const SYSTEM_ACTOR: &str = "system";

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
