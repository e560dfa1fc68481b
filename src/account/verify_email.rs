//! Proof of an address, by the mailed link or the mailed code. Looking at a link changes nothing; proving
//! uses the secret up, activates the account and writes the welcome mail in one transaction.

use super::mailed::Guess;
use super::pace::paced;
use super::register::{Addressee, LIFE, PURPOSE};
use super::{Accounts, Error, Origin, form};
use crate::mail::Message;
use crate::model::{AccountId, Email};
use crate::store::{AccountRow, CodeRow, Tx};

/// What a link and code know of themselves that were asked for again for an address registered in more than one way.
const ASKED_AGAIN: &str = "asked_again";

/// What follows the proof of an address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Proved {
    /// The person can sign in.
    Ready,
    /// The address was registered in more than one way; a mail to choose the password is on its way.
    ChoosePassword,
}

impl Accounts {
    /// Whether the link would prove the address now. Changes nothing.
    ///
    /// # Errors
    /// [`Error::InvalidToken`] when it would not, [`Error::Unavailable`].
    pub async fn check_link(&self, uid: &str, token: &str) -> Result<(), Error> {
        self.find_activation(uid, token).await.map(drop)
    }

    /// Proves the address by the mailed link: `uid` and `token` as they stand in it.
    ///
    /// # Errors
    /// [`Error::InvalidToken`] when the link is unknown, used, replaced or too old; [`Error::Unavailable`].
    pub async fn verify_by_link(&self, uid: &str, token: &str, origin: &Origin) -> Result<Proved, Error> {
        let found = self.find_activation(uid, token).await;
        self.prove(found, origin).await
    }

    /// Proves the address by the mailed code.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a text that is no address, [`Error::InvalidToken`] when the code is wrong, used,
    /// replaced or too old, or the address unknown; [`Error::Limited`]; [`Error::Unavailable`].
    pub async fn verify_by_code(&self, email: &str, code: &str, origin: &Origin) -> Result<Proved, Error> {
        let limits = &self.settings.rate_limits;
        self.throttle("verify-ip", &origin.ip.bucket().to_string(), limits.login).await?;
        let email = form::address(email)?;
        self.throttle("otp", email.as_str(), limits.otp).await?;
        let guess = Guess { purpose: PURPOSE, email: &email, code, usable: is_waiting };
        let found = self.find_code(guess, origin).await;
        self.prove(found, origin).await
    }

    /// Sends the activation mail again, with a new link and code; nothing is sent when the address has no account
    /// that waits for it. The same answer always.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a text that is no address, [`Error::Limited`] (known or unknown alike),
    /// [`Error::Unavailable`].
    pub async fn resend_verification(&self, email: &str, origin: &Origin) -> Result<(), Error> {
        let limits = &self.settings.rate_limits;
        self.throttle("resend-ip", &origin.ip.bucket().to_string(), limits.register).await?;
        let email = form::address(email)?;
        self.throttle("resend", email.as_str(), limits.resend).await?;
        paced(self.mail_again(&email, origin)).await
    }

    async fn mail_again(&self, email: &Email, origin: &Origin) -> Result<(), Error> {
        let _turn = self.single_file.turn(email).await?;
        let waiting = self.store.account_by_email(email).await?.filter(is_waiting);
        let now = self.clock.now();
        let mut tx = Tx::new();
        // The same work for an address that waits for nothing: a pair that is dropped, and a transaction.
        match &waiting {
            Some(account) => {
                let note = if account.contested { ASKED_AGAIN } else { "" };
                let to = Addressee { id: account.id, email, name: &account.name, note };
                self.mail_activation(&mut tx, &to, now);
            }
            None => drop(self.draw_mailed(AccountId::random(&*self.entropy), LIFE, now)),
        }
        let target = waiting.map_or_else(|| email.to_string(), |a| a.id.to_string());
        self.audit_stranger(&mut tx, "account.activation_asked", &target, origin);
        self.store.commit(tx).await?;
        Ok(())
    }

    async fn find_activation(&self, uid: &str, token: &str) -> Result<(AccountRow, CodeRow), Error> {
        let found = self.find_link(PURPOSE, uid, token).await?;
        if is_waiting(&found.0) { Ok(found) } else { Err(Error::InvalidToken) }
    }

    async fn prove(
        &self,
        found: Result<(AccountRow, CodeRow), Error>,
        origin: &Origin,
    ) -> Result<Proved, Error> {
        let result = match found {
            Ok((account, row)) => self.activate(&account, &row, origin).await,
            Err(e) => Err(e),
        };
        self.events.verification(if result.is_ok() { "success" } else { "failure" });
        result
    }

    async fn activate(&self, account: &AccountRow, row: &CodeRow, origin: &Origin) -> Result<Proved, Error> {
        let now = self.clock.now();
        let mut tx = Tx::new();
        // A newer registration has deleted the row that stood for an older one: then this fails, and what the
        // newer one set stays inactive.
        tx.consume_code(row.id, now);
        tx.activate_account(account.id, now);
        // Whatever stood there before the address was proved was not set by its owner.
        tx.drop_factors(account.id);
        self.audit(&mut tx, "account.activated", &account.id.to_string(), origin);
        let proved = if row.payload == ASKED_AGAIN {
            // Whose password it is nobody knows: the owner of the mailbox chooses one.
            tx.require_reset(account.id);
            self.post_reset(&mut tx, account);
            Proved::ChoosePassword
        } else {
            let welcome = Message::Welcome { name: account.name.clone(), home_link: self.page("/") };
            self.post(&mut tx, &account.email, &welcome);
            Proved::Ready
        };
        self.store.commit(tx).await?.map(|_| proved).ok_or(Error::InvalidToken)
    }
}

fn is_waiting(account: &AccountRow) -> bool {
    account.verified_at.is_none() && account.disabled_at.is_none()
}
