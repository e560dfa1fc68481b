//! Somebody who may sign in and holds every permission must stay: otherwise nobody could give it back.

use crate::account::{Accounts, Error, Settings};
use crate::model::{RoleName, Timestamp};
use crate::store::{AccountRow, Tx};

const KIND: &str = "last-admin";
const DETAIL: &str =
    "This is the last account that holds every permission. Give another one such a role first.";

impl Settings {
    /// The roles that hold every permission, in the order of the config.
    pub(in crate::account) fn admin_roles(&self) -> Vec<RoleName> {
        let all = |role: &&super::super::RoleRegistration| role.permissions.iter().any(|p| p == "*");
        self.roles.iter().filter(all).map(|role| role.name.clone()).collect()
    }

    /// Whether one of the roles holds every permission.
    pub(in crate::account) fn any_admin(&self, roles: &[RoleName]) -> bool {
        self.admin_roles().iter().any(|admin| roles.contains(admin))
    }
}

impl Accounts {
    /// Begins a transaction that takes away what `target` is. True: [`Self::keep_an_admin`] has to follow the change.
    pub(in crate::account) fn begin_removal(&self, tx: &mut Tx, target: &AccountRow, now: Timestamp) -> bool {
        let counts = target.may_sign_in() && self.settings.any_admin(&target.roles);
        if counts {
            tx.queue_for_admins(now);
        }
        counts
    }

    /// Makes the transaction fail when it would leave no admin.
    pub(in crate::account) fn keep_an_admin(&self, tx: &mut Tx) {
        tx.keep_an_admin(&self.settings.admin_roles());
    }

    /// Why a transaction with [`Self::keep_an_admin`] failed: there is no other admin, or `otherwise`.
    pub(in crate::account) async fn why_kept(&self, target: &AccountRow, otherwise: Error) -> Error {
        match self.store.has_admin(&self.settings.admin_roles(), Some(target.id)).await {
            Ok(true) => otherwise,
            Ok(false) => Error::Conflict(KIND, DETAIL),
            Err(e) => e.into(),
        }
    }
}
