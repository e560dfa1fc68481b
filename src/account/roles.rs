//! Roles as the config has them.

use super::{Accounts, OpenRole, Registration, RoleRegistration, Settings, User};
use crate::model::RoleName;
use crate::store::AccountRow;

/// What a person who registers gets.
#[derive(Debug)]
pub(super) struct Granted {
    pub(super) roles: Vec<RoleName>,
    pub(super) requested: Option<RoleName>,
}

impl Settings {
    fn role(&self, name: &str) -> Option<&RoleRegistration> {
        self.roles.iter().find(|role| role.name.as_str() == name)
    }

    pub(super) fn default_role(&self) -> Vec<RoleName> {
        self.roles.iter().filter(|role| role.default).map(|role| role.name.clone()).collect()
    }

    /// What picking `role` gives; `None` when it cannot be picked, whether it exists or not.
    pub(super) fn pick_role(&self, role: Option<&str>) -> Option<Granted> {
        let Some(name) = role.filter(|name| !name.is_empty()) else {
            return Some(Granted { roles: self.default_role(), requested: None });
        };
        let role = self.role(name)?;
        match role.registration {
            _ if role.default => Some(Granted { roles: self.default_role(), requested: None }),
            Registration::Open => Some(Granted { roles: vec![role.name.clone()], requested: None }),
            Registration::Approval => {
                Some(Granted { roles: self.default_role(), requested: Some(role.name.clone()) })
            }
            Registration::Closed => None,
        }
    }

    /// The named roles for an account made by the operator, or the first name that the config does not have.
    pub(super) fn named_roles(&self, names: &[String]) -> Result<Vec<RoleName>, String> {
        if names.is_empty() {
            return Ok(self.default_role());
        }
        names.iter().map(|name| self.role(name).map(|r| r.name.clone()).ok_or_else(|| name.clone())).collect()
    }

    /// The person behind an account. Roles that the config no longer has are left out.
    pub(super) fn user(&self, account: &AccountRow) -> User {
        let known: Vec<_> = account.roles.iter().filter_map(|role| self.role(role.as_str())).collect();
        let mut permissions: Vec<_> =
            known.iter().flat_map(|role| role.permissions.iter().cloned()).collect();
        permissions.sort_unstable();
        permissions.dedup();
        User {
            id: account.id,
            email: account.email.as_str().to_owned(),
            name: account.name.clone(),
            roles: known.iter().map(|role| role.name.clone()).collect(),
            permissions,
        }
    }
}

impl Accounts {
    /// The roles that a person may pick when registering, in the order of the config.
    #[must_use]
    pub fn open_roles(&self) -> Vec<OpenRole> {
        let pickable =
            self.settings.roles.iter().filter(|r| r.default || r.registration != Registration::Closed);
        pickable
            .map(|role| OpenRole {
                name: role.name.clone(),
                needs_approval: !role.default && role.registration == Registration::Approval,
                default: role.default,
            })
            .collect()
    }
}
