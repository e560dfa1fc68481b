//! What was written: the YAML tree with its places, the table of keys, and readers that know both.

pub(super) mod keys;
pub(super) mod sections;
pub(super) mod sections_limits;
pub(super) mod sections_policy;
pub(super) mod sections_stores;
pub(super) mod table;
pub(super) mod tree;
pub(super) mod values;
