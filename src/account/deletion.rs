//! Closing the own account: signed out everywhere at once, deleted for good when the time to change one's mind is over.
//! The mailed link keeps the account. After the deletion the address is free; the identifier never comes back (J-23).

use super::{Accounts, Error, Me, Origin, PURGE_BATCH, change_email, reset_password};
use crate::mail::Message;
use crate::model::{RoleName, Secret, Timestamp};
use crate::store::{AccountRow, AuditEntry, CodeRow, SYSTEM_ACTOR, Tx};

/// What the mailed link is for.
pub(super) const PURPOSE: &str = "undo_deletion";
/// What a role grants that may do everything.
const EVERYTHING: &str = "*";

impl Accounts {
    /// Closes the account; when it will be deleted.
    ///
    /// # Errors
    /// [`Error::SignInFirst`], [`Error::ElevationRequired`]; [`Error::Conflict`] for the last person who may do
    /// everything; [`Error::Unavailable`].
    pub async fn close_account(&self, me: &Me, origin: &Origin) -> Result<Timestamp, Error> {
        let account = self.elevated(me).await?;
        let now = self.clock.now();
        let until = now.after(self.settings.deletion_undo);
        let mut tx = Tx::new();
        tx.close_account(account.id, until, &self.settings.roles_for_everything());
        for purpose in [reset_password::PURPOSE, change_email::PURPOSE] {
            tx.drop_codes(account.id, purpose);
        }
        let link = self.draw_undo(&mut tx, &account, now);
        let ending = self.end_sessions_within(&mut tx, account.id, None, "closed");
        self.audit(&mut tx, "account.closed", &account.id.to_string(), origin);
        let message = Message::Deletion { name: account.name.clone(), until, link };
        self.post(&mut tx, &account.email, &message);
        let last =
            Error::Conflict("last-admin", "Somebody else must be able to administer everything first.");
        self.commit_ending(tx, ending).await?.ok_or(last)?;
        Ok(until)
    }

    /// Makes the link that keeps the account; there is no code for it.
    fn draw_undo(&self, tx: &mut Tx, account: &AccountRow, now: Timestamp) -> Secret {
        let undo = self.settings.deletion_undo;
        let mailed = self.draw_pair(account.id, (undo, undo), now);
        tx.replace_code(&mailed.row, PURPOSE, 0, now);
        Secret::new(self.page(&format!("/undo-deletion/{}/{}/", account.id, mailed.link_token.expose())))
    }

    /// Whether the link would keep the account now. Changes nothing.
    ///
    /// # Errors
    /// [`Error::InvalidToken`] when it would not, [`Error::Unavailable`].
    pub async fn check_undo(&self, uid: &str, token: &str) -> Result<(), Error> {
        self.find_undo(uid, token).await.map(drop)
    }

    /// Keeps an account that its owner has closed.
    ///
    /// # Errors
    /// [`Error::InvalidToken`] when the link is unknown or used, or the account about to go; [`Error::Unavailable`].
    pub async fn undo_deletion(&self, uid: &str, token: &str, origin: &Origin) -> Result<(), Error> {
        let (account, row) = self.find_undo(uid, token).await?;
        let now = self.clock.now();
        let mut tx = Tx::new();
        tx.consume_code(row.id, now);
        tx.reopen_account(account.id, now);
        self.audit(&mut tx, "account.reopened", &account.id.to_string(), origin);
        self.store.commit(tx).await?.map(drop).ok_or(Error::InvalidToken)
    }

    async fn find_undo(&self, uid: &str, token: &str) -> Result<(AccountRow, CodeRow), Error> {
        let found = self.find_link(PURPOSE, uid, token).await?;
        if found.0.delete_at.is_some() { Ok(found) } else { Err(Error::InvalidToken) }
    }

    /// Deletes accounts whose time to undo is over, with everything that belongs to them; how many, at most
    /// [`PURGE_BATCH`].
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn delete_closed(&self) -> Result<u64, Error> {
        let now = self.clock.now();
        let due = self.store.accounts_to_delete(now, PURGE_BATCH).await?;
        for id in &due {
            let mut tx = Tx::new();
            // One that was reopened meanwhile stays.
            tx.delete_closed(*id, now);
            let entry = AuditEntry {
                at: now,
                actor: SYSTEM_ACTOR.to_owned(),
                action: "account.deleted",
                target: id.to_string(),
                ip: None,
                request_id: None,
                detail: "",
            };
            tx.audit(&entry, &*self.entropy);
            self.store.commit(tx).await?;
        }
        Ok(due.len() as u64)
    }
}

impl super::Settings {
    /// The roles that may do everything.
    pub(super) fn roles_for_everything(&self) -> Vec<RoleName> {
        let all = self.roles.iter().filter(|r| r.permissions.iter().any(|p| p == EVERYTHING));
        all.map(|r| r.name.clone()).collect()
    }
}
