//! How news of ended sign-ins travels between nodes.

use std::time::Duration;

use prometheus::{HistogramVec, IntCounterVec, IntGauge};

use super::Metrics;
use super::make::{Make, SHORT};

/// The counters of the feed.
pub(super) struct Feed {
    lag: HistogramVec,
    current: IntGauge,
    polls: IntCounterVec,
    messages: IntCounterVec,
}

impl Feed {
    pub(super) fn new(m: &Make) -> Self {
        let feed = Self {
            lag: m.times(
                "stagedoor_revocation_lag_seconds",
                "Time from an end on another node until this one knew of it, and of the messages between.",
                &["way"],
                SHORT,
            ),
            current: m
                .gauge("stagedoor_revocation_feed_current", "Whether this node knows of every end there is."),
            polls: m.counters(
                "stagedoor_revocation_polls_total",
                "Looks into the store for ends of other nodes.",
                &["outcome"],
            ),
            messages: m.counters(
                "stagedoor_revocation_messages_total",
                "Messages about ends between nodes.",
                &["outcome"],
            ),
        };
        feed.current.set(1);
        feed
    }
}

impl Metrics {
    /// So long after it was decided, or sent, something of another node arrived here; `way`: `poll` or `channel`. By wall
    /// clocks of two machines: what they differ by is in it.
    pub fn revocation_lag(&self, way: &'static str, lag: Duration) {
        self.feed.lag.with_label_values(&[way]).observe(lag.as_secs_f64());
    }

    /// Whether this node knows of every end there is.
    pub fn revocations_known(&self, known: bool) {
        self.feed.current.set(i64::from(known));
    }

    /// The store was asked for ends: `recent`, `all`, or `failed`.
    pub fn revocation_poll(&self, outcome: &'static str) {
        self.feed.polls.with_label_values(&[outcome]).inc();
    }

    /// A message about ends: `sent`, `failed` (it is tried again), `dropped` (the poll brings it), `received` or
    /// `unreadable`.
    pub fn revocation_message(&self, outcome: &'static str) {
        self.feed.messages.with_label_values(&[outcome]).inc();
    }
}
