//! The running rules, as somebody who looks after the gateway sees them; made by whoever holds the gate.

use serde::Serialize;

use crate::policy::{Explanation, Question};

/// Tells about the rules that are in force at the moment of asking.
pub trait Rules: Send + Sync + 'static {
    /// The rules, in the order of the configuration.
    fn list(&self) -> Vec<RunningRule>;

    /// What they say to a request, and why.
    fn explain(&self, question: &Question<'_>) -> Explanation;
}

/// One running rule.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct RunningRule {
    /// Its place in the configuration: `rules[3]`.
    pub rule: String,
    /// The host it is for; null: every host.
    pub host: Option<String>,
    /// The path pattern as written.
    pub path: String,
    /// The methods as written; empty: every method.
    pub methods: Vec<String>,
    /// The requirement as written.
    pub allow: String,
}
