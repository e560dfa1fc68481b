//! What is counted about one upstream. Its counters are found once, at the start: requests only add to them.

use prometheus::{IntCounter, IntGauge};

use super::Metrics;

/// What went wrong on the way to an upstream or back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Trouble {
    /// No connection could be made.
    Connect,
    /// TLS failed: most often a certificate that is not believed.
    Tls,
    /// It took too long, to connect or to answer.
    Timeout,
    /// The connection broke off.
    Reset,
    /// The answer was none that can be passed on.
    Answer,
    /// As many requests were under way as may be.
    Busy,
}

impl Trouble {
    const ALL: [(Self, &'static str); 6] = [
        (Self::Connect, "connect"),
        (Self::Tls, "tls"),
        (Self::Timeout, "timeout"),
        (Self::Reset, "reset"),
        (Self::Answer, "answer"),
        (Self::Busy, "busy"),
    ];
}

/// The counters of one upstream.
pub struct UpstreamMetrics {
    in_flight: IntGauge,
    retries: IntCounter,
    troubles: [IntCounter; Trouble::ALL.len()],
}

impl Metrics {
    /// The counters of the upstream of this name.
    #[must_use]
    pub fn of_upstream(&self, name: &str) -> UpstreamMetrics {
        let trouble = |(_, kind)| self.upstream_errors.with_label_values(&[name, kind]);
        UpstreamMetrics {
            in_flight: self.upstream_in_flight.with_label_values(&[name]),
            retries: self.upstream_retries.with_label_values(&[name]),
            troubles: Trouble::ALL.map(trouble),
        }
    }
}

impl UpstreamMetrics {
    /// A request begins; how many there are now.
    #[must_use]
    pub fn begin(&self) -> usize {
        self.in_flight.inc();
        usize::try_from(self.in_flight.get()).unwrap_or_default()
    }

    /// A request has ended.
    pub fn end(&self) {
        self.in_flight.dec();
    }

    /// A request is sent once more.
    pub fn retried(&self) {
        self.retries.inc();
    }

    /// Something went wrong.
    pub fn trouble(&self, what: Trouble) {
        self.troubles[what as usize].inc();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_stand_in_the_order_of_their_labels() {
        let metrics = Metrics::new();
        let app = metrics.of_upstream("app");
        for (times, (what, kind)) in Trouble::ALL.into_iter().enumerate() {
            (0..=times).for_each(|_| app.trouble(what));
            let line = format!("kind=\"{kind}\",upstream=\"app\"}} {}", times + 1);
            assert!(metrics.render().contains(&line), "{line}");
        }
    }

    #[test]
    fn what_is_in_flight_goes_up_and_down() {
        let metrics = Metrics::new();
        let app = metrics.of_upstream("app");
        assert_eq!((app.begin(), app.begin()), (1, 2));
        app.end();
        app.retried();
        let page = metrics.render();
        assert!(page.contains("stagedoor_upstream_in_flight{upstream=\"app\"} 1"), "{page}");
        assert!(page.contains("stagedoor_upstream_retries_total{upstream=\"app\"} 1"), "{page}");
    }
}
