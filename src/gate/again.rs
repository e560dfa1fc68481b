//! Asking again about a request that was let through before and whose answer is still under way.

use super::decide::canonical_host;
use super::{Gate, RequestHead, Snapshot, Verified};
use crate::model::Timestamp;
use crate::policy::{Ask, Outcome, Policy};

impl Gate {
    /// Whether the token that `caller` came with has been ended since: sign-out, deactivation, other roles.
    #[must_use]
    pub fn has_ended(&self, caller: &Verified) -> bool {
        self.snapshot().has_ended(caller)
    }

    /// Whether the rules in force would let the same request through. Of `head` the fields do not count. Rules about
    /// time are asked as of `asked`, when the request came: that a sign-in grows older changes no rule.
    #[must_use]
    pub fn would_allow(&self, head: &RequestHead<'_>, caller: Option<&Verified>, asked: Timestamp) -> bool {
        self.snapshot().would_allow(head, caller, asked)
    }
}

impl Snapshot {
    fn would_allow(&self, head: &RequestHead<'_>, caller: Option<&Verified>, asked: Timestamp) -> bool {
        let Ok(path) = Policy::read_path(head.path) else { return false };
        let host = canonical_host(head.host);
        let Ok(route) = self.route(&host, &path) else { return false };
        let decision = self.policy.decide(&Ask {
            method: head.method,
            host: &host,
            path: &path,
            route,
            caller: caller.map(|v| v.caller_under(&self.policy)),
            client_ip: head.client_ip,
            now: asked,
        });
        matches!(decision.outcome, Outcome::Allowed { .. })
    }
}
