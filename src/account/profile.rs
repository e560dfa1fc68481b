//! What a person sees and changes of the own account. Address and password have flows of their own.

use super::{Accounts, Error, FieldErrors, Me, Origin, User, form};
use crate::model::Timestamp;
use crate::store::{AccountRow, Tx};

/// An account as its owner sees it.
#[derive(Clone, Debug)]
pub struct Profile {
    /// Who, and what the roles grant.
    pub user: User,
    /// Whether the address was proved.
    pub email_verified: bool,
    /// A role that waits for an admin's approval.
    pub requested_role: Option<String>,
    /// When the account was made.
    pub created_at: Timestamp,
    /// When the password was last set.
    pub password_changed_at: Timestamp,
    /// Whether codes by mail are asked for.
    pub email_otp: bool,
    /// Whether codes from an app are asked for.
    pub totp: bool,
}

impl Accounts {
    /// The account of whoever asks.
    ///
    /// # Errors
    /// [`Error::SignInFirst`], [`Error::Unavailable`].
    pub async fn profile(&self, me: &Me) -> Result<Profile, Error> {
        Ok(self.profile_of(&self.account_of(me).await?))
    }

    /// Changes the full name. Tokens carry it from the next refresh on.
    ///
    /// # Errors
    /// [`Error::SignInFirst`]; [`Error::Invalid`] with what is wrong with the name; [`Error::Unavailable`].
    pub async fn rename(&self, me: &Me, name: &str, origin: &Origin) -> Result<Profile, Error> {
        let mut account = self.account_of(me).await?;
        let mut errors = FieldErrors::default();
        let name = form::name(name, &mut errors);
        errors.into_result()?;
        if name != account.name {
            let mut tx = Tx::new();
            tx.rename(account.id, &name);
            self.audit(&mut tx, "profile.changed", &account.id.to_string(), origin);
            self.store.commit(tx).await?.ok_or(Error::SignInFirst)?;
            account.name = name;
        }
        Ok(self.profile_of(&account))
    }

    pub(super) fn profile_of(&self, account: &AccountRow) -> Profile {
        Profile {
            user: self.settings.user(account),
            email_verified: account.verified_at.is_some(),
            requested_role: account.requested_role.clone(),
            created_at: account.created_at,
            password_changed_at: account.password_changed_at,
            email_otp: account.email_otp,
            totp: account.totp,
        }
    }
}
