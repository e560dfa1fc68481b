//! One's own history: every try to sign in, by oneself or by others.

use super::page::{Cursor, Page};
use super::{Accounts, Error, Me};
use crate::model::Timestamp;

/// The list, for cursors.
pub const ACTIVITY: &str = "activity";

/// One try to sign in on one's account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Activity {
    /// When.
    pub at: Timestamp,
    /// From where.
    pub ip: String,
    /// With what; whatever the client said of itself.
    pub user_agent: String,
    /// `success` or `failure`.
    pub outcome: String,
    /// A stable word: `password`, `wrong_credentials`, `locked`, …
    pub reason: String,
}

impl Accounts {
    /// The tries to sign in on one's account, the newest first: `limit` of them after `cursor`.
    ///
    /// # Errors
    /// [`Error::SignInFirst`], [`Error::Unavailable`].
    pub async fn activity(
        &self,
        me: &Me,
        cursor: Option<&Cursor>,
        limit: u32,
    ) -> Result<Page<Activity>, Error> {
        let account = self.account_of(me).await?;
        let before = cursor.and_then(|c| Some((c.number()?, c.id.as_str())));
        let rows = self.store.attempts_of(account.id, before, limit.saturating_add(1)).await?;
        let page = Page::cut(rows, limit, |row| Cursor { key: row.at.into(), id: row.id.clone() });
        Ok(page.map(|row| Activity {
            at: row.at,
            ip: row.ip,
            user_agent: row.user_agent,
            outcome: row.outcome,
            reason: row.reason,
        }))
    }
}
