//! The numbers of the account system.

use std::time::Duration;

use crate::limiter::Quota;
use crate::model::RoleName;

/// Everything the use cases need to know that an operator can set.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Scheme, host and port that people see, without a trailing slash; every mailed link starts so.
    pub public_url: String,
    /// Where our own pages live, for example `/auth`; no trailing slash.
    pub auth_prefix: String,
    /// The roles of the deployment, in the order of the config.
    pub roles: Vec<RoleRegistration>,
    /// How long sessions last.
    pub session: SessionSettings,
    /// What a password must be, and what hashing it costs.
    pub password: PasswordSettings,
    /// When an account is locked.
    pub lockout: LockoutSettings,
    /// How often things may be tried.
    pub rate_limits: RateLimits,
    /// Who may register.
    pub registration: RegistrationSettings,
    /// Second factors and step-up.
    pub second_factor: SecondFactorSettings,
    /// How long a person who closed the account can undo that.
    pub deletion_undo: Duration,
}

/// Who may register.
#[derive(Clone, Debug)]
pub struct RegistrationSettings {
    /// Whether anybody may.
    pub enabled: bool,
    /// Only addresses of these domains (ASCII, lower case, exact); empty: of any.
    pub domains: Vec<String>,
}

/// Second factors and step-up.
#[derive(Clone, Debug)]
pub struct SecondFactorSettings {
    /// People with one of these roles are asked for a code by mail even if they have not switched on any factor.
    pub required_roles: Vec<RoleName>,
    /// Life of a mailed code and of the challenge it belongs to.
    pub code_ttl: Duration,
    /// How often a challenge may be tried.
    pub tries: u32,
    /// How long a device that the person asked to be remembered is not asked again.
    pub remember_device: Duration,
    /// How long a proof of identity counts for sensitive actions.
    pub elevation: Duration,
}

/// Who may ask for a role when registering.
#[derive(Clone, Debug)]
pub struct RoleRegistration {
    /// The role.
    pub name: RoleName,
    /// What the role grants, as configured.
    pub permissions: Vec<String>,
    /// Whether a person may pick it.
    pub registration: Registration,
    /// Whether a person who picks nothing gets it.
    pub default: bool,
}

/// How a role can be had by registering.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Registration {
    /// Anyone may pick it.
    Open,
    /// Anyone may ask; until an admin agrees the person holds the default role.
    Approval,
    /// Only an admin gives it.
    Closed,
}

/// How long sessions last.
#[derive(Clone, Copy, Debug)]
pub struct SessionSettings {
    /// A session that is not used for this long ends.
    pub idle_timeout: Duration,
    /// The same for people who asked to stay signed in.
    pub keep_idle_timeout: Duration,
    /// A session ends after this long, used or not.
    pub absolute_timeout: Duration,
    /// How long the predecessor of a refresh token still returns the same successor.
    pub refresh_reuse_window: Duration,
    /// How many sessions one person may have; the oldest ends when there is one more.
    pub max_per_account: u32,
}

/// What a password must be.
#[derive(Clone, Copy, Debug)]
pub struct PasswordSettings {
    /// Which rules apply.
    pub policy: PasswordPolicy,
    /// In Unicode characters.
    pub min_length: usize,
    /// In Unicode characters; longer ones are refused before anything is computed.
    pub max_length: usize,
    /// What one hash costs.
    pub argon2: Argon2Settings,
}

/// The two rule sets for passwords.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PasswordPolicy {
    /// An upper-case letter, a lower-case letter, a digit and a special character.
    Classes,
    /// Length 15 or more and no classes (NIST SP 800-63B-4).
    Nist,
}

/// Argon2id parameters (RFC 9106).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Argon2Settings {
    /// In KiB.
    pub memory_kib: u32,
    /// Passes over the memory.
    pub iterations: u32,
    /// Lanes.
    pub parallelism: u32,
    /// How many hashes run at once; `None`: one for each core, as far as half of the memory goes.
    pub workers: Option<usize>,
    /// How many may wait for a worker.
    pub queue: usize,
    /// How long one may wait before it is turned away.
    pub queue_deadline: Duration,
}

/// When an account is locked, and for how long.
#[derive(Clone, Copy, Debug)]
pub struct LockoutSettings {
    /// So many failures …
    pub failures: u32,
    /// … within this time lock the account …
    pub within: Duration,
    /// … for this long; each further lock doubles it …
    pub duration: Duration,
    /// … up to this.
    pub max_duration: Duration,
}

/// How often things may be tried.
#[derive(Clone, Copy, Debug)]
pub struct RateLimits {
    /// Sign-in, per address and per account.
    pub login: Quota,
    /// Registration, per address.
    pub register: Quota,
    /// Reset mails, per client address.
    pub password_reset: Quota,
    /// Reset mails, per account.
    pub password_reset_account: Quota,
    /// Codes, per account.
    pub otp: Quota,
    /// Refreshes, per session.
    pub refresh: Quota,
    /// Mails sent again on request, per account.
    pub resend: Quota,
}
