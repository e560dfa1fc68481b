//! What happens to accounts, as counts.

use std::sync::Arc;
use std::time::Duration;

use crate::account::Events;
use crate::metrics::Metrics;

/// Hands the account system's events to the metrics.
pub(super) struct Counted(pub(super) Arc<Metrics>);

impl Events for Counted {
    fn login(&self, outcome: &'static str, reason: &'static str) {
        let factor = match reason {
            "totp" | "email" | "recovery" => reason,
            "wrong_code" => "second",
            _ => "password",
        };
        self.0.login(outcome, reason, factor);
    }

    fn factor(&self, method: &'static str, outcome: &'static str) {
        self.0.factor(method, outcome);
    }

    fn reset(&self, outcome: &'static str) {
        self.0.reset(outcome);
    }

    fn hashed(&self, took: Duration) {
        self.0.hashed(took);
    }

    fn registration(&self, outcome: &'static str) {
        self.0.registration(outcome);
    }

    fn verification(&self, outcome: &'static str) {
        self.0.verification(outcome);
    }

    fn lockout(&self) {
        self.0.lockout();
    }

    fn refresh(&self, outcome: &'static str) {
        // Within the window it is a replay that was meant well.
        self.0.refresh(if outcome == "repeated" { "replayed" } else { outcome });
    }

    fn limited(&self, policy: &'static str) {
        self.0.limited(policy);
    }
}
