//! A new password for whoever can read the mail of an address.
//!
//! Asking gives the same answer and does the same work whether the address is known, unknown or was asked for too often:
//! one pair is drawn and one transaction written. Setting consumes the mailed pair in the transaction that changes the
//! password; second factors stay (M-14), sessions and locks end.
//!
//! **Accounts that wait for activation.** A reset proves the address as well as the activation mail does, and it sets
//! the password in the same moment: what a stranger registered is never activated by it. So a person whose address
//! was registered by somebody else has a safe way in, and an invited person a way to choose the first password.

use std::time::Duration;

use super::mailed::{Guess, Mailed};
use super::pace::paced;
use super::password::About;
use super::{Accounts, Error, FieldErrors, NewPassword, Origin, change_email, form, register};
use crate::mail::Message;
use crate::model::{AccountId, Email, Secret, Timestamp};
use crate::store::{AccountRow, CodeRow, Tx};

/// What the mailed pair is for.
pub(super) const PURPOSE: &str = "reset";
/// A link to the same page that an admin has sent to a person who has no password yet.
pub(super) const INVITATION: &str = "invite";
const LINK_MINUTES: u64 = 30;
const CODE_MINUTES: u64 = 15;
const TRIES: u32 = 5;

/// What shows that somebody reads the mail of an address.
#[derive(Debug)]
pub enum Proof {
    /// The two parts of the mailed link.
    Link {
        /// The account.
        uid: String,
        /// The secret part.
        token: Secret,
    },
    /// The mailed code.
    Code {
        /// The address it was mailed to.
        email: String,
        /// Six digits.
        code: Secret,
    },
}

/// A new password as it was typed, and the right to set it.
#[derive(Debug)]
pub struct Reset {
    /// The right.
    pub proof: Proof,
    /// The password, twice.
    pub new: NewPassword,
}

impl Accounts {
    /// Mails a link and a code to set a new password. The same answer always.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a text that is no address, [`Error::Limited`] for too many tries from one client
    /// address, [`Error::Unavailable`].
    pub async fn request_reset(&self, email: &str, origin: &Origin) -> Result<(), Error> {
        let limits = &self.settings.rate_limits;
        self.throttle("password_reset", &origin.ip.bucket().to_string(), limits.password_reset).await?;
        let email = form::address(email)?;
        paced(self.mail_reset(&email, origin)).await
    }

    async fn mail_reset(&self, email: &Email, origin: &Origin) -> Result<(), Error> {
        // Counted for every address and never shown: it would tell which of them has been asked for by its owner.
        let quota = self.settings.rate_limits.password_reset_account;
        let may_mail = self.take("password_reset_account", email.as_str(), quota).await?.allowed;
        let _turn = self.single_file.turn(email).await?;
        let account = self.store.account_by_email(email).await?.filter(may_reset);
        self.events.reset("requested");
        let mut tx = Tx::new();
        match &account {
            Some(account) if may_mail => self.post_reset(&mut tx, account),
            _ => drop(self.draw_reset(AccountId::random(&*self.entropy), self.clock.now())),
        }
        let target = account.map_or_else(|| email.to_string(), |a| a.id.to_string());
        self.audit_stranger(&mut tx, "password.reset_asked", &target, origin);
        self.store.commit(tx).await?;
        Ok(())
    }

    /// Makes a new link and code the only ones, and mails them.
    pub(super) fn post_reset(&self, tx: &mut Tx, account: &AccountRow) {
        let now = self.clock.now();
        let Mailed { link_token, code, row } = self.draw_reset(account.id, now);
        tx.replace_code(&row, PURPOSE, TRIES, now);
        let message = Message::Reset {
            name: account.name.clone(),
            link: Secret::new(self.page(&format!("/password-reset/{}/{}/", account.id, link_token.expose()))),
            code,
            link_minutes: LINK_MINUTES,
            code_minutes: CODE_MINUTES,
        };
        self.post(tx, &account.email, &message);
    }

    fn draw_reset(&self, account: AccountId, now: Timestamp) -> Mailed {
        let life = (Duration::from_mins(LINK_MINUTES), Duration::from_mins(CODE_MINUTES));
        self.draw_pair(account, life, now)
    }

    /// Whether the link would let somebody set a password now. Changes nothing.
    ///
    /// # Errors
    /// [`Error::InvalidToken`] when it would not, [`Error::Unavailable`].
    pub async fn check_reset_link(&self, uid: &str, token: &str) -> Result<(), Error> {
        self.find_reset_link(uid, token).await.map(drop)
    }

