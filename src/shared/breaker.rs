//! Leaves a Redis that does not answer alone: after some failures in a row only one call in a while tries it, the
//! others go on at once without it. Nobody adds to the load of a server that is drowning, and nobody waits for one that
//! is dead.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// So many failures in a row open it.
const FAILURES: u32 = 5;
/// How often one call may try while it is open.
const PROBE_EVERY: Duration = Duration::from_millis(500);

/// Counts failures in a row. Times are those of `Clock::monotonic`.
#[derive(Default)]
pub(super) struct Breaker(Mutex<State>);

#[derive(Default)]
struct State {
    failures: u32,
    /// While it is open: from when on the next call may try.
    probe_at: Option<Duration>,
}

impl Breaker {
    /// Whether a call may try now. A probe that never reports back only costs its turn.
    pub(super) fn admits(&self, now: Duration) -> bool {
        let mut state = self.state();
        match state.probe_at {
            Some(at) if now < at => false,
            Some(_) => {
                state.probe_at = Some(now + PROBE_EVERY);
                true
            }
            None => true,
        }
    }

    /// A call was answered. True if that closed it.
    pub(super) fn succeeded(&self) -> bool {
        let mut state = self.state();
        state.failures = 0;
        state.probe_at.take().is_some()
    }

    /// A call failed. True if that opened it.
    pub(super) fn failed(&self, now: Duration) -> bool {
        let mut state = self.state();
        state.failures = state.failures.saturating_add(1);
        if state.failures < FAILURES {
            return false;
        }
        state.probe_at.replace(now + PROBE_EVERY).is_none()
    }

    /// Whether it is open.
    pub(super) fn is_open(&self) -> bool {
        self.state().probe_at.is_some()
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn opens_after_five_in_a_row_and_probes_twice_a_second() {
        let breaker = Breaker::default();
        for _ in 0..4 {
            assert!(!breaker.failed(MS));
        }
        assert!(!breaker.succeeded(), "one answer starts the count anew");
        for n in 0..5 {
            assert!(breaker.admits(MS));
            assert_eq!(breaker.failed(MS), n == 4);
        }
        assert!(breaker.is_open() && !breaker.admits(MS * 500));
        assert!(breaker.admits(MS * 501), "the probe");
        assert!(!breaker.admits(MS * 502), "only one");
        assert!(!breaker.failed(MS * 510), "it was open already");
        assert!(!breaker.admits(MS * 1_009) && breaker.admits(MS * 1_010));
        assert!(breaker.succeeded() && !breaker.is_open() && breaker.admits(MS * 1_011));
    }

    #[test]
    fn a_probe_that_never_reports_back_does_not_stop_the_next() {
        let breaker = Breaker::default();
        for _ in 0..5 {
            breaker.failed(Duration::ZERO);
        }
        assert!(breaker.admits(MS * 500) && !breaker.admits(MS * 999) && breaker.admits(MS * 1_000));
    }
}
