//! News of sign-ins that ended on other nodes.
//!
//! The rows in the store are the truth. Each node looks at them once a second and takes over what is new, so an end is
//! everywhere after a second, whatever else fails. Where nodes share Redis they tell each other besides, which takes
//! milliseconds. Nobody waits for any of this: the gate reads what is in memory, and a moment until which that is known
//! to be all ([`Revocations::are_known`]).
//!
//! - `looks`: what to ask the store for · `knowledge`: until when everything is known
//! - `message`: what nodes tell each other, and how it is read · `channel`, `over_redis`: what carries it
//! - `teller`: tells the others · `listener`: hears them · this file: looks, and keeps all three alive

mod channel;
mod knowledge;
mod listener;
mod looks;
mod message;
mod over_redis;
mod teller;
#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use crate::metrics::Metrics;
use crate::model::{Clock, Entropy, Timestamp};
use crate::store::{Revocation, RevocationPages, Store};
use crate::token::{Ended, Revocations, Vault, Witness};

pub(super) use channel::Channel;
use knowledge::Knowledge;
use listener::Listener;
use looks::{Look, Looks, MARGIN, Now};
use message::{Language, NodeId};
use teller::Teller;

/// How often the store is looked at, and how often nodes say that they are there.
const PERIOD: Duration = Duration::from_secs(1);
/// A page that takes longer is given up, and the look with it: its answer would vouch for next to nothing.
const PATIENCE: Duration = Duration::from_secs(4);
/// Rows that are taken over in one go; others may run in between.
const BATCH: usize = 1000;
/// How long a part that has panicked is left alone.
const PAUSE: Duration = Duration::from_secs(1);

/// Ends whatever may live longer than the entry that would end it.
pub(super) type Doubt = Box<dyn Fn() + Send + Sync>;

/// What a feed is made of.
pub(super) struct Parts {
    pub(super) store: Store,
    pub(super) revocations: Arc<Revocations>,
    pub(super) vault: Arc<Vault>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) entropy: Arc<dyn Entropy>,
    /// When everything was read from the store, by the monotonic clock.
    pub(super) read_at: Duration,
    /// How long after a decision its entry may leave.
    pub(super) life: Duration,
    /// Called when ends may have been missed for good.
    pub(super) doubt: Doubt,
    /// What nodes share besides the store.
    pub(super) channel: Option<Arc<dyn Channel>>,
}

/// The feed of one node, not yet running.
pub(super) struct Feed {
    common: Arc<Common>,
    talk: Option<(Teller, Listener)>,
}

/// What the parts of a feed have in common.
struct Common {
    store: Store,
    revocations: Arc<Revocations>,
    metrics: Arc<Metrics>,
    clock: Arc<dyn Clock>,
    life: Duration,
    doubt: Doubt,
    knowledge: Mutex<Knowledge>,
    look_now: Notify,
}

impl Feed {
    /// A feed, and who has to be told of ends. What was read at the start is relied on for as long as any look.
    pub(super) fn new(parts: Parts) -> (Self, Option<Box<dyn Witness>>) {
        let Parts { store, revocations, vault, metrics, clock, entropy, read_at, life, doubt, channel } =
            parts;
        let knowledge = Mutex::default();
        let look_now = Notify::new();
        let common =
            Arc::new(Common { store, revocations, metrics, clock, life, doubt, knowledge, look_now });
        common.know(|known| known.looked(read_at));
        let Some(channel) = channel else { return (Self { common, talk: None }, None) };
        let (node, language) = (NodeId::random(&*entropy), Language { vault, life });
        let (teller, witness) = Teller::new(node, language.clone(), channel.clone(), &common);
        let listener = Listener { common: common.clone(), channel, language };
        (Self { common, talk: Some((teller, listener)) }, Some(Box::new(witness)))
    }

    /// Takes over once what has ended up to now; the looks that follow find what that has missed.
    pub(super) fn catch_up(&self) -> impl Future<Output = ()> + Send + use<> {
        let common = self.common.clone();
        async move {
            if let Err(why) = common.take_over_from(common.clock.now()).await {
                tracing::warn!(
                    error = why,
                    "the store does not tell which sign-ins have ended, it is asked again"
                );
            }
        }
    }

    /// Runs until `stop` turns true.
    pub(super) async fn run(self, stop: watch::Receiver<bool>) {
        let mut tasks = JoinSet::new();
        let (common, mut stopped) = (self.common, stop.clone());
        tasks.spawn(kept_alive(move || common.clone().look_again_and_again()));
        if let Some((teller, listener)) = self.talk {
            let (teller, listener) = (Arc::new(teller), Arc::new(listener));
            let last = teller.clone();
            tasks.spawn(kept_alive(move || teller.clone().tell()));
            tasks.spawn(kept_alive(move || listener.clone().listen()));
            let _ = stopped.wait_for(|stop| *stop).await;
            tasks.shutdown().await;
            last.say_good_bye().await;
        }
        let _ = stopped.wait_for(|stop| *stop).await;
    }
}

