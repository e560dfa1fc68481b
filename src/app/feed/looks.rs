//! What to ask the store for: mostly what was decided a moment ago, from time to time everything.
//!
//! Rows carry the moment when the last token they are about has expired. It lies a fixed *life* after the decision, so
//! "decided after T" is "expires after T + life", and there is an index for that. T lies [`MARGIN`] before now and not
//! at the last look: the row shows the clock of the node that decided, which may be behind ours by what clocks may
//! differ, and it can be read only once its transaction has committed, which takes seconds when the database is slow.
//! Whatever that does not cover (a node with another `access_ttl`, a clock that is wrong) is found by the next full look.

use std::time::Duration;

use crate::model::Timestamp;

/// How far back a look goes. Clocks may differ by 5 s (`token.leeway`), a transaction may take 8 s, two looks are seldom
/// more than 5 s apart while one still counts.
pub(super) const MARGIN: Duration = Duration::from_secs(30);
/// How long after a full look the next one follows at the latest.
const FULL: Duration = Duration::from_secs(60);
/// Wall clock and monotonic clock may drift apart by so much between two looks; more is a clock that was set.
const SET: Duration = Duration::from_secs(1);

/// One look.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Look {
    /// When it began, by the wall clock.
    pub(super) wall: Timestamp,
    /// When it began, by the monotonic clock.
    pub(super) mono: Duration,
    /// Only what expires after this.
    pub(super) from: Timestamp,
    /// Whether that is everything.
    pub(super) all: bool,
}

/// The looks so far.
#[derive(Default)]
pub(super) struct Looks {
    last: Option<Look>,
    last_full: Option<Duration>,
}

impl Looks {
    /// What to ask for now. `life` is how long after a decision its row expires.
    pub(super) fn next(&self, wall: Timestamp, mono: Duration, life: Duration) -> Look {
        let steady = self.last.is_some_and(|last| is_steady(last, wall, mono));
        let all = !steady || self.last_full.is_none_or(|at| mono >= at + FULL);
        let recent = wall.after(life).before(MARGIN).max(wall);
        Look { wall, mono, from: if all { wall } else { recent }, all }
    }

    /// It was answered.
    pub(super) fn done(&mut self, look: Look) {
        self.last = Some(look);
        if look.all {
            self.last_full = Some(look.mono);
        }
    }

    /// It was not: whatever was written until the next one may be older than the margin by then.
    pub(super) fn failed(&mut self) {
        self.last = None;
    }
}

fn is_steady(last: Look, wall: Timestamp, mono: Duration) -> bool {
    let passed = mono.saturating_sub(last.mono);
    let shown = i128::from(wall.millis()) - i128::from(last.wall.millis());
    let apart = shown - i128::try_from(passed.as_millis()).unwrap_or(i128::MAX);
    passed < MARGIN / 2 && apart.unsigned_abs() <= SET.as_millis()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIFE: Duration = Duration::from_secs(660);
    const START: Timestamp = Timestamp::from_secs(1_795_000_000);

    fn at(looks: &Looks, secs: u64, jump: i64) -> Look {
        let mono = Duration::from_secs(secs);
        looks.next(Timestamp::from_millis(START.after(mono).millis() + jump), mono, LIFE)
    }

    #[test]
    fn the_first_look_sees_everything_and_the_next_what_is_new() {
        let mut looks = Looks::default();
        let first = at(&looks, 0, 0);
        assert_eq!((first.all, first.from), (true, START));
        looks.done(first);
        let next = at(&looks, 1, 0);
        assert_eq!((next.all, next.from), (false, START.after(Duration::from_secs(1 + 660 - 30))));
        looks.done(next);
        assert!(!at(&looks, 2, 0).all);
        assert!(at(&looks, 17, 0).all, "a look that comes late");
    }

    #[test]
    fn after_a_failure_or_a_jump_of_the_clock_and_each_minute_everything_is_looked_at() {
        let mut looks = Looks::default();
        for second in 0..60 {
            let look = at(&looks, second, 0);
            assert_eq!(look.all, second == 0, "{second}");
            looks.done(look);
        }
        let look = at(&looks, 60, 0);
        assert!(look.all);
        looks.done(look);
        assert!(!at(&looks, 61, 900).all);
        assert!(at(&looks, 61, 1_001).all && at(&looks, 61, -120_000).all);
        looks.failed();
        assert!(at(&looks, 62, 0).all);
    }

    #[test]
    fn lives_shorter_than_the_margin_are_looked_at_whole() {
        let mut looks = Looks::default();
        looks.done(at(&looks, 0, 0));
        let look = looks.next(START, Duration::from_secs(0), Duration::from_secs(10));
        assert_eq!(look.from, START);
    }
}
