//! Another password for somebody who is signed in and knows the present one. Every other session ends, this one lives.

use super::lockout::Failure;
use super::password::{self, About};
use super::{Accounts, Error, FieldErrors, Me, NewPassword, Origin, change_email, reset_password};
use crate::mail::Message;
use crate::model::Secret;
use crate::store::{AccountRow, Tx};

/// A change as it was typed.
#[derive(Debug)]
pub struct ChangePassword {
    /// The present password.
    pub current: Secret,
    /// The one to come, twice.
    pub new: NewPassword,
}

impl Accounts {
    /// Changes the password.
    ///
    /// # Errors
    /// [`Error::SignInFirst`]; [`Error::Limited`]; [`Error::Invalid`] with every broken rule, also for a wrong present
    /// password; [`Error::Locked`] after too many of those; [`Error::Conflict`] when the password was changed from
    /// elsewhere meanwhile; [`Error::Busy`], [`Error::Unavailable`].
    pub async fn change_password(
        &self,
        me: &Me,
        typed: &ChangePassword,
        origin: &Origin,
    ) -> Result<(), Error> {
        let quota = self.settings.rate_limits.login;
        self.throttle("login", &format!("session:{}", me.session), quota).await?;
        let account = self.account_of(me).await?;
        self.check_change(&account, typed)?;
        let _turn = self.single_file.turn(&account.email).await?;
        self.prove_current(me, &account, &typed.current, origin).await?;
        let hash = self.hasher.hash(&typed.new.password).await?;
        self.put_password(me, &account, &hash, origin).await
    }

    fn check_change(&self, account: &AccountRow, typed: &ChangePassword) -> Result<(), Error> {
        let mut errors = FieldErrors::default();
        if typed.current.expose().is_empty() {
            errors.add("current_password", "required", "Enter your current password.");
        }
        let about = About { name: &account.name, email: Some(&account.email) };
        typed.new.check(about, &self.settings.password, &mut errors);
        // Both are at hand, so no hash is needed. It counts as soon as the current one is proved, and tells nothing else.
        if !typed.current.expose().is_empty() && password::are_same(&typed.current, &typed.new.password) {
            errors.add("new_password", "unchanged", "Choose a password that differs from the current one.");
        }
        errors.into_result()
    }

    /// Whoever has taken over a session gets no more guesses at the password than a stranger.
    async fn prove_current(
        &self,
        me: &Me,
        account: &AccountRow,
        current: &Secret,
        origin: &Origin,
    ) -> Result<(), Error> {
        let key = self.lock_key_of(me, account);
        self.check_lock(&key).await?;
        let oversize = password::is_oversize(current, self.settings.password.max_length);
        if !oversize && self.hasher.verify(&account.password_hash, current).await?.ok {
            return Ok(());
        }
        let failure =
            Failure { key: &key, email: &account.email, account: Some(account), reason: "wrong_credentials" };
        self.count_failure(failure, origin).await?;
        let mut errors = FieldErrors::default();
        errors.add("current_password", "wrong", "This is not your current password.");
        Err(Error::Invalid(errors))
    }

    async fn put_password(
        &self,
        me: &Me,
        account: &AccountRow,
        hash: &Secret,
        origin: &Origin,
    ) -> Result<(), Error> {
        let now = self.clock.now();
        let mut tx = Tx::new();
        tx.change_password(account.id, &account.password_hash, hash, now);
        tx.clear_failures(&self.lock_key_of(me, account), now);
        // What was mailed before says nothing about the password there is now.
        for purpose in [reset_password::PURPOSE, change_email::PURPOSE] {
            tx.drop_codes(account.id, purpose);
        }
        let ending = self.end_sessions_within(&mut tx, account.id, Some(me.session), "password_changed");
        tx.forget_other_devices(account.id, me.session);
        self.audit(&mut tx, "password.changed", &account.id.to_string(), origin);
        let message = Message::PasswordChanged {
            name: account.name.clone(),
            seen: origin.sighting(now),
            reset_link: self.page("/password-reset/"),
        };
        self.post(&mut tx, &account.email, &message);
        let changed =
            Error::Conflict("changed-meanwhile", "The password was changed from elsewhere meanwhile.");
        self.commit_ending(tx, ending).await?.ok_or(changed)
    }
}
