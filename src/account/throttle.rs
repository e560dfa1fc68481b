//! Rate limits, and the queue that lets tries on one address go single file.

use std::sync::Arc;
use std::time::Duration;

use super::trail::Attempt;
use super::{Accounts, Error, Limited, Origin};
use crate::limiter::{Busy, Quota, Taken, Turn, Turns};
use crate::model::Email;
use crate::store::Tx;

/// Of the tries to sign in over a limit one a minute is written down for each network and each address: enough to see
/// who was hit and when, and no way to fill the store.
const WRITTEN: Quota = Quota { limit: 1, window: Duration::from_mins(1) };

/// When it is worth another try if somebody else is at the same address.
const RETRY: Duration = Duration::from_secs(1);

/// One try at a time on one address, over all nodes.
pub(crate) struct SingleFile(pub(super) Arc<dyn Turns>);

impl SingleFile {
    /// Waits for one's turn, which lasts until the guard is dropped.
    pub(super) async fn turn(&self, address: &Email) -> Result<Turn, Error> {
        let turn = self.0.turn(address.as_str()).await;
        turn.map_err(|Busy| Error::Busy { retry_after: RETRY })
    }
}

impl Accounts {
    /// Takes one try of `policy` for `subject`.
    pub(super) async fn throttle(
        &self,
        policy: &'static str,
        subject: &str,
        quota: Quota,
    ) -> Result<(), Error> {
        let taken = self.take(policy, subject, quota).await?;
        if taken.allowed {
            return Ok(());
        }
        self.events.limited(policy);
        Err(Error::Limited(Limited { policy, taken }))
    }

    /// Takes one try to sign in for `subject` (`ip:…`, `address:…`); `typed` is the address that was tried.
    pub(super) async fn throttle_login(
        &self,
        subject: &str,
        typed: &str,
        origin: &Origin,
    ) -> Result<(), Error> {
        let refused = self.throttle("login", subject, self.settings.rate_limits.login).await;
        if matches!(refused, Err(Error::Limited(_)))
            && let Ok(email) = Email::parse(typed)
            && self.take("login-written", subject, WRITTEN).await?.allowed
        {
            self.write_limited(&email, origin).await?;
        }
        refused
    }

    async fn write_limited(&self, email: &Email, origin: &Origin) -> Result<(), Error> {
        let account = self.store.account_by_email(email).await?.map(|a| a.id);
        let at = self.clock.now();
        let mut tx = Tx::new();
        let attempt = Attempt { email, account, outcome: "failure", reason: "limited", at };
        self.write_attempt(&mut tx, attempt, origin);
        self.store.commit(tx).await?;
        Ok(())
    }

    /// Like [`Self::throttle`], for callers who go on another way when it is refused.
    pub(super) async fn take(
        &self,
        policy: &'static str,
        subject: &str,
        quota: Quota,
    ) -> Result<Taken, Error> {
        Ok(self.limiter.take(&format!("{policy}:{subject}"), quota).await?)
    }
}
