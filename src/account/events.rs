//! What the use cases tell whoever counts. Words are stable: they become labels.

use std::time::Duration;

/// Counts what happens in the account system.
pub trait Events: Send + Sync + 'static {
    /// A try to sign in: `success` or `failure`, and why (`password`, `totp`, `wrong_credentials`, `wrong_code`,
    /// `locked`, `not_activated`, `deactivated`, `closed`, `reset_required`).
    fn login(&self, outcome: &'static str, reason: &'static str) {
        let _ = (outcome, reason);
    }
    /// A second factor was asked for or tried: the method (`totp`, `email`, `recovery`) and `sent`, `right`, `wrong`.
    fn factor(&self, method: &'static str, outcome: &'static str) {
        let _ = (method, outcome);
    }
    /// A password reset: `requested`, `done`, `failed`.
    fn reset(&self, outcome: &'static str) {
        let _ = outcome;
    }
    /// A registration: `new`, `existing`, `replaced`, `repeated`.
    fn registration(&self, outcome: &'static str) {
        let _ = outcome;
    }
    /// An address was to be proved: `success` or `failure`.
    fn verification(&self, outcome: &'static str) {
        let _ = outcome;
    }
    /// A password was hashed, and how long that took (without the time in the queue).
    fn hashed(&self, took: Duration) {
        let _ = took;
    }
    /// An address was locked.
    fn lockout(&self) {}
    /// A refresh: `rotated`, `repeated` (within the reuse window), `reused`, `invalid`.
    fn refresh(&self, outcome: &'static str) {
        let _ = outcome;
    }
    /// A rate limit refused a try; its name in the config.
    fn limited(&self, policy: &'static str) {
        let _ = policy;
    }
}

/// Counts nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoEvents;

impl Events for NoEvents {}
