//! A new password for somebody else: the mail goes to the owner, and so does the choice.

use super::USERS_EDIT;
use crate::account::{Accounts, Error, Me, Origin};
use crate::model::AccountId;
use crate::store::Tx;

impl Accounts {
    /// Mails the owner a link to choose a new password, or the invitation again where no password was chosen yet.
    ///
    /// # Errors
    /// [`Error::SignInFirst`], [`Error::Forbidden`], [`Error::ElevationRequired`], [`Error::NotFound`],
    /// [`Error::BeyondYours`], [`Error::Conflict`] for an account that is switched off or closed,
    /// [`Error::Unavailable`].
    pub async fn send_reset(&self, me: &Me, id: AccountId, origin: &Origin) -> Result<(), Error> {
        let (actor, target) = self.actor_on(me, USERS_EDIT, id).await?;
        let now = self.clock.now();
        let mut tx = Tx::new();
        if target.waits_for_proof() {
            tx.renew_unverified(id, now);
            self.mail_invitation(&mut tx, (id, &target.email, &target.name), now);
            self.note(&mut tx, &actor, ("account.invited_again", id, ""), origin);
        } else if target.may_sign_in() {
            self.post_reset(&mut tx, &target);
            self.note(&mut tx, &actor, ("account.reset_sent", id, ""), origin);
        } else {
            return Err(Error::Conflict("not-active", "This account is switched off or closed."));
        }
        self.store.commit(tx).await?;
        Ok(())
    }
}
