//! The first admin: a one-time link that is printed where the gateway is started. There are no default credentials,
//! and of two who open it one wins (L-20).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::form;
use super::password::{self, About};
use super::{Accounts, Error, FieldErrors, Origin};
use crate::model::{AccountId, RoleName, Secret, constant_time_eq};
use crate::store::{NewAccount, Tx};

/// The first admin, as typed.
#[derive(Debug)]
pub struct Bootstrap {
    /// From the link.
    pub token: Secret,
    /// Full name.
    pub name: String,
    /// E-mail address.
    pub email: String,
    /// Password.
    pub password: Secret,
    /// The password again.
    pub password_confirm: Secret,
}

impl Accounts {
    /// The link that makes the first admin; `None` when there is an admin, the link was used, or no role holds every
    /// permission. Every node gets the same. For the operator's eyes only.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn bootstrap_link(&self) -> Result<Option<Secret>, Error> {
        let roles = self.settings.admin_roles();
        if roles.is_empty() || self.store.has_admin(&roles, None).await? {
            return Ok(None);
        }
        let open = self.store.open_bootstrap(self.entropy.bytes(), self.clock.now()).await?;
        // Behind '#', so that no proxy on the way and no log sees it.
        Ok(open.map(|nonce| Secret::new(self.page(&format!("/bootstrap/#{}", self.bootstrap_token(nonce))))))
    }

    /// Whether that link would make somebody an admin now. Changes nothing.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn bootstrap_open(&self) -> Result<bool, Error> {
        let roles = self.settings.admin_roles();
        let possible = !roles.is_empty() && self.store.bootstrap().await?.is_some();
        Ok(possible && !self.store.has_admin(&roles, None).await?)
    }

    fn bootstrap_token(&self, nonce: [u8; 32]) -> String {
        URL_SAFE_NO_PAD.encode(self.vault.mac("bootstrap", &[&nonce]))
    }

    /// Makes the first admin, active at once.
    ///
    /// # Errors
    /// [`Error::InvalidToken`] for a token that is wrong, used, or of no use because there is an admin;
    /// [`Error::Invalid`] with every broken rule; [`Error::Busy`]; [`Error::Unavailable`].
    pub async fn bootstrap(&self, wanted: Bootstrap, origin: &Origin) -> Result<AccountId, Error> {
        let login = self.settings.rate_limits.login;
        self.throttle("bootstrap-ip", &origin.ip.bucket().to_string(), login).await?;
        let mut errors = FieldErrors::default();
        let name = form::name(&wanted.name, &mut errors);
        let email = form::email(&wanted.email, &mut errors);
        let about = About { name: &name, email: email.as_ref() };
        password::check("password", &wanted.password, about, &self.settings.password, &mut errors);
        if wanted.password.expose() != wanted.password_confirm.expose() {
            errors.add("password_confirm", "mismatch", "The two passwords are not the same.");
        }
        errors.into_result()?;
        let Some(email) = email else { return Err(Error::Unavailable("no address".into())) };
        let (nonce, role) = self.open_way(&wanted.token).await?;
        let hash = self.hasher.hash(&wanted.password).await?;
        let account = NewAccount {
            id: AccountId::random(&*self.entropy),
            email: &email,
            name: &name,
            password_hash: &hash,
            requested_role: None,
            roles: &[role],
            verified_at: Some(self.clock.now()),
            created_at: self.clock.now(),
        };
        self.insert_first_admin(nonce, account, origin).await
    }

    async fn open_way(&self, token: &Secret) -> Result<([u8; 32], RoleName), Error> {
        let roles = self.settings.admin_roles();
        let nonce = self.store.bootstrap().await?.ok_or(Error::InvalidToken)?;
        let right = self.bootstrap_token(nonce);
        if !constant_time_eq(right.as_bytes(), token.expose().as_bytes())
            || self.store.has_admin(&roles, None).await?
        {
            return Err(Error::InvalidToken);
        }
        let role = roles.into_iter().next().ok_or(Error::InvalidToken)?;
        Ok((nonce, role))
    }

    async fn insert_first_admin(
        &self,
        nonce: [u8; 32],
        account: NewAccount<'_>,
        origin: &Origin,
    ) -> Result<AccountId, Error> {
        let (mut account, now) = (account, self.clock.now());
        // Whoever registered the address without proving it has no say over it.
        let known = self.store.account_by_email(account.email).await?;
        if known.as_ref().is_some_and(|a| a.verified_at.is_some()) {
            return Err(taken());
        }
        let mut tx = Tx::new();
        tx.use_bootstrap(nonce, now);
        tx.no_admin_yet(&self.settings.admin_roles());
        if let Some(pending) = known {
            account.id = pending.id;
            tx.replace_unverified(&account);
            tx.activate_account(account.id, now);
            tx.drop_all_codes(account.id);
        } else {
            tx.insert_account(&account);
        }
        self.audit(&mut tx, "account.bootstrapped", &account.id.to_string(), origin);
        self.store.commit(tx).await?.map(|_| account.id).ok_or(Error::InvalidToken)
    }
}

fn taken() -> Error {
    let mut errors = FieldErrors::default();
    errors.add("email", "taken", "There is an account with this address already.");
    Error::Invalid(errors)
}
