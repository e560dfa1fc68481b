//! Registration.
//!
//! The answer and the work are the same whether the address is new, waiting or taken: one hash, one transaction.
//! What differs goes by mail, to the owner of the address only.
//!
//! **Contested addresses.** Until an address is proved, anyone may register it, and the newest registration
//! holds all there is: it replaces name, password and role together with the mailed link and code, in one
//! transaction. A link therefore stands for exactly one registration, and whatever an earlier registrant had set is gone
//! when somebody registers again. Nobody can sign in before the proof, so there are no sessions to take over.
//! Whose the newest registration is cannot be known. Its mail names the person it was registered for and proves that one;
//! but a mail that was asked for again proves the address only, if it was registered in more than one way: it activates
//! no password, and the owner chooses one by the mail that follows. A reset before the proof does that in one step. What
//! is left is an owner who follows a mail that a stranger's registration has caused.
//!
//! An invited person cannot be registered over while the invitation is good: what an admin has set stays.
//!
//! Mails for one address have a cool-down. Within it, the same registration sent again (a double click) changes
//! nothing, so that the mail on its way stays good; a different one still replaces the data and ends the
//! old link, and the new link is had by asking for it ("resend").

use std::time::Duration;

use quick_cache::sync::Cache;

use super::mailed::{Lifetimes, Mailed};
use super::pace::paced;
use super::password::{self, About};
use super::reset_password::INVITATION;
use super::roles::Granted;
use super::{Accounts, Error, FieldErrors, Origin, Register, form};
use crate::limiter::Quota;
use crate::mail::Message;
use crate::model::{AccountId, Email, RoleName, Secret, Timestamp, constant_time_eq};
use crate::store::{AccountRow, NewAccount, Tx};

/// What the mailed secret is for.
pub(super) const PURPOSE: &str = "verify_email";
pub(super) const LIFE: Lifetimes = Lifetimes { link_hours: 24, code_minutes: 15, tries: 5 };
/// The notice to somebody whose address was registered again.
const NOTICE: Quota = Quota { limit: 1, window: Duration::from_hours(1) };
const REMEMBERED: usize = 10_000;

/// A fingerprint of the newest registration of an address, to know a double click by. Only a help: what is
/// forgotten is treated as a different registration.
pub(crate) struct Newest(Cache<Email, [u8; 32]>);

impl Newest {
    pub(super) fn new() -> Self {
        Self(Cache::new(REMEMBERED))
    }
}

/// A registration that breaks no rule.
struct Fresh {
    name: String,
    email: Email,
    granted: Granted,
    hash: Secret,
    fingerprint: [u8; 32],
    may_mail: bool,
}

/// Who gets an activation mail.
pub(super) struct Addressee<'a> {
    pub(super) id: AccountId,
    pub(super) email: &'a Email,
    pub(super) name: &'a str,
    /// What the proof shall know of it; empty for the mail of the registration itself.
    pub(super) note: &'static str,
}

impl Fresh {
    fn addressee(&self, id: AccountId) -> Addressee<'_> {
        Addressee { id, email: &self.email, name: &self.name, note: "" }
    }

    fn account(&self, id: AccountId, now: Timestamp) -> NewAccount<'_> {
        NewAccount {
            id,
            email: &self.email,
            name: &self.name,
            password_hash: &self.hash,
            requested_role: self.granted.requested.as_ref().map(RoleName::as_str),
            roles: &self.granted.roles,
            verified_at: None,
            created_at: now,
        }
    }
}

impl Accounts {
    /// Whether people make their accounts themselves.
    #[must_use]
    pub const fn registration_open(&self) -> bool {
        self.settings.registration.enabled
    }

    /// Registers a person. The same answer whether the address has an account or not.
    ///
    /// # Errors
    /// [`Error::RegistrationClosed`], [`Error::Limited`], [`Error::Invalid`] with every broken rule, [`Error::Busy`] before anything was hashed,
    /// [`Error::Unavailable`].
    pub async fn register(&self, typed: Register, origin: &Origin) -> Result<(), Error> {
        if !self.registration_open() {
            return Err(Error::RegistrationClosed);
        }
        self.throttle("register", &origin.ip.bucket().to_string(), self.settings.rate_limits.register)
            .await?;
        let (name, email, granted) = self.validate(&typed)?;
        let hash = self.hasher.hash(&typed.password).await?;
        let fingerprint = self.fingerprint(&name, &typed);
        paced(self.enter(Fresh { name, email, granted, hash, fingerprint, may_mail: false }, origin)).await
    }

    async fn enter(&self, mut fresh: Fresh, origin: &Origin) -> Result<(), Error> {
        let _turn = self.single_file.turn(&fresh.email).await?;
        // Counted on every path, so that the resend limit tells nothing either.
        let quota = self.settings.rate_limits.resend;
        fresh.may_mail = self.take("resend", fresh.email.as_str(), quota).await?.allowed;
        // Another node may register or activate the address between the look and the change: look again.
        for _ in 0..3 {
            if self.settle(&fresh, origin).await? {
                return Ok(());
            }
        }
        Err(Error::Unavailable("the address is being changed by others".into()))
    }

