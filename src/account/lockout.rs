//! When an address stops answering: after so many failures in a row, for a time that doubles with each lock. Known and
//! unknown addresses are counted and locked alike; the count is in the store, shared by all nodes and still there
//! after a restart.

use super::trail::Attempt;
use super::{Accounts, Error, LockoutSettings, Origin};
use crate::mail::Message;
use crate::model::{Email, Timestamp};
use crate::store::{AccountRow, LockRule, Tx, locked_by};

impl LockoutSettings {
    fn rule(&self) -> LockRule {
        LockRule {
            failures: self.failures.max(1),
            within: self.within,
            duration: self.duration,
            max_duration: self.max_duration,
        }
    }
}

impl Accounts {
    /// Writes a wrong credential down and counts it; locks when it was one too many.
    pub(super) async fn count_failure(
        &self,
        email: &Email,
        account: Option<&AccountRow>,
        origin: &Origin,
    ) -> Result<(), Error> {
        let now = self.clock.now();
        let mut tx = Tx::new();
        let count = tx.count_failure(email, &self.settings.lockout.rule(), now);
        let attempt = Attempt {
            email,
            account: account.map(|a| a.id),
            outcome: "failure",
            reason: "wrong_credentials",
            at: now,
        };
        self.record(&mut tx, attempt, origin);
        let answer = self.store.commit(tx).await?.unwrap_or_default();
        let counted = answer.get(count).map(Vec::as_slice).unwrap_or_default();
        match locked_by(counted, now)? {
            Some(until) => self.tell_locked(email, account, until, origin).await,
            None => Ok(()),
        }
    }

    async fn tell_locked(
        &self,
        email: &Email,
        account: Option<&AccountRow>,
        until: Timestamp,
        origin: &Origin,
    ) -> Result<(), Error> {
        self.events.lockout();
        let mut tx = Tx::new();
        let target = account.map_or_else(|| email.to_string(), |a| a.id.to_string());
        self.audit(&mut tx, "account.locked", &target, origin);
        // Only to proved addresses: a stranger must not be able to have mail sent to just anybody.
        if let Some(account) = account.filter(|a| a.verified_at.is_some()) {
            self.post(&mut tx, email, &Message::Locked { name: account.name.clone(), until });
        }
        self.store.commit(tx).await?;
        Ok(())
    }
}
