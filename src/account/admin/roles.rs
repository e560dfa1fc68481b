//! The roles of a person.

use super::USERS_EDIT;
use crate::account::{Accounts, Error, FieldErrors, Me, Origin, Settings};
use crate::model::{AccountId, RoleName};
use crate::store::Tx;

/// Somebody has changed the same thing at the same time.
pub(super) const CHANGED: Error = Error::Conflict(
    "changed-meanwhile",
    "Somebody else has changed this meanwhile. Look again, then try again.",
);

impl Settings {
    /// The permissions of the named roles; roles that the config does not have grant nothing.
    pub(super) fn permissions_of<'a>(&'a self, names: &'a [RoleName]) -> impl Iterator<Item = &'a String> {
        let named = self.roles.iter().filter(|role| names.contains(&role.name));
        named.flat_map(|role| role.permissions.iter())
    }

    /// The named roles, each once and sorted.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a name that the config does not have.
    pub(super) fn known_roles(&self, names: &[String]) -> Result<Vec<RoleName>, Error> {
        let mut errors = FieldErrors::default();
        let mut roles = Vec::new();
        for name in names {
            match self.roles.iter().find(|role| role.name.as_str() == name) {
                Some(role) => roles.push(role.name.clone()),
                None => errors.add("roles", "unknown", "The config has no role of that name."),
            }
        }
        errors.into_result()?;
        roles.sort();
        roles.dedup();
        Ok(roles)
    }
}

impl Accounts {
    /// Sets the roles of a person. They count at once: access tokens made before end, sessions live on.
    ///
    /// # Errors
    /// [`Error::SignInFirst`], [`Error::Forbidden`], [`Error::ElevationRequired`], [`Error::NotFound`],
    /// [`Error::BeyondYours`] when the person, or a role that comes or goes, has a permission that the actor lacks;
    /// [`Error::Invalid`] for unknown roles, [`Error::Conflict`] for the last admin, [`Error::Unavailable`].
    pub async fn set_roles(
        &self,
        me: &Me,
        id: AccountId,
        names: &[String],
        origin: &Origin,
    ) -> Result<(), Error> {
        let (actor, target) = self.actor_on(me, USERS_EDIT, id).await?;
        let wanted = self.settings.known_roles(names)?;
        let come: Vec<_> = wanted.iter().filter(|r| !target.roles.contains(r)).cloned().collect();
        let go: Vec<_> = target.roles.iter().filter(|r| !wanted.contains(r)).cloned().collect();
        actor.covers(self.settings.permissions_of(&come))?;
        actor.may_deal(&come, &self.settings)?;
        actor.may_deal(&go, &self.settings)?;
        if come.is_empty() && go.is_empty() {
            return Ok(());
        }
        let now = self.clock.now();
        let mut tx = Tx::new();
        let demoted = self.settings.any_admin(&go) && !self.settings.any_admin(&wanted);
        let counts = demoted && self.begin_removal(&mut tx, &target, now);
        // Only what differs, each on the condition that it still does: the audit line says what really happened.
        for role in &go {
            tx.take_role(id, role);
        }
        for role in &come {
            tx.grant_role(id, role);
        }
        if counts {
            self.keep_an_admin(&mut tx);
        }
        self.revoke_tokens(&mut tx, id, now);
        let detail = format!("old: {}; new: {}", list(&target.roles), list(&wanted));
        self.note(&mut tx, &actor, ("account.roles", id, &detail), origin);
        let written = self.store.commit(tx).await;
        if !matches!(written, Ok(None)) {
            // Also when no answer came: it may have been written. The time after the commit: a token that was made
            // meanwhile has the old roles too.
            self.forget_tokens(id, self.clock.now());
        }
        match written? {
            Some(_) => {}
            None if counts => return Err(self.why_kept(&target, CHANGED).await),
            None => return Err(CHANGED),
        }
        Ok(())
    }
}

/// The names with commas.
pub(super) fn list(roles: &[RoleName]) -> String {
    let names: Vec<_> = roles.iter().map(|role| role.as_str()).collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}
