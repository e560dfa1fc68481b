//! What happens to accounts, as counts.

use std::sync::Arc;

use crate::account::Events;
use crate::metrics::Metrics;

/// Hands the account system's events to the metrics.
pub(super) struct Counted(pub(super) Arc<Metrics>);

impl Events for Counted {
    fn login(&self, outcome: &'static str, reason: &'static str) {
        self.0.login(outcome, reason);
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
        self.0.refresh(outcome);
    }

    fn limited(&self, policy: &'static str) {
        self.0.limited(policy);
    }
}
