//! Looking after other people's accounts. Reading asks for a permission; changing asks for a recent proof of identity
//! as well, leaves one audit line, and stops at people and roles with more permissions than whoever asks.
//!
//! - `actor`: who asks, and what that person may do · `last_admin`: somebody with every permission stays
//! - `people`, `sessions`, `attempts`, `audit`, `mail`: lists · `approvals`: roles that wait
//! - `invite`, `active`, `roles`, `reset`: changes to one person

mod active;
mod actor;
mod approvals;
mod invite;
mod last_admin;
mod people;
mod reset;
mod roles;
mod trails;

pub use approvals::Approval;
pub use invite::Invite;
pub use people::{Paging, Person};

/// See accounts, their sessions and what waits for approval.
pub const USERS_VIEW: &str = "users.view";
/// Change accounts.
pub const USERS_EDIT: &str = "users.edit";
/// End other people's sessions.
pub const SESSIONS_REVOKE: &str = "sessions.revoke";
/// See tries to sign in and the audit trail.
pub const AUDIT_VIEW: &str = "audit.view";
/// See the outbox.
pub const MAIL_VIEW: &str = "mail.view";
/// Send mails again.
pub const MAIL_EDIT: &str = "mail.edit";
/// See the running rules.
pub const RULES_VIEW: &str = "rules.view";

/// The longest export, in rows; it is made in memory.
pub const MAX_EXPORT: u32 = 50_000;
