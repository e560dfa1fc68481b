//! When an address stops answering: after so many failures in a row, for a time that doubles with each lock. Known and
//! unknown addresses are counted and locked alike; the count is in the store, shared by all nodes and still there
//! after a restart.
//!
//! Locking must not shut the owner out (L-09): a device the account has signed in on before has a counter of its own, so
//! has each open session, and the mail about a lock carries a link that opens it. Counting, locking, its audit line and
//! its mail are one transaction.

use super::device::Standing;
use super::trail::Attempt;
use super::{Accounts, Error, LockoutSettings, Me, Origin};
use crate::mail::Message;
use crate::model::{Email, Secret, Timestamp};
use crate::store::{AccountRow, FailureRow, LockKey, Tx};

/// The purpose of the link that opens a locked account.
pub(super) const UNLOCK: &str = "unlock";

/// So often may others change the same counter before we can: each of them has counted a failure or cleared it.
const TRIES: usize = 64;

impl LockoutSettings {
    /// The counter after one more failure; `None` while it is locked: such failures do not count.
    ///
    /// Failures count together while less than `within` lies between one and the next. That is a little stricter than
    /// a window, and cannot be cheated by straddling the window's end.
    fn after_failure(&self, seen: Option<FailureRow>, now: Timestamp) -> Option<FailureRow> {
        let none = FailureRow {
            failures: 0,
            window_start: now,
            locked_until: Timestamp::default(),
            locks: 0,
            updated_at: now,
        };
        let seen = seen.unwrap_or(none);
        if seen.locked_until > now {
            return None;
        }
        let alone = seen.failures == 0 || now.since(seen.updated_at) >= self.within;
        let failures = if alone { 1 } else { seen.failures.saturating_add(1) };
        let window_start = if alone { now } else { seen.window_start };
        let counted = FailureRow { failures, window_start, updated_at: now, ..seen };
        if failures < self.failures.max(1) {
            return Some(counted);
        }
        let locked_until = now.after(self.length(seen.locks));
        Some(FailureRow { failures: 0, locked_until, locks: seen.locks.saturating_add(1), ..counted })
    }

    /// How long a lock lasts after `locks` others.
    fn length(&self, locks: u32) -> std::time::Duration {
        let factor = 1u32.checked_shl(locks.min(30)).unwrap_or(u32::MAX);
        self.duration.saturating_mul(factor).min(self.max_duration)
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
    /// Where failures of somebody who is not signed in count: on the device, if the account has signed in there before,
    /// else on the address.
    pub(super) async fn lock_key(
        &self,
        email: &Email,
        account: Option<&AccountRow>,
        origin: &Origin,
    ) -> Result<LockKey, Error> {
        Ok(match self.standing_at(account.map(|a| a.id), origin).await? {
            Standing::Known(device) => LockKey::device(email, device),
            Standing::Other => LockKey::address(email),
        })
    }

    /// Where failures of somebody who is signed in count: strangers cannot use them up, and whoever stole a session
    /// has no more tries than a stranger.
    #[expect(clippy::unused_self, reason = "called like `lock_key`, beside which it stands")]
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
        self.events.login("failure", failure.reason);
        for _ in 0..TRIES {
            let now = self.clock.now();
            let mut tx = Tx::new();
            self.write_attempt(&mut tx, failure.attempt(now), origin);
            let seen = self.store.failures(failure.key).await?;
            let next = self.settings.lockout.after_failure(seen, now);
            let mut locks = false;
            if let Some(next) = next {
                tx.set_failures(failure.key, seen.as_ref(), &next);
                locks = next.locked_until > now;
                if locks {
                    self.tell_locked(&mut tx, &failure, next.locked_until, origin);
                }
            }
            if self.store.commit(tx).await?.is_some() {
                if locks {
                    self.events.lockout();
                }
                return Ok(());
            }
        }
        Err(Error::Unavailable("the failures of this address are being counted by others".into()))
    }

    fn tell_locked(&self, tx: &mut Tx, failure: &Failure<'_>, until: Timestamp, origin: &Origin) {
        let target = failure.account.map_or_else(|| failure.email.to_string(), |a| a.id.to_string());
        self.audit_stranger(tx, "account.locked", &target, origin);
        // Only to proved addresses: a stranger must not be able to have mail sent to just anybody.
        let Some(account) = failure.account.filter(|a| a.verified_at.is_some()) else { return };
        let (token, row) = self.draw_link(account.id, until);
        tx.drop_codes(account.id, UNLOCK);
        tx.insert_link(&row, UNLOCK, self.clock.now());
        let link = Secret::new(self.page(&format!("/unlock/{}/{}/", account.id, token.expose())));
        self.post(tx, failure.email, &Message::Locked { name: account.name.clone(), until, link });
    }
}

impl<'a> Failure<'a> {
    fn attempt(&self, at: Timestamp) -> Attempt<'a> {
        Attempt {
            email: self.email,
            account: self.account.map(|a| a.id),
            outcome: "failure",
            reason: self.reason,
            at,
        }
    }
}
