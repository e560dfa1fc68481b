//! How slowly a client may send a body or take an answer (D-02). A time limit for the next bytes alone is kept by whoever
//! moves one byte at a time; so there is a rate as well, over the life of the body, after a time of grace.

use std::time::Duration;

use http::header::CONTENT_TYPE;
use pingora::proxy::Session;
use pingora::{Error, ErrorType, Result};

use super::respond::is_interim;
use super::settings::Limits;

/// What has passed in one direction.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Pace {
    began: Option<Duration>,
    bytes: u64,
}

impl Pace {
    /// Counts some more. The clock runs from the first bytes on: what comes before them is not a matter of rate.
    fn pass(&mut self, bytes: usize, now: Duration) {
        self.began.get_or_insert(now);
        self.bytes = self.bytes.saturating_add(bytes as u64);
    }

    /// The time that all of it may take at this rate, in bytes per second.
    fn worth(&self, rate: u64) -> Duration {
        Duration::from_millis(self.bytes.saturating_mul(1000) / rate.max(1))
    }

    /// What is left of that time.
    fn left(&self, rate: u64, now: Duration) -> Duration {
        let Some(began) = self.began else { return Duration::ZERO };
        self.worth(rate).saturating_sub(now.saturating_sub(began))
    }

    /// Whether they have taken longer than they may, grace included.
    fn is_too_slow(&self, rate: u64, grace: Duration, now: Duration) -> bool {
        let Some(began) = self.began.filter(|_| rate > 0) else { return false };
        now.saturating_sub(began) > self.worth(rate) + grace
    }
}

/// A piece of a request body came; `last`: it is whole now.
///
/// # Errors
/// A timeout of the client, where the body comes too slowly. Not after the answer has begun, for then it is a conversation,
/// and not for gRPC, where a stream of messages may begin long before its answer.
pub(super) fn uploaded(
    pace: &mut Pace,
    session: &Session,
    (bytes, last): (usize, bool),
    limits: &Limits,
    now: Duration,
) -> Result<()> {
    pace.pass(bytes, now);
    let slow = !last && pace.is_too_slow(limits.min_request_rate, limits.rate_grace, now);
    let begun = || session.response_written().is_some_and(|r| !is_interim(r.status));
    if slow && !begun() && !is_grpc(session) {
        return Err(Error::explain(ErrorType::ReadTimedout, "the body comes too slowly").into_down());
    }
    Ok(())
}

fn is_grpc(session: &Session) -> bool {
    let kind = session.req_header().headers.get(CONTENT_TYPE);
    session.is_http2() && kind.is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc"))
}

/// A piece of an answer is about to go out: how long the client may take for it. Whoever has been fast before may stop for
/// as long as for the next bytes of a body; whoever has used that up gets the time of grace.
pub(super) fn patience(pace: &mut Pace, bytes: usize, limits: &Limits, now: Duration) -> Duration {
    pace.pass(bytes, now);
    if limits.min_response_rate == 0 {
        return limits.body_timeout;
    }
    pace.left(limits.min_response_rate, now).max(limits.rate_grace).min(limits.body_timeout)
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn secs(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    /// Whether a body of so many bytes a second is too slow after so many seconds, at 240 B/s and 5 s of grace.
    fn is_slow(bytes_a_second: usize, seconds: u64) -> bool {
        let mut pace = Pace::default();
        (0..=seconds).for_each(|at| pace.pass(bytes_a_second, secs(100 + at)));
        pace.is_too_slow(240, secs(5), secs(100 + seconds))
    }

    #[test]
    fn d_02_a_rate_is_measured_from_the_first_bytes_on_after_a_grace() {
        assert!(!is_slow(1, 5) && is_slow(1, 6));
        assert!(!is_slow(100, 9) && is_slow(100, 10), "what came counts");
        assert!(!is_slow(240, 100_000));
        let mut burst = Pace::default();
        burst.pass(24_000, secs(1));
        assert!(!burst.is_too_slow(240, secs(5), secs(106)) && burst.is_too_slow(240, secs(5), secs(107)));
        assert!(!burst.is_too_slow(0, secs(5), secs(10_000)), "no limit");
    }

    #[test]
    fn d_02_who_takes_an_answer_too_slowly_gets_less_and_less_time() {
        let limits = super::super::settings::sample_limits();
        let mut pace = Pace::default();
        assert_eq!(patience(&mut pace, 1_000_000, &limits, secs(1)), secs(30), "never more than for a body");
        let mut pace = Pace::default();
        assert_eq!(patience(&mut pace, 2400, &limits, secs(1)), secs(10));
        assert_eq!(patience(&mut pace, 0, &limits, secs(4)), secs(7));
        assert_eq!(patience(&mut pace, 10, &limits, secs(100)), secs(5), "an event after a long silence");
        let off = Limits { min_response_rate: 0, ..limits };
        assert_eq!(patience(&mut pace, 10, &off, secs(1000)), secs(30));
    }
}
