//! One line for each kind of metric. A name that is no name or is there twice is a fault that the first test finds.

use prometheus::core::Collector;
use prometheus::{
    Counter, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
};

/// Bounds for what takes micro- to milliseconds, in seconds.
pub(super) const SHORT: &[f64] = &[0.000_1, 0.000_5, 0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0];
/// Bounds for work in the background, in seconds.
pub(super) const RARE: &[f64] = &[0.001, 0.01, 0.1, 1.0, 10.0, 60.0, 600.0];

const VALID: &str = "a valid metric name";

/// Makes metrics and registers them.
pub(super) struct Make(pub(super) Registry);

impl Make {
    pub(super) fn adopt<C: Collector + Clone + 'static>(&self, metric: C) -> C {
        self.0.register(Box::new(metric.clone())).expect("each name once");
        metric
    }

    pub(super) fn counter(&self, name: &str, help: &str) -> IntCounter {
        self.adopt(IntCounter::new(name, help).expect(VALID))
    }

    pub(super) fn seconds(&self, name: &str, help: &str) -> Counter {
        self.adopt(Counter::new(name, help).expect(VALID))
    }

    pub(super) fn gauge(&self, name: &str, help: &str) -> IntGauge {
        self.adopt(IntGauge::new(name, help).expect(VALID))
    }

    pub(super) fn counters(&self, name: &str, help: &str, labels: &[&str]) -> IntCounterVec {
        self.adopt(IntCounterVec::new(Opts::new(name, help), labels).expect(VALID))
    }

    pub(super) fn gauges(&self, name: &str, help: &str, labels: &[&str]) -> IntGaugeVec {
        self.adopt(IntGaugeVec::new(Opts::new(name, help), labels).expect(VALID))
    }

    pub(super) fn times(&self, name: &str, help: &str, labels: &[&str], bounds: &[f64]) -> HistogramVec {
        let opts = HistogramOpts::new(name, help).buckets(bounds.to_vec());
        self.adopt(HistogramVec::new(opts, labels).expect(VALID))
    }
}