    /// Sets a new password.
    ///
    /// # Errors
    /// [`Error::Invalid`] with every rule the password breaks (nothing is used up then, except one try of the code when
    /// only name or address were the matter); [`Error::InvalidToken`] when link or code is wrong, used, replaced or too
    /// old; [`Error::Limited`] for codes; [`Error::Busy`], [`Error::Unavailable`].
    pub async fn reset_password(&self, reset: Reset, origin: &Origin) -> Result<(), Error> {
        let result = self.try_reset(&reset, origin).await;
        self.events.reset(if result.is_ok() { "done" } else { "failed" });
        result
    }

    async fn try_reset(&self, reset: &Reset, origin: &Origin) -> Result<(), Error> {
        // What is wrong without knowing whose it is comes first: it costs no try.
        self.check_new(&reset.new, About { name: "", email: None })?;
        let email = self.whose(&reset.proof, origin).await?;
        // One at a time: of many parallel uses only the first one is hashed.
        let _turn = self.single_file.turn(&email).await?;
        let (account, row) = self.prove_mailbox(&reset.proof, &email, origin).await?;
        self.check_new(&reset.new, About { name: &account.name, email: Some(&account.email) })?;
        let hash = self.hasher.hash(&reset.new.password).await?;
        self.set_anew(&account, &row, &hash, origin).await
    }

    fn check_new(&self, new: &NewPassword, about: About<'_>) -> Result<(), Error> {
        let mut errors = FieldErrors::default();
        new.check(about, &self.settings.password, &mut errors);
        errors.into_result()
    }

    async fn whose(&self, proof: &Proof, origin: &Origin) -> Result<Email, Error> {
        match proof {
            Proof::Link { uid, token } => Ok(self.find_reset_link(uid, token.expose()).await?.0.email),
            Proof::Code { email, .. } => {
                let limits = &self.settings.rate_limits;
                self.throttle("reset-ip", &origin.ip.bucket().to_string(), limits.login).await?;
                let email = form::address(email)?;
                self.throttle("otp", &format!("reset:{email}"), limits.otp).await?;
                Ok(email)
            }
        }
    }

    async fn prove_mailbox(
        &self,
        proof: &Proof,
        email: &Email,
        origin: &Origin,
    ) -> Result<(AccountRow, CodeRow), Error> {
        match proof {
            Proof::Link { uid, token } => self.find_reset_link(uid, token.expose()).await,
            Proof::Code { code, .. } => {
                let guess = Guess { purpose: PURPOSE, email, code: code.expose(), usable: may_reset };
                self.find_code(guess, origin).await
            }
        }
    }

    async fn find_reset_link(&self, uid: &str, token: &str) -> Result<(AccountRow, CodeRow), Error> {
        let found = match self.find_link(PURPOSE, uid, token).await {
            Err(Error::InvalidToken) => self.find_link(INVITATION, uid, token).await?,
            found => found?,
        };
        if may_reset(&found.0) { Ok(found) } else { Err(Error::InvalidToken) }
    }

    async fn set_anew(
        &self,
        account: &AccountRow,
        row: &CodeRow,
        hash: &Secret,
        origin: &Origin,
    ) -> Result<(), Error> {
        let now = self.clock.now();
        let invited = self.store.live_code(account.id, INVITATION).await?.is_some();
        let mut tx = Tx::new();
        tx.consume_code(row.id, now);
        tx.reset_password(account.id, hash, now);
        // One proof is enough for one password; and whoever held a session may have begun to move the account to
        // another address.
        for purpose in [PURPOSE, INVITATION, register::PURPOSE, change_email::PURPOSE] {
            tx.drop_codes(account.id, purpose);
        }
        tx.forget_locks(&account.email);
        let ending = self.end_sessions_within(&mut tx, account.id, None, "reset");
        let target = account.id.to_string();
        // Where the password was stolen, the thief has a device too.
        tx.forget_devices(account.id);
        if account.verified_at.is_none() {
            // Whatever a stranger may have set before the proof goes.
            tx.drop_factors(account.id);
            if account.contested && !invited {
                tx.reset_roles(account.id, &self.settings.default_role());
            }
            self.audit(&mut tx, "account.activated", &target, origin);
        }
        self.audit(&mut tx, "password.reset", &target, origin);
        self.post(&mut tx, &account.email, &self.told_reset(account, origin));
        self.commit_ending(tx, ending).await?.ok_or(Error::InvalidToken)
    }

    fn told_reset(&self, account: &AccountRow, origin: &Origin) -> Message {
        let name = account.name.clone();
        match account.verified_at {
            None => Message::Welcome { name, home_link: self.page("/") },
            Some(_) => Message::ResetDone { name, seen: origin.sighting(self.clock.now()) },
        }
    }
}

/// Also before activation; not what an admin has switched off or its owner has closed.
fn may_reset(account: &AccountRow) -> bool {
    account.disabled_at.is_none() && account.delete_at.is_none()
}