    fn validate(&self, typed: &Register) -> Result<(String, Email, Granted), Error> {
        let mut errors = FieldErrors::default();
        let name = form::name(&typed.name, &mut errors);
        let email = form::email(&typed.email, &mut errors);
        if let Some(email) = &email {
            form::domain(email, &self.settings.registration.domains, &mut errors);
        }
        let about = About { name: &name, email: email.as_ref() };
        password::check("password", &typed.password, about, &self.settings.password, &mut errors);
        if !constant_time_eq(typed.password.expose().as_bytes(), typed.password_confirm.expose().as_bytes()) {
            errors.add("password_confirm", "mismatch", "The two passwords differ.");
        }
        let granted = self.settings.pick_role(typed.role.as_deref());
        if granted.is_none() {
            errors.add("role", "not_available", "Choose one of the offered roles.");
        }
        match (email, granted) {
            (Some(email), Some(granted)) if errors.0.is_empty() => Ok((name, email, granted)),
            _ => Err(Error::Invalid(errors)),
        }
    }

    /// Keyed, and kept in memory only.
    fn fingerprint(&self, name: &str, typed: &Register) -> [u8; 32] {
        let role = typed.role.as_deref().unwrap_or_default();
        let parts = [name, typed.password.expose(), role];
        self.vault.mac("registration", &parts.map(str::as_bytes))
    }

    /// One transaction for whatever there is at the address; false when that changed meanwhile.
    async fn settle(&self, fresh: &Fresh, origin: &Origin) -> Result<bool, Error> {
        let now = self.clock.now();
        let found = self.store.account_by_email(&fresh.email).await?;
        let mut tx = Tx::new();
        let outcome = match &found {
            None => self.open_account(&mut tx, fresh, now, origin),
            Some(a) if a.verified_at.is_some() || a.disabled_at.is_some() => {
                self.tell_owner(&mut tx, a, now, origin).await?
            }
            Some(a) if self.is_invited(a.id, now).await? => self.tell_owner(&mut tx, a, now, origin).await?,
            Some(a) => self.take_over(&mut tx, fresh, a.id, now, origin),
        };
        let done = self.store.commit(tx).await?.is_some();
        if done {
            self.events.registration(outcome);
            self.newest.0.insert(fresh.email.clone(), fresh.fingerprint);
        }
        Ok(done)
    }

    async fn is_invited(&self, id: AccountId, now: Timestamp) -> Result<bool, Error> {
        let invitation = self.store.live_code(id, INVITATION).await?;
        Ok(invitation.is_some_and(|link| now < link.link_expires))
    }

    fn open_account(&self, tx: &mut Tx, fresh: &Fresh, now: Timestamp, origin: &Origin) -> &'static str {
        let id = AccountId::random(&*self.entropy);
        tx.insert_account(&fresh.account(id, now));
        self.mail_activation(tx, &fresh.addressee(id), now);
        self.audit_stranger(tx, "account.registered", &id.to_string(), origin);
        "new"
    }

    async fn tell_owner(
        &self,
        tx: &mut Tx,
        account: &AccountRow,
        now: Timestamp,
        origin: &Origin,
    ) -> Result<&'static str, Error> {
        // Drawn and dropped: the same work as for a new address.
        drop(self.draw_mailed(account.id, LIFE, now));
        self.audit_stranger(tx, "account.registered_again", &account.id.to_string(), origin);
        if self.take("registered-notice", account.email.as_str(), NOTICE).await?.allowed {
            let login_link = self.page("/login/");
            let message = Message::SomeoneRegistered { name: account.name.clone(), login_link };
            self.post(tx, &account.email, &message);
        }
        Ok("existing")
    }

    fn take_over(
        &self,
        tx: &mut Tx,
        fresh: &Fresh,
        id: AccountId,
        now: Timestamp,
        origin: &Origin,
    ) -> &'static str {
        let same = self.newest.0.get(&fresh.email) == Some(fresh.fingerprint);
        if same && !fresh.may_mail {
            self.audit_stranger(tx, "account.registration_repeated", &id.to_string(), origin);
            return "repeated";
        }
        tx.replace_unverified(&fresh.account(id, now));
        if !same {
            tx.contest(id);
        }
        self.audit_stranger(tx, "account.registration_replaced", &id.to_string(), origin);
        if fresh.may_mail {
            self.mail_activation(tx, &fresh.addressee(id), now);
        } else {
            tx.drop_codes(id, PURPOSE);
        }
        "replaced"
    }

    /// Makes a new link and code the only ones, and mails them.
    pub(super) fn mail_activation(&self, tx: &mut Tx, to: &Addressee<'_>, now: Timestamp) {
        let Mailed { link_token, code, mut row } = self.draw_mailed(to.id, LIFE, now);
        to.note.clone_into(&mut row.payload);
        tx.replace_code(&row, PURPOSE, LIFE.tries, now);
        let link = Secret::new(self.page(&format!("/verify-email/{}/{}/", to.id, link_token.expose())));
        let message = Message::Activation {
            name: to.name.to_owned(),
            link,
            code,
            link_hours: LIFE.link_hours,
            code_minutes: LIFE.code_minutes,
        };
        self.post(tx, to.email, &message);
    }
}