/// Runs something that has no end. It begins again if it panics; until it is back, nobody vouches for anything.
async fn kept_alive<F: Future<Output = ()> + Send + 'static>(begin: impl Fn() -> F) {
    loop {
        let mut task = JoinSet::new();
        task.spawn(begin());
        if let Some(Err(e)) = task.join_next().await {
            tracing::error!(error = %e, "the revocation feed panicked, it begins again");
        }
        sleep(PAUSE).await;
    }
}

impl Common {
    async fn look_again_and_again(self: Arc<Self>) {
        let mut looks = Looks::default();
        let mut tick = interval(PERIOD);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = tick.tick() => {}
                () = self.look_now.notified() => {}
            }
            self.look(&mut looks).await;
        }
    }

    /// One look into the store.
    async fn look(&self, looks: &mut Looks) {
        self.vouch();
        let now = Now { wall: self.clock.now(), mono: self.clock.monotonic(), held: self.revocations.len() };
        let look = looks.next(now, self.life);
        match self.take_over_from(look.from).await {
            Ok(()) => {
                looks.done(look);
                self.metrics.revocation_poll(if look.all { "all" } else { "recent" });
                self.know(|known| self.looked(known, look));
            }
            Err(why) => self.missed(looks, &why),
        }
    }

    /// Takes over what expires after `from`, or says why that failed. What came before the failure stays.
    async fn take_over_from(&self, from: Timestamp) -> Result<(), String> {
        let mut pages = self.store.revocation_pages(from);
        while let Some(rows) = self.ask(&mut pages).await? {
            self.take_over(rows).await;
            self.vouch();
        }
        Ok(())
    }

    /// A look has been taken over. An end leaves the store after a `life`, when its last token has expired; what such a
    /// token has opened may still be there. So after a longer time of not knowing nobody can say what has to be cut.
    fn looked(&self, known: &mut Knowledge, look: Look) {
        let unknown = known.unknown_for(look.mono, look.wall);
        if unknown > self.life.saturating_sub(MARGIN) {
            tracing::warn!(
                secs = unknown.as_secs(),
                "ends may have been missed, what signed-in people have open is cut"
            );
            (self.doubt)();
        }
        known.looked(look.mono);
    }

    /// Asks the store. While it does not answer time passes, and the metric has to say so.
    async fn ask(&self, pages: &mut RevocationPages) -> Result<Option<Vec<Revocation>>, String> {
        let answer = timeout(PATIENCE, pages.next());
        tokio::pin!(answer);
        loop {
            tokio::select! {
                answer = &mut answer => {
                    return answer.map_err(|_| "no answer in time".to_owned())?.map_err(|e| e.to_string());
                }
                () = sleep(PERIOD) => self.vouch(),
            }
        }
    }

    fn missed(&self, looks: &mut Looks, why: &str) {
        looks.failed();
        self.metrics.revocation_poll("failed");
        tracing::warn!(error = why, "the store does not tell which sign-ins have ended, it is asked again");
        self.vouch();
    }

    async fn take_over(&self, rows: Vec<Revocation>) {
        for batch in rows.chunks(BATCH) {
            let now = self.clock.now();
            for row in batch {
                let what = ended(*row);
                if self.revocations.learn(what) {
                    self.metrics.revocation_lag("poll", now.since(until(what).before(self.life)));
                }
            }
            tokio::task::yield_now().await;
        }
    }

    /// Something about what is known has changed.
    fn know(&self, change: impl FnOnce(&mut Knowledge)) {
        let mut known = self.knowledge.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut known);
        known.note(self.clock.monotonic(), self.clock.now());
        self.vouch_for(&known);
    }

    /// Says so again, for a wall clock that was set meanwhile.
    fn vouch(&self) {
        self.know(|_| {});
    }

    fn vouch_for(&self, known: &Knowledge) {
        let Some(until) = known.until() else { return };
        let (wall, mono) = (self.clock.now(), self.clock.monotonic());
        let moment = wall.after(until.saturating_sub(mono)).before(mono.saturating_sub(until));
        self.revocations.known_until(moment);
        self.metrics.revocations_known(until >= mono);
    }
}

/// A row of the store, as tokens are told.
pub(super) fn ended(row: Revocation) -> Ended {
    match row {
        Revocation::Session { session, until } => Ended::Session { session, until },
        Revocation::Account { account, before, until } => Ended::Account { account, through: before, until },
    }
}

fn until(what: Ended) -> Timestamp {
    match what {
        Ended::Session { until, .. } | Ended::Account { until, .. } => until,
    }
}
