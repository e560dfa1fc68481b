//! What came of a load: every call with its time, and what may be asked about them.

use std::time::Duration;

/// What was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// A page of the application.
    Proxied,
    /// One that asks for a recent sign-in.
    Sensitive,
    Refresh,
    SignIn,
    /// Somebody who must not get through.
    Probe,
}

impl Class {
    /// Those of honest people.
    pub const HONEST: [Self; 4] = [Self::Proxied, Self::Sensitive, Self::Refresh, Self::SignIn];
}

/// How it went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    Good,
    /// 503 with `Retry-After`.
    Later,
    /// Anything else, in words.
    Wrong(String),
}

/// One call of an honest person.
#[derive(Clone, Debug)]
pub struct Event {
    pub class: Class,
    /// Since the load began.
    pub began: Duration,
    pub took: Duration,
    /// The first gateway did not answer, another was asked.
    pub rerouted: bool,
    pub outcome: Outcome,
}

impl Event {
    fn ended(&self) -> Duration {
        self.began + self.took
    }
}

/// Everything that happened.
#[derive(Clone, Debug)]
pub struct Report {
    pub events: Vec<Event>,
    pub violations: Vec<String>,
    /// How many requests that must not get through were answered.
    pub refused: usize,
}

impl Report {
    pub fn of(&self, class: Class) -> impl Iterator<Item = &Event> {
        self.events.iter().filter(move |e| e.class == class)
    }

    /// Only what has begun since then.
    pub fn since(mut self, from: Duration) -> Self {
        self.events.retain(|e| e.began >= from);
        self
    }

    /// The part of good answers, in percent; 100 where nobody asked.
    pub fn good_percent(&self, class: Class) -> f64 {
        let all = count(self.of(class));
        let good = count(self.of(class).filter(|e| e.outcome == Outcome::Good));
        if all == 0 { 100.0 } else { 100.0 * f64::from(good) / f64::from(all) }
    }

    /// The time within which `percent` of the answers of a class came.
    pub fn within(&self, class: Class, percent: usize) -> Duration {
        let mut times: Vec<_> = self.of(class).map(|e| e.took).collect();
        times.sort_unstable();
        let at = (times.len() * percent).div_ceil(100).max(1) - 1;
        times.get(at).copied().unwrap_or_default()
    }

    /// Answers that are neither good nor a well-formed "later".
    pub fn wrong(&self) -> Vec<String> {
        let wrong = |e: &Event| match &e.outcome {
            Outcome::Wrong(what) => Some(format!("{:?} at {:?}: {what}", e.class, e.began)),
            _ => None,
        };
        self.events.iter().filter_map(wrong).collect()
    }

    pub fn rerouted(&self) -> usize {
        self.events.iter().filter(|e| e.rerouted).count()
    }

    /// How long after `from` somebody first got no good answer; `None`: nobody noticed.
    pub fn noticed_after(&self, from: Duration) -> Option<Duration> {
        let bad = self.events.iter().filter(|e| e.outcome != Outcome::Good && e.ended() >= from);
        bad.map(|e| e.ended().saturating_sub(from)).min()
    }

    /// How long after `from` the last answer came that was not good.
    pub fn well_after(&self, from: Duration) -> Duration {
        let bad = self.events.iter().filter(|e| e.outcome != Outcome::Good && e.ended() >= from);
        bad.map(|e| e.ended().saturating_sub(from)).max().unwrap_or_default()
    }

    /// Whether each class has begun `n` calls since `from` and all that were answered were good.
    pub fn is_well_since(&self, from: Duration, n: usize) -> bool {
        Class::HONEST.into_iter().all(|class| {
            let since: Vec<_> = self.of(class).filter(|e| e.began >= from).collect();
            since.len() >= n && since.iter().all(|e| e.outcome == Outcome::Good)
        })
    }
}

fn count<'a>(events: impl Iterator<Item = &'a Event>) -> u32 {
    u32::try_from(events.count()).unwrap_or(u32::MAX)
}
