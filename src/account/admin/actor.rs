//! Who asks. Permissions are those of the roles that the account holds now, not those in its token.

use super::super::trail::Line;
use crate::account::{Accounts, Error, Me, Origin, Settings};
use crate::model::{AccountId, Permission, RoleName};
use crate::store::{AccountRow, Tx};

/// Somebody who may do what was asked for.
pub(in crate::account) struct Actor {
    pub(super) id: AccountId,
    permissions: Vec<String>,
}

impl Actor {
    /// Whether one of the permissions held grants `wanted`, which may be a wildcard itself.
    fn has(&self, wanted: &str) -> bool {
        let Ok(wanted) = Permission::parse(wanted) else {
            return self.permissions.iter().any(|p| p == wanted);
        };
        self.permissions.iter().any(|held| Permission::parse(held).is_ok_and(|held| held.grants(&wanted)))
    }

    /// Refuses to give or take roles that only somebody who may do everything may: those that permit nothing by name, for
    /// rules can ask for a role itself, and those that demand a second factor.
    pub(super) fn may_deal(&self, roles: &[RoleName], settings: &Settings) -> Result<(), Error> {
        let guarded = |name: &RoleName| {
            settings.permissions_of(std::slice::from_ref(name)).next().is_none()
                || settings.second_factor.required_roles.contains(name)
        };
        if self.has("*") || !roles.iter().any(guarded) { Ok(()) } else { Err(Error::BeyondYours) }
    }

    /// Refuses to go beyond what the actor holds: otherwise one role could be turned into another.
    pub(super) fn covers<'a>(&self, permissions: impl IntoIterator<Item = &'a String>) -> Result<(), Error> {
        if permissions.into_iter().all(|p| self.has(p)) { Ok(()) } else { Err(Error::BeyondYours) }
    }
}

impl Accounts {
    /// Whoever asks, for looking at something.
    ///
    /// # Errors
    /// [`Error::SignInFirst`], [`Error::Forbidden`], [`Error::Unavailable`].
    pub(in crate::account) async fn viewer(&self, me: &Me, permission: &'static str) -> Result<Actor, Error> {
        let account = self.account_of(me).await?;
        let actor = Actor { id: account.id, permissions: self.settings.user(&account).permissions };
        if actor.has(permission) { Ok(actor) } else { Err(Error::Forbidden(permission)) }
    }

    /// Refuses whoever may not look at what `permission` is for.
    ///
    /// # Errors
    /// As [`Self::viewer`].
    pub async fn may(&self, me: &Me, permission: &'static str) -> Result<(), Error> {
        self.viewer(me, permission).await.map(drop)
    }

    /// Whoever asks, for changing something.
    ///
    /// # Errors
    /// [`Error::ElevationRequired`] besides those of [`Self::viewer`].
    pub(in crate::account) async fn actor(&self, me: &Me, permission: &'static str) -> Result<Actor, Error> {
        let actor = self.viewer(me, permission).await?;
        self.elevated(me).await?;
        Ok(actor)
    }

    /// Whoever asks, and the account to be changed.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::BeyondYours`] besides those of [`Self::actor`].
    pub(super) async fn actor_on(
        &self,
        me: &Me,
        permission: &'static str,
        id: AccountId,
    ) -> Result<(Actor, AccountRow), Error> {
        let actor = self.actor(me, permission).await?;
        let target = self.store.account_by_id(id).await?.ok_or(Error::NotFound)?;
        actor.covers(&self.settings.user(&target).permissions)?;
        Ok((actor, target))
    }

    /// Adds the audit line of a change.
    pub(super) fn note(
        &self,
        tx: &mut Tx,
        actor: &Actor,
        what: (&'static str, AccountId, &str),
        origin: &Origin,
    ) {
        let (action, target, detail) = what;
        self.audit_by(tx, Line { actor: actor.id, action, target: target.to_string(), detail }, origin);
    }
}
