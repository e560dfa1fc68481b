//! Switching accounts on and off, opening them after a lock, deleting them.

use super::USERS_EDIT;
use super::actor::Actor;
use crate::account::{Accounts, Error, Me, Origin};
use crate::model::{AccountId, SessionId};
use crate::store::{AccountRow, Row, SessionsEnd, Tx};

/// What ends an account's part in everything.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Removal {
    Deactivate,
    Delete,
}

impl Accounts {
    /// Lets an account sign in: it is not switched off any more, and its address counts as proved. The password of an
    /// address that nobody has proved is not taken; its owner sets one by a reset. Nothing happens when the account is
    /// active already.
    ///
    /// # Errors
    /// [`Error::SignInFirst`], [`Error::Forbidden`], [`Error::ElevationRequired`], [`Error::NotFound`],
    /// [`Error::BeyondYours`], [`Error::Conflict`] for an account that its owner has closed, [`Error::Unavailable`].
    pub async fn activate_account(&self, me: &Me, id: AccountId, origin: &Origin) -> Result<(), Error> {
        let (actor, target) = self.actor_on(me, USERS_EDIT, id).await?;
        if target.delete_at.is_some() {
            return Err(Error::Conflict("closed-by-owner", "Its owner has closed this account."));
        }
        let mut tx = Tx::new();
        tx.enable_account(id, self.clock.now());
        if target.verified_at.is_none() {
            // Nobody has proved the address: whoever reads its mail chooses the password.
            tx.require_reset(id);
        }
        self.note(&mut tx, &actor, ("account.activated", id, ""), origin);
        self.store.commit(tx).await?;
        Ok(())
    }

    /// Switches an account off and ends all it has open. Nothing happens when it is off already.
    ///
    /// # Errors
    /// As [`Self::activate_account`]; [`Error::Conflict`] for the last admin.
    pub async fn deactivate_account(&self, me: &Me, id: AccountId, origin: &Origin) -> Result<(), Error> {
        let (actor, target) = self.actor_on(me, USERS_EDIT, id).await?;
        if target.disabled_at.is_some() {
            return Ok(());
        }
        self.remove(Removal::Deactivate, &actor, &target, origin).await
    }

    /// Deletes an account at once, with all that belongs to it.
    ///
    /// # Errors
    /// As [`Self::deactivate_account`].
    pub async fn delete_account(&self, me: &Me, id: AccountId, origin: &Origin) -> Result<(), Error> {
        let (actor, target) = self.actor_on(me, USERS_EDIT, id).await?;
        self.remove(Removal::Delete, &actor, &target, origin).await
    }

    async fn remove(
        &self,
        how: Removal,
        actor: &Actor,
        target: &AccountRow,
        origin: &Origin,
    ) -> Result<(), Error> {
        let (id, now) = (target.id, self.clock.now());
        let mut tx = Tx::new();
        let counts = self.begin_removal(&mut tx, target, now);
        // The account first: whoever signs in at this moment waits for its row, and is refused then.
        if how == Removal::Deactivate {
            tx.disable_account(id, now);
        }
        let ended = self.end_everything(&mut tx, id, "deactivated");
        tx.drop_all_codes(id);
        if how == Removal::Delete {
            tx.delete_account(id);
        }
        if counts {
            self.keep_an_admin(&mut tx);
        }
        let action = if how == Removal::Delete { "account.deleted" } else { "account.deactivated" };
        self.note(&mut tx, actor, (action, id, ""), origin);
        let written = self.store.commit(tx).await;
        if written.is_err() {
            // It may have been written all the same.
            self.forget_tokens(id, self.clock.now());
        }
        match written? {
            Some(rows) => self.forget_everything(id, Some(&rows), ended),
            None if counts => Err(self.why_kept(target, Error::NotFound).await),
            // Somebody else was faster.
            None => Ok(()),
        }
    }

    /// Opens an account after too many failures, for every device.
    ///
    /// # Errors
    /// As [`Self::activate_account`].
    pub async fn unlock_account(&self, me: &Me, id: AccountId, origin: &Origin) -> Result<(), Error> {
        let (actor, target) = self.actor_on(me, USERS_EDIT, id).await?;
        let mut tx = Tx::new();
        tx.forget_failures(&target.email);
        self.note(&mut tx, &actor, ("account.unlocked", id, ""), origin);
        self.store.commit(tx).await?;
        Ok(())
    }

    /// Adds the end of all sessions and access tokens of an account. After the commit comes
    /// [`Self::forget_everything`] with what this returns.
    pub(super) fn end_everything(&self, tx: &mut Tx, id: AccountId, reason: &'static str) -> usize {
        let now = self.clock.now();
        self.revoke_tokens(tx, id, now);
        let end = SessionsEnd { reason, now, until: self.last_token_ends(now) };
        tx.end_sessions_of(id, None, &end)
    }

    /// Lets the gate of this process know.
    pub(super) fn forget_everything(
        &self,
        id: AccountId,
        answer: Option<&[Vec<Row>]>,
        ended: usize,
    ) -> Result<(), Error> {
        let now = self.clock.now();
        let rows = answer.and_then(|rows| rows.get(ended)).map(Vec::as_slice).unwrap_or_default();
        let sessions = rows.iter().map(|row| row.parse(0)).collect::<Result<Vec<SessionId>, _>>()?;
        self.forget_sessions(&sessions, now);
        self.forget_tokens(id, now);
        Ok(())
    }
}
