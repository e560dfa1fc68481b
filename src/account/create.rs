//! Accounts made by the operator: active at once, without a mail.

use super::password::{self, About};
use super::register::PURPOSE;
use super::{Accounts, CreateUser, Error, FieldErrors, form};
use crate::model::AccountId;
use crate::store::{AuditEntry, NewAccount, Tx};

impl Accounts {
    /// Makes an account.
    ///
    /// # Errors
    /// [`Error::Invalid`] with every broken rule (also for an address that is taken and a role that the config does
    /// not have), [`Error::Busy`], [`Error::Unavailable`].
    pub async fn create_user(&self, wanted: CreateUser) -> Result<AccountId, Error> {
        let mut errors = FieldErrors::default();
        let name = form::name(&wanted.name, &mut errors);
        let email = form::email(&wanted.email, &mut errors);
        let about = About { name: &name, email: email.as_ref() };
        password::check("password", &wanted.password, about, &self.settings.password, &mut errors);
        let roles = self.settings.named_roles(&wanted.roles).unwrap_or_else(|unknown| {
            errors.add("roles", "unknown", format!("The config has no role {unknown:?}."));
            Vec::new()
        });
        errors.into_result()?;
        let Some(email) = email else { return Err(Error::Unavailable("no address".into())) };

        let hash = self.hasher.hash(&wanted.password).await?;
        let now = self.clock.now();
        // Whoever registered the address without proving it has no say over it.
        let pending = self.store.account_by_email(&email).await?.filter(|a| a.verified_at.is_none());
        let id = pending.as_ref().map_or_else(|| AccountId::random(&*self.entropy), |a| a.id);
        let account = NewAccount {
            id,
            email: &email,
            name: &name,
            password_hash: &hash,
            requested_role: None,
            roles: &roles,
            verified_at: Some(now),
            created_at: now,
        };
        let mut tx = Tx::new();
        if pending.is_some() {
            tx.replace_unverified(&account);
            tx.activate_account(id, now);
            tx.drop_codes(id, PURPOSE);
        } else {
            tx.insert_account(&account);
        }
        let entry = AuditEntry {
            at: now,
            actor: "operator".to_owned(),
            action: "account.created",
            target: id.to_string(),
            ip: None,
            request_id: None,
            detail: "",
        };
        tx.audit(&entry, &*self.entropy);
        if self.store.commit(tx).await?.is_some() {
            return Ok(id);
        }
        let mut taken = FieldErrors::default();
        taken.add("email", "taken", "There is an account with this address already.");
        Err(Error::Invalid(taken))
    }
}
