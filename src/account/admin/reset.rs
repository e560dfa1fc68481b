//! A new password for somebody else: the mail goes to the owner, and so does the choice.

use super::USERS_EDIT;
use crate::account::mailed::Lifetimes;
use crate::account::{Accounts, Error, Me, Origin};
use crate::mail::Message;
use crate::model::{AccountId, Secret, Timestamp};
use crate::store::{AccountRow, Tx};

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
            self.mail_invitation(&mut tx, (id, &target.email, &target.name), now);
            self.note(&mut tx, &actor, ("account.invited_again", id, ""), origin);
        } else if target.may_sign_in() {
            self.mail_reset(&mut tx, &target, now);
            self.note(&mut tx, &actor, ("account.reset_sent", id, ""), origin);
        } else {
            return Err(Error::Conflict("not-active", "This account is switched off or closed."));
        }
        self.store.commit(tx).await?;
        Ok(())
    }

    /// Adds the mail with link and code that set a new password.
    fn mail_reset(&self, tx: &mut Tx, account: &AccountRow, now: Timestamp) {
        let life = Lifetimes { link_hours: 1, code_minutes: 15, tries: 5 };
        let mailed = self.draw_mailed(account.id, life, now);
        tx.replace_code(&mailed.row, "reset", life.tries, now);
        let link = self.page(&format!("/password-reset/{}/{}/", account.id, mailed.link_token.expose()));
        let message = Message::Reset {
            name: account.name.clone(),
            link: Secret::new(link),
            code: mailed.code,
            link_minutes: 60,
            code_minutes: life.code_minutes,
        };
        self.post(tx, &account.email, &message);
    }
}
