//! Looks for answers under way that what let them through no longer allows, and cuts them.
//!
//! An end of tokens, new rules or a doubt wake [`Exchanges::watch`]. What it finds gets [`GRACE`] to finish: ordinary answers are
//! short and are never cut. Together with [`PAUSE`] a stream lives well below one second longer than its sign-in.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use http::HeaderMap;
use tokio::sync::{Notify, watch};

use super::exchange::{Answer, Doomed, Exchanges};
use crate::gate::Gate;
use crate::metrics::Metrics;

/// How long an answer that is over may still take.
const GRACE: Duration = Duration::from_millis(500);
/// Between two looks: many sign-outs at once are looked at together.
const PAUSE: Duration = Duration::from_millis(50);

/// Why an answer is cut; the reason in logs and metrics.
const REVOKED: &str = "stream_revoked";
const RULE_CHANGED: &str = "stream_rule_changed";

/// What has happened since the last look.
#[derive(Default)]
pub(super) struct News {
    ends: AtomicU64,
    /// Of whoever asked before there were so many ends, one may have been missed.
    doubted: AtomicU64,
    reloads: AtomicU64,
    rules: AtomicBool,
    wake: Notify,
}

/// Ends of tokens and reloads, up to a moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct SoFar(u64, u64);

impl News {
    /// How often something has happened. Read before the gate is asked and again when the answer begins, it tells
    /// whether the gate might say something else now.
    pub(super) fn so_far(&self) -> SoFar {
        SoFar(self.ends.load(Ordering::SeqCst), self.reloads.load(Ordering::SeqCst))
    }

    /// An answer begins for which the gate was asked when `before` was all that had happened: a look that was taken since
    /// then has not seen it.
    pub(super) fn catch_up(&self, before: SoFar) {
        let now = self.so_far();
        if now.1 != before.1 {
            self.rules.store(true, Ordering::SeqCst);
        }
        if now != before {
            self.wake.notify_one();
        }
    }

    /// Whether an end may have been missed of somebody who asked when `asked` was all that had happened.
    fn is_doubted(&self, asked: SoFar) -> bool {
        asked.0 < self.doubted.load(Ordering::SeqCst)
    }

    /// Waits for something to look at.
    pub(super) async fn waited(&self) {
        self.wake.notified().await;
    }
}

impl Exchanges {
    /// Some tokens have ended; the gate refuses them already.
    pub fn tokens_ended(&self) {
        self.news.ends.fetch_add(1, Ordering::SeqCst);
        self.news.wake.notify_one();
    }

    /// Some tokens may have ended and nobody will ever tell which: whatever a signed-in caller has asked for until now
    /// is over. What they ask for from now on is not.
    pub fn doubt(&self) {
        let ends = self.news.ends.fetch_add(1, Ordering::SeqCst) + 1;
        self.news.doubted.fetch_max(ends, Ordering::SeqCst);
        self.news.wake.notify_one();
    }

    /// Other rules are in force.
    pub fn rules_changed(&self) {
        self.news.reloads.fetch_add(1, Ordering::SeqCst);
        self.news.rules.store(true, Ordering::SeqCst);
        self.news.wake.notify_one();
    }

    /// Cuts what is over, until `stopped`.
    pub async fn watch(
        self: Arc<Self>,
        gate: Arc<Gate>,
        metrics: Arc<Metrics>,
        mut stopped: watch::Receiver<bool>,
    ) {
        loop {
            tokio::select! {
                () = self.news.waited() => {}
                _ = stopped.wait_for(|stopped| *stopped) => return,
            }
            let rules = self.news.rules.swap(false, Ordering::SeqCst);
            for (reason, found) in [
                (REVOKED, self.doom(|answer| self.has_ended(&gate, answer))),
                (
                    RULE_CHANGED,
                    if rules { self.doom(|answer| !is_allowed(&gate, answer)) } else { Vec::new() },
                ),
            ] {
                if !found.is_empty() {
                    tokio::spawn(cut(found, reason, metrics.clone()));
                }
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    fn has_ended(&self, gate: &Gate, answer: &Answer) -> bool {
        let caller = answer.caller.as_ref();
        caller.is_some_and(|caller| self.news.is_doubted(answer.news) || gate.has_ended(caller))
    }
}

fn is_allowed(gate: &Gate, answer: &Answer) -> bool {
    let no_fields = HeaderMap::new();
    gate.would_allow(&answer.head(&no_fields), answer.caller.as_deref(), answer.asked())
}

async fn cut(found: Vec<Doomed>, reason: &'static str, metrics: Arc<Metrics>) {
    tokio::time::sleep(GRACE).await;
    for doomed in found {
        doomed.cut(|answer| {
            metrics.stream_cut(reason);
            let (path, client_ip) = (answer.path(), answer.client_ip);
            tracing::info!(request_id = %answer.id, reason, path, %client_ip, "stream cut");
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_doubt_is_about_what_was_asked_before_it() {
        let all = Exchanges::new(Arc::new(Metrics::new()));
        let before = all.news.so_far();
        all.tokens_ended();
        all.news.waited().await;
        assert!(!all.news.is_doubted(before), "an end is not a doubt");
        all.doubt();
        all.news.waited().await;
        let after = all.news.so_far();
        assert!(all.news.is_doubted(before) && !all.news.is_doubted(after));
        // An answer that begins only now was not there to be found.
        all.news.catch_up(before);
        all.news.waited().await;
        all.doubt();
        assert!(all.news.is_doubted(after) && !all.news.is_doubted(all.news.so_far()));
    }
}
