//! Accounts that an admin makes: the person chooses the password, by a mailed link; the admin never knows one.

use super::actor::Actor;
use super::roles::list;
use super::{Person, USERS_EDIT};
use crate::account::mailed::Lifetimes;
use crate::account::reset_password::INVITATION;
use crate::account::{Accounts, Error, FieldErrors, Me, Origin, form};
use crate::mail::Message;
use crate::model::{AccountId, Email, RoleName, Secret, Timestamp};
use crate::store::{AccountRow, NewAccount, Tx};

/// As long as an account that was never activated stays.
const LINK_HOURS: u64 = 7 * 24;

/// An account to be made by an admin.
#[derive(Clone, Debug)]
pub struct Invite {
    /// E-mail address.
    pub email: String,
    /// Full name.
    pub name: String,
    /// The roles; empty: the default role.
    pub roles: Vec<String>,
}

impl Accounts {
    /// Makes an account that waits for its owner to choose a password, and mails the link for that.
    ///
    /// # Errors
    /// [`Error::SignInFirst`], [`Error::Forbidden`], [`Error::ElevationRequired`], [`Error::BeyondYours`],
    /// [`Error::Invalid`] with every broken rule (also for an address that is taken and roles that the config does not
    /// have), [`Error::Busy`], [`Error::Unavailable`].
    pub async fn invite(&self, me: &Me, wanted: Invite, origin: &Origin) -> Result<Person, Error> {
        let actor = self.actor(me, USERS_EDIT).await?;
        let mut errors = FieldErrors::default();
        let name = form::name(&wanted.name, &mut errors);
        let email = form::email(&wanted.email, &mut errors);
        let roles = match wanted.roles.as_slice() {
            [] => self.settings.named_roles(&[]).unwrap_or_default(),
            names => match self.settings.known_roles(names) {
                Err(Error::Invalid(unknown)) => {
                    errors.0.extend(unknown.0);
                    Vec::new()
                }
                known => known?,
            },
        };
        errors.into_result()?;
        let Some(email) = email else { return Err(Error::Unavailable("no address".into())) };
        actor.covers(self.settings.permissions_of(&roles))?;
        actor.may_deal(&roles, &self.settings)?;
        let id = self.insert_invited(&actor, (&email, &name, &roles), origin).await?;
        let account = self.store.account_by_id(id).await?.ok_or(Error::NotFound)?;
        self.describe(account).await
    }

    async fn insert_invited(
        &self,
        actor: &Actor,
        (email, name, roles): (&Email, &str, &[RoleName]),
        origin: &Origin,
    ) -> Result<AccountId, Error> {
        // Nobody has ever seen it.
        let password = Secret::new(hex(&self.entropy.bytes::<32>()));
        let hash = self.hasher.hash(&password).await?;
        let now = self.clock.now();
        // Whoever registered the address without proving it has no say over it.
        let pending = self.store.account_by_email(email).await?.filter(|a| a.verified_at.is_none());
        let id = pending.as_ref().map_or_else(|| AccountId::random(&*self.entropy), |a| a.id);
        let account = NewAccount {
            id,
            email,
            name,
            password_hash: &hash,
            requested_role: None,
            roles,
            verified_at: None,
            created_at: now,
        };
        let mut tx = Tx::new();
        if let Some(pending) = &pending {
            actor.covers(&self.settings.user(pending).permissions)?;
            tx.replace_unverified(&account);
            tx.drop_all_codes(id);
        } else {
            tx.insert_account(&account);
        }
        self.mail_invitation(&mut tx, (id, email, name), now);
        self.note(&mut tx, actor, ("account.invited", id, &format!("roles: {}", list(roles))), origin);
        if self.store.commit(tx).await?.is_some() {
            return Ok(id);
        }
        let mut taken = FieldErrors::default();
        taken.add("email", "taken", "There is an account with this address already.");
        Err(Error::Invalid(taken))
    }

    /// Adds the mail with the link that sets the first password; a link before it ends.
    pub(super) fn mail_invitation(&self, tx: &mut Tx, to: (AccountId, &Email, &str), now: Timestamp) {
        let (id, email, name) = to;
        let life = Lifetimes { link_hours: LINK_HOURS, code_minutes: 0, tries: 0 };
        let mailed = self.draw_mailed(id, life, now);
        tx.replace_code(&mailed.row, INVITATION, life.tries, now);
        let link = self.page(&format!("/password-reset/{id}/{}/", mailed.link_token.expose()));
        let message =
            Message::Invited { name: name.to_owned(), link: Secret::new(link), link_hours: LINK_HOURS };
        self.post(tx, email, &message);
    }
}

impl AccountRow {
    /// Whether a link that sets the first password may still be sent.
    pub(super) fn waits_for_proof(&self) -> bool {
        self.verified_at.is_none() && self.disabled_at.is_none()
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}
