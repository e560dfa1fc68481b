//! When an address stops answering: after so many failures in a row, for a time that doubles with each lock. Known and
//! unknown addresses are counted and locked alike; the count is in the store, shared by all nodes and still there
//! after a restart.

use super::trail::Attempt;
use super::{Accounts, Error, LockoutSettings, Me, Origin};
use crate::mail::Message;
use crate::model::{Email, Secret, Timestamp};
use crate::store::{AccountRow, LockKey, LockRule, Tx, locked_by};

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

/// A wrong credential, before it is counted.
pub(super) struct Failure<'a> {
    /// Where it counts.
    pub(super) key: &'a LockKey,
    /// The address that was tried.
    pub(super) email: &'a Email,
    /// Its account, if it has one.
    pub(super) account: Option<&'a AccountRow>,
    /// `wrong_credentials`, `wrong_code`, …
    pub(super) reason: &'static str,
}

impl Accounts {
    /// Where failures of somebody who is not signed in count.
    pub(super) fn lock_key(&self, email: &Email, _account: Option<&AccountRow>, _origin: &Origin) -> LockKey {
        LockKey::address(email)
    }

    /// Where failures of somebody who is signed in count: strangers cannot use them up, and whoever stole a session
    /// has no more tries than a stranger.
    pub(super) fn lock_key_of(&self, me: &Me, account: &AccountRow) -> LockKey {
        LockKey::session(&account.email, me.session)
    }

    /// Refuses while `key` is locked; nothing is compared then.
    pub(super) async fn check_lock(&self, key: &LockKey) -> Result<(), Error> {
        match self.store.locked_until(key, self.clock.now()).await? {
            Some(_) => Err(Error::Locked),
            None => Ok(()),
        }
    }

    /// Writes a wrong credential down and counts it; locks when it was one too many.
    pub(super) async fn count_failure(&self, failure: Failure<'_>, origin: &Origin) -> Result<(), Error> {
        let now = self.clock.now();
        let mut tx = Tx::new();
        let count = tx.count_failure(failure.key, &self.settings.lockout.rule(), now);
        let attempt = Attempt {
            email: failure.email,
            account: failure.account.map(|a| a.id),
            outcome: "failure",
            reason: failure.reason,
            at: now,
        };
        self.record(&mut tx, attempt, origin);
        let answer = self.store.commit(tx).await?.unwrap_or_default();
        let counted = answer.get(count).map(Vec::as_slice).unwrap_or_default();
        match locked_by(counted, now)? {
            Some(until) => self.tell_locked(failure.email, failure.account, until, origin).await,
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
            let link = Secret::new(self.page("/login/"));
            self.post(&mut tx, email, &Message::Locked { name: account.name.clone(), until, link });
        }
        self.store.commit(tx).await?;
        Ok(())
    }
}
