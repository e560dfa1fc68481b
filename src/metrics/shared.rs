//! How the shared Redis does.

use std::time::Duration;

use prometheus::{HistogramVec, IntCounter, IntCounterVec, IntGauge};

use super::Metrics;
use super::make::{Make, SHORT};

/// What is counted about Redis.
pub(super) struct RedisMetrics {
    time: HistogramVec,
    errors: IntCounterVec,
    breaker: IntGauge,
    fallback: IntCounter,
}

impl RedisMetrics {
    pub(super) fn new(m: &Make) -> Self {
        Self {
            time: m.times("stagedoor_redis_seconds", "Time of calls to Redis.", &["operation"], SHORT),
            errors: m.counters(
                "stagedoor_redis_errors_total",
                "Calls that Redis did not answer.",
                &["operation"],
            ),
            breaker: m.gauge("stagedoor_redis_breaker_open", "Whether Redis is left alone because it fails."),
            fallback: m.counter(
                "stagedoor_limiter_fallback_total",
                "Tries counted on this node because Redis was away.",
            ),
        }
    }
}

impl Metrics {
    /// Redis was asked something: `limit`, `turn`, `publish` or `info`.
    pub fn redis(&self, operation: &'static str, took: Duration, ok: bool) {
        self.redis.time.with_label_values(&[operation]).observe(took.as_secs_f64());
        if !ok {
            self.redis.errors.with_label_values(&[operation]).inc();
        }
    }

    /// Redis is left alone from now on, or asked again.
    pub fn redis_breaker(&self, open: bool) {
        self.redis.breaker.set(i64::from(open));
    }

    /// A try was counted on this node because the shared counters did not answer.
    pub fn limiter_fell_back(&self) {
        self.redis.fallback.inc();
    }
}
