//! Proof of an address, by the mailed link or the mailed code. Looking at a link changes nothing; proving
//! uses the secret up, activates the account and writes the welcome mail in one transaction.

use super::mailed::link_hash;
use super::register::PURPOSE;
use super::{Accounts, Error, FieldErrors, Origin, form};
use crate::mail::Message;
use crate::model::{AccountId, Email, constant_time_eq};
use crate::store::{AccountRow, CodeRow, Tx};

impl Accounts {
    /// Whether the link would prove the address now. Changes nothing.
    ///
    /// # Errors
    /// [`Error::InvalidToken`] when it would not, [`Error::Unavailable`].
    pub async fn check_link(&self, uid: &str, token: &str) -> Result<(), Error> {
        self.find_link(uid, token).await.map(drop)
    }

    /// Proves the address by the mailed link: `uid` and `token` as they stand in it.
    ///
    /// # Errors
    /// [`Error::InvalidToken`] when the link is unknown, used, replaced or too old; [`Error::Unavailable`].
    pub async fn verify_by_link(&self, uid: &str, token: &str, origin: &Origin) -> Result<(), Error> {
        let found = self.find_link(uid, token).await;
        self.prove(found, origin).await
    }

    /// Proves the address by the mailed code.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a text that is no address, [`Error::InvalidToken`] when the code is wrong, used,
    /// replaced or too old, or the address unknown; [`Error::Limited`]; [`Error::Unavailable`].
    pub async fn verify_by_code(&self, email: &str, code: &str, origin: &Origin) -> Result<(), Error> {
        let limits = &self.settings.rate_limits;
        self.throttle("verify-ip", &origin.ip.bucket().to_string(), limits.login).await?;
        let email = one_address(email)?;
        self.throttle("otp", email.as_str(), limits.otp).await?;
        let found = self.find_code(&email, code).await;
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
        let email = one_address(email)?;
        self.throttle("resend", email.as_str(), limits.resend).await?;
        let _turn = self.single_file.turn(&email).await;
        let waiting = self.store.account_by_email(&email).await?.filter(is_waiting);
        let Some(account) = waiting else { return Ok(()) };
        let mut tx = Tx::new();
        self.mail_activation(&mut tx, account.id, &email, &account.name, self.clock.now());
        self.audit(&mut tx, "account.activation_resent", &account.id.to_string(), origin);
        self.store.commit(tx).await?;
        Ok(())
    }

    async fn find_link(&self, uid: &str, token: &str) -> Result<(AccountRow, CodeRow), Error> {
        let id: AccountId = uid.parse().map_err(|_| Error::InvalidToken)?;
        let hash = link_hash(token).ok_or(Error::InvalidToken)?;
        let row = self.store.live_code(id, PURPOSE).await?.ok_or(Error::InvalidToken)?;
        let live = self.clock.now() < row.link_expires && constant_time_eq(&row.link_hash, &hash);
        let account = self.store.account_by_id(id).await?.filter(is_waiting).ok_or(Error::InvalidToken)?;
        if live { Ok((account, row)) } else { Err(Error::InvalidToken) }
    }

    async fn find_code(&self, email: &Email, code: &str) -> Result<(AccountRow, CodeRow), Error> {
        let account =
            self.store.account_by_email(email).await?.filter(is_waiting).ok_or(Error::InvalidToken)?;
        let row = self.store.live_code(account.id, PURPOSE).await?.ok_or(Error::InvalidToken)?;
        // The try is gone before the comparison: parallel guesses get no more of them than single ones.
        let tried = self.store.take_code_try(row.id, self.clock.now()).await?;
        let right = constant_time_eq(&row.code_hash, &self.code_mac(row.id, code.trim()));
        if tried && right { Ok((account, row)) } else { Err(Error::InvalidToken) }
    }

    async fn prove(&self, found: Result<(AccountRow, CodeRow), Error>, origin: &Origin) -> Result<(), Error> {
        let result = match found {
            Ok((account, row)) => self.activate(&account, &row, origin).await,
            Err(e) => Err(e),
        };
        self.events.verification(if result.is_ok() { "success" } else { "failure" });
        result
    }

    async fn activate(&self, account: &AccountRow, row: &CodeRow, origin: &Origin) -> Result<(), Error> {
        let now = self.clock.now();
        let mut tx = Tx::new();
        // A newer registration has deleted the row that stood for an older one: then this fails, and what the
        // newer one set stays inactive.
        tx.consume_code(row.id, now);
        tx.activate_account(account.id, now);
        // Whatever stood there before the address was proved was not set by its owner.
        tx.drop_factors(account.id);
        self.audit(&mut tx, "account.activated", &account.id.to_string(), origin);
        let welcome = Message::Welcome { name: account.name.clone(), home_link: self.page("/") };
        self.post(&mut tx, &account.email, &welcome);
        let done = self.store.commit(tx).await?;
        done.map(drop).ok_or(Error::InvalidToken)
    }
}

fn is_waiting(account: &AccountRow) -> bool {
    account.verified_at.is_none() && account.disabled_at.is_none()
}

fn one_address(text: &str) -> Result<Email, Error> {
    let mut errors = FieldErrors::default();
    form::email(text, &mut errors).ok_or(Error::Invalid(errors))
}
