//! Signing in with a password. The order is the rule: rate limit, look-up, lock, password, active or not, second
//! factor, session.
//! Until the password was right every answer is the same for known and unknown addresses.

use super::challenge::Waiting;
use super::lockout::Failure;
use super::pace::paced;
use super::password::is_oversize;
use super::session::Opening;
use super::trail::Attempt;
use super::{Accounts, Error, FieldErrors, Login, Origin, SignIn, form};
use crate::model::{Email, Secret};
use crate::store::{AccountRow, LockKey, Tx};

/// What the comparison came to.
struct Compared {
    right: bool,
    outdated: bool,
}

/// A person whose password was right.
struct Admitted {
    account: AccountRow,
    key: LockKey,
    outdated: bool,
}

impl Accounts {
    /// Signs a person in.
    ///
    /// # Errors
    /// [`Error::Limited`]; [`Error::Invalid`] for a text that is no address or an empty password;
    /// [`Error::Locked`]; [`Error::Busy`]; [`Error::WrongCredentials`]; after a right password
    /// [`Error::NotActivated`], [`Error::Deactivated`], [`Error::Closed`] and [`Error::ResetRequired`];
    /// [`Error::Unavailable`].
    pub async fn login(&self, typed: Login, origin: &Origin) -> Result<SignIn, Error> {
        self.throttle_login(&format!("ip:{}", origin.ip.bucket()), &typed.email, origin).await?;
        let email = validate(&typed)?;
        let subject = self.login_subject(&email, origin).await?;
        self.throttle_login(&subject, &typed.email, origin).await?;
        let _turn = self.single_file.turn(&email).await?;
        // The account may change under us (another node re-hashes, a reset): then everything is decided again.
        for _ in 0..3 {
            if let Some(signed_in) = self.attempt(&email, &typed, origin).await? {
                return Ok(signed_in);
            }
        }
        Err(Error::Unavailable("the account is being changed by others".into()))
    }

    /// One pass through the order above; `None` when the account changed between look-up and session.
    async fn attempt(&self, email: &Email, typed: &Login, origin: &Origin) -> Result<Option<SignIn>, Error> {
        let account = self.store.account_by_email(email).await?;
        let key = self.lock_key(email, account.as_ref(), origin).await?;
        // While it is locked nothing is compared: the answer does not depend on the password, and is the same for
        // addresses without an account, so there is no difference in time to hide.
        self.refuse_while_locked(&key, email, account.as_ref(), origin).await?;
        let compared = self.compare(account.as_ref(), &typed.password).await?;
        match account {
            Some(account) if compared.right => {
                let admitted = Admitted { account, key, outdated: compared.outdated };
                self.admit(&admitted, typed, origin).await
            }
            account => {
                let account = account.as_ref();
                let failure = Failure { key: &key, email, account, reason: "wrong_credentials" };
                // The failure that locks writes a mail for those who have an account: not to be seen in the time (L-01).
                paced(self.count_failure(failure, origin)).await?;
                Err(Error::WrongCredentials)
            }
        }
    }

    async fn compare(&self, account: Option<&AccountRow>, password: &Secret) -> Result<Compared, Error> {
        let wrong = Compared { right: false, outdated: false };
        if is_oversize(password, self.settings.password.max_length) {
            return Ok(wrong);
        }
        let Some(account) = account else {
            self.hasher.verify_dummy(password).await?;
            return Ok(wrong);
        };
        let verified = self.hasher.verify(&account.password_hash, password).await?;
        Ok(Compared { right: verified.ok, outdated: verified.outdated })
    }

    /// The password was right.
    async fn admit(
        &self,
        admitted: &Admitted,
        typed: &Login,
        origin: &Origin,
    ) -> Result<Option<SignIn>, Error> {
        let account = &admitted.account;
        let refused = match account {
            a if a.verified_at.is_none() => Some(Error::NotActivated),
            a if a.disabled_at.is_some() => Some(Error::Deactivated),
            a if a.delete_at.is_some() => Some(Error::Closed),
            a if a.must_reset => Some(Error::ResetRequired),
            _ => None,
        };
        if let Some(why) = refused {
            return Err(self.refuse(&account.email, Some(account), why, origin).await?);
        }
        // A full queue is no reason to turn somebody away whose password is known to be right.
        let renewed = if admitted.outdated { self.hasher.hash(&typed.password).await.ok() } else { None };
        let mut tx = Tx::new();
        let hash = renewed.as_ref().unwrap_or(&account.password_hash);
        tx.admit_account(account.id, &account.password_hash, hash);
        let methods = self.methods(account).await?;
        if !methods.is_empty() && !self.trusted_device(account, origin).await? {
            let waiting = Waiting { account, hash, methods, keep: typed.keep, browser: typed.browser };
            return Ok(self.begin_challenge(tx, waiting, origin).await?.map(SignIn::Challenge));
        }
        // Only a whole sign-in forgives failures: a right password alone must not buy more guesses at a code (M-04).
        tx.clear_failures(&admitted.key, self.clock.now());
        if methods.is_empty() {
            // Nobody has switched on a factor since we looked.
            tx.need_no_factor(account.id);
        }
        let opening = Opening { account, amr: "pwd", keep: typed.keep, reason: "password" };
        let signed_in = self.open_session(tx, opening, origin).await?;
        Ok(signed_in.map(|s| SignIn::Done(Box::new(s))))
    }

    /// Refuses while `key` is locked, and writes that down.
    pub(super) async fn refuse_while_locked(
        &self,
        key: &LockKey,
        email: &Email,
        account: Option<&AccountRow>,
        origin: &Origin,
    ) -> Result<(), Error> {
        match self.check_lock(key).await {
            Err(Error::Locked) => Err(self.refuse(email, account, Error::Locked, origin).await?),
            other => other,
        }
    }

    /// Writes down a refusal that is no wrong credential, and hands it back.
    async fn refuse(
        &self,
        email: &Email,
        account: Option<&AccountRow>,
        why: Error,
        origin: &Origin,
    ) -> Result<Error, Error> {
        let reason = match why {
            Error::NotActivated => "not_activated",
            Error::Deactivated => "deactivated",
            Error::Closed => "closed",
            Error::ResetRequired => "reset_required",
            _ => "locked",
        };
        let mut tx = Tx::new();
        let attempt = Attempt {
            email,
            account: account.map(|a| a.id),
            outcome: "failure",
            reason,
            at: self.clock.now(),
        };
        self.record(&mut tx, attempt, origin);
        self.store.commit(tx).await?;
        Ok(why)
    }
}

fn validate(typed: &Login) -> Result<Email, Error> {
    let mut errors = FieldErrors::default();
    let email = form::email(&typed.email, &mut errors);
    if typed.password.expose().is_empty() {
        errors.add("password", "required", "Enter your password.");
    }
    match email {
        Some(email) if errors.0.is_empty() => Ok(email),
        _ => Err(Error::Invalid(errors)),
    }
}
