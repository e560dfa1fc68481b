//! What is written down about refusals. Each refusal by a rule is one line (INV-7). What any stranger can cause without
//! asking for anything, broken heads and surplus connections, is a line too, but only so many a second: a flood of them
//! must not fill the disk (D-11). All of them are counted in the metrics.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::ctx::Ctx;
use super::filter::Front;
use crate::gate::Refusal;
use crate::model::Clock;

/// Lines a second about each reason.
const LINES: u64 = 20;

/// Keeps floods out of the log.
pub(super) struct Quiet {
    clock: Arc<dyn Clock>,
    said: Mutex<Said>,
}

#[derive(Default)]
struct Said {
    second: u64,
    /// How many there were of each reason in this second.
    of: BTreeMap<&'static str, u64>,
}

impl Quiet {
    /// Nothing was said yet.
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, said: Mutex::default() }
    }

    /// Whether one more line about this may be written now. The first of a new second also says how many were left out.
    pub(super) fn may_say(&self, reason: &'static str) -> bool {
        let (may, left_out) = self.count(reason);
        for (reason, count) in left_out {
            tracing::warn!(reason, count, "so many more refusals within a second, not logged one by one");
        }
        may
    }

    fn count(&self, reason: &'static str) -> (bool, Vec<(&'static str, u64)>) {
        let second = self.clock.monotonic().as_secs();
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        let mut left_out = Vec::new();
        if said.second != second {
            said.second = second;
            let before = std::mem::take(&mut said.of);
            left_out.extend(
                before.into_iter().filter(|(_, n)| *n > LINES).map(|(reason, n)| (reason, n - LINES)),
            );
        }
        let count = said.of.entry(reason).or_insert(0);
        *count += 1;
        (*count <= LINES, left_out)
    }
}

impl Front {
    /// One line and one count for each refusal (INV-7).
    pub(super) fn note(&self, ctx: &Ctx, refusal: Refusal, (method, path): (&http::Method, &str)) {
        self.parts().metrics.refused(refusal.reason(), ctx.rule, refusal.status());
        self.parts().metrics.answered(refusal.status());
        if matches!(refusal, Refusal::Head(_)) && !self.quiet().may_say(refusal.reason()) {
            return;
        }
        let cause = ctx.cause.as_deref();
        let upstream = cause.and(ctx.permit.as_ref()).map(|p| self.parts().upstreams.name(p.upstream()));
        // Only the level is not the same for both, and that must be a constant.
        macro_rules! line {
            ($level:ident) => {
                tracing::$level!(
                    request_id = %ctx.id,
                    reason = refusal.reason(),
                    status = refusal.status(),
                    %method,
                    path = &*self.parts().gate.snapshot().settings().loggable(path),
                    client_ip = ctx.client_ip.map(tracing::field::display),
                    upstream,
                    error = cause,
                    "request refused"
                )
            };
        }
        if cause.is_some() { line!(warn) } else { line!(info) }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::model::{ManualClock, Timestamp};

    #[test]
    fn d_11_a_flood_of_one_kind_is_a_few_lines_and_a_number() {
        let clock = Arc::new(ManualClock::at(Timestamp::from_secs(1_795_000_000)));
        let quiet = Quiet::new(clock.clone());
        let said = (0..1000).filter(|_| quiet.may_say("head_too_large")).count();
        assert_eq!(said, 20);
        assert!(quiet.may_say("bare_line_feed"), "another reason");
        clock.advance(Duration::from_secs(1));
        assert_eq!(quiet.count("bare_line_feed"), (true, vec![("head_too_large", 980)]));
        assert_eq!(quiet.count("head_too_large"), (true, vec![]), "said once");
    }
}
