//! The rules that are in force, for people who look after the gateway.

use std::sync::Arc;

use crate::gate::Gate;
use crate::policy::{Explanation, Question, explain};
use crate::web::{Rules, RunningRule};

/// Asks the gate each time, so that a reload shows at once.
pub(super) struct InForce(pub(super) Arc<Gate>);

impl Rules for InForce {
    fn list(&self) -> Vec<RunningRule> {
        let snapshot = self.0.snapshot();
        let rules = snapshot.policy().rules().iter();
        rules
            .map(|rule| RunningRule {
                rule: rule.label.clone(),
                host: rule.host.clone(),
                path: rule.path.clone(),
                methods: rule.methods.clone(),
                allow: rule.allow.clone(),
            })
            .collect()
    }

    fn explain(&self, question: &Question<'_>) -> Explanation {
        explain(self.0.snapshot().policy(), question)
    }
}
