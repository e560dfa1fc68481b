//! Roles as bits, so that asking for a role or a permission is one AND.

use ahash::AHashMap;

use crate::model::{Permission, RoleName};

/// A set of the roles of one policy. Sets of different policies must not be mixed.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct RoleSet(u64);

impl RoleSet {
    /// No role.
    pub const EMPTY: Self = Self(0);
    /// How many roles a policy can have.
    pub const CAPACITY: usize = 64;

    /// Whether no role is in the set.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether the sets have a role in common.
    #[must_use]
    pub fn intersects(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Whether every role of `other` is in this set.
    #[must_use]
    pub fn contains_all(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// The roles of both sets.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// The roles of a policy: bit, name, permissions.
#[derive(Clone, Debug, Default)]
pub(super) struct RoleTable {
    roles: Vec<(RoleName, Vec<Permission>)>,
    bits: AHashMap<RoleName, RoleSet>,
}

impl RoleTable {
    /// Adds a role; false if the table is full or the name is taken.
    pub(super) fn add(&mut self, name: RoleName, permissions: Vec<Permission>) -> bool {
        if self.roles.len() == RoleSet::CAPACITY || self.bits.contains_key(&name) {
            return false;
        }
        self.bits.insert(name.clone(), RoleSet(1 << self.roles.len()));
        self.roles.push((name, permissions));
        true
    }

    /// The names, in the order of the file.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> + Clone {
        self.roles.iter().map(|(name, _)| name.as_str())
    }

    /// Every permission that is granted by name.
    pub(super) fn granted(&self) -> impl Iterator<Item = &str> + Clone {
        self.roles.iter().flat_map(|(_, ps)| ps).filter(|p| !p.is_wildcard()).map(Permission::as_str)
    }

    /// The bit of one role, by its text.
    pub(super) fn bit(&self, name: &str) -> Option<RoleSet> {
        let at = self.roles.iter().position(|(n, _)| n.as_str() == name)?;
        Some(RoleSet(1 << at))
    }

    /// The known ones among `roles`.
    pub(super) fn set(&self, roles: &[RoleName]) -> RoleSet {
        roles.iter().filter_map(|r| self.bits.get(r)).fold(RoleSet::EMPTY, |a, b| a.union(*b))
    }

    /// The roles that grant `wanted`.
    pub(super) fn granting(&self, wanted: &Permission) -> RoleSet {
        let bits = self.roles.iter().enumerate();
        bits.filter(|(_, (_, held))| held.iter().any(|p| p.grants(wanted)))
            .fold(RoleSet::EMPTY, |set, (at, _)| set.union(RoleSet(1 << at)))
    }

    /// The roles that grant everything.
    pub(super) fn unlimited(&self) -> RoleSet {
        let bits = self.roles.iter().enumerate();
        bits.filter(|(_, (_, held))| held.iter().any(|p| p.as_str() == "*"))
            .fold(RoleSet::EMPTY, |set, (at, _)| set.union(RoleSet(1 << at)))
    }

    /// What `roles` grant together: sorted, each once, wildcards as configured.
    pub(super) fn permissions(&self, roles: &[RoleName]) -> Vec<String> {
        let held = self.set(roles);
        let mut all: Vec<String> = (self.roles.iter().enumerate())
            .filter(|(at, _)| held.0 & (1 << at) != 0)
            .flat_map(|(_, (_, ps))| ps.iter().map(|p| p.as_str().to_owned()))
            .collect();
        all.sort_unstable();
        all.dedup();
        all
    }
}
