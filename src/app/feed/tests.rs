//! Feeds over one store and one channel, both of which can be cut.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use async_trait::async_trait;
use tokio::sync::broadcast;

use super::channel::{Event, Subscription};
use super::knowledge::TRUST;
use super::*;
use crate::model::{AccountId, ManualClock, Secret, SessionId, SystemEntropy};
use crate::store::engine::{self, Engine, Statement};
use crate::store::{Row, StoreError, Tx, Value};

const LIFE: Duration = Duration::from_secs(660);
const START: Timestamp = Timestamp::from_secs(1_795_000_000);

/// One that can be away. All clones are cut together.
struct Door<T: ?Sized> {
    away: Arc<AtomicBool>,
    behind: Arc<T>,
}

impl<T: ?Sized> Clone for Door<T> {
    fn clone(&self) -> Self {
        Self { away: self.away.clone(), behind: self.behind.clone() }
    }
}

impl<T: ?Sized> Door<T> {
    fn to(behind: Arc<T>) -> Self {
        Self { away: Arc::default(), behind }
    }

    fn shut(&self, away: bool) {
        self.away.store(away, Ordering::SeqCst);
    }

    fn is_shut(&self) -> bool {
        self.away.load(Ordering::SeqCst)
    }

    fn store_error(&self) -> Result<(), StoreError> {
        if self.is_shut() { Err(StoreError::Unavailable("away".into())) } else { Ok(()) }
    }
}

#[async_trait]
impl Engine for Door<dyn Engine> {
    async fn read(&self, sql: &'static str, params: Vec<Value>) -> Result<Vec<Row>, StoreError> {
        self.store_error()?;
        self.behind.read(sql, params).await
    }

    async fn transaction(&self, all: Vec<Statement>) -> Result<Option<Vec<Vec<Row>>>, StoreError> {
        self.store_error()?;
        self.behind.transaction(all).await
    }
}

/// Takes nothing while it is shut; `cut` on it is a cut.
#[async_trait]
impl Channel for Door<broadcast::Sender<Vec<u8>>> {
    async fn send(&self, message: &str) -> Result<(), String> {
        if self.is_shut() {
            return Err("away".into());
        }
        let _ = self.behind.send(message.as_bytes().to_vec());
        Ok(())
    }

    fn subscribe(&self) -> Box<dyn Subscription> {
        Box::new(Ear { joined: false, messages: self.behind.subscribe() })
    }
}

struct Ear {
    joined: bool,
    messages: broadcast::Receiver<Vec<u8>>,
}

#[async_trait]
impl Subscription for Ear {
    async fn next(&mut self) -> Option<Event> {
        if !std::mem::replace(&mut self.joined, true) {
            return Some(Event::Joined);
        }
        let message = self.messages.recv().await.ok()?;
        if message == b"cut" {
            self.joined = false;
            return Some(Event::Lost);
        }
        Some(Event::Message(message))
    }
}

type Wire = Door<broadcast::Sender<Vec<u8>>>;

fn wire() -> Wire {
    Door::to(Arc::new(broadcast::channel(64).0))
}

struct Node {
    revocations: Arc<Revocations>,
    metrics: Arc<Metrics>,
    clock: Arc<ManualClock>,
    store: Store,
    door: Door<dyn Engine>,
    doubts: Arc<AtomicUsize>,
    stop: watch::Sender<bool>,
    feed: tokio::task::JoinHandle<()>,
}

impl Node {
    fn start(behind: &Arc<dyn Engine>, wire: Option<&Wire>) -> Self {
        let door = Door::to(behind.clone());
        let store = Store::over(Arc::new(door.clone()));
        let (clock, metrics) = (Arc::new(ManualClock::at(START)), Arc::new(Metrics::new()));
        let revocations = Arc::new(Revocations::new());
        let doubts = Arc::new(AtomicUsize::new(0));
        let counted = doubts.clone();
        let secret = Secret::new("k3Zr0v9YbQx1Lw7TnHs5Ud2Gf8JmPe6c");
        let (feed, witness) = Feed::new(Parts {
            store: store.clone(),
            revocations: revocations.clone(),
            vault: Arc::new(Vault::new(&secret).unwrap()),
            metrics: metrics.clone(),
            clock: clock.clone(),
            entropy: Arc::new(SystemEntropy),
            read_at: clock.monotonic(),
            life: LIFE,
            doubt: Box::new(move || {
                counted.fetch_add(1, Ordering::SeqCst);
            }),
            channel: wire.map(|wire| Arc::new(wire.clone()) as _),
        });
        revocations.tell(witness.into_iter().collect());
        let (stop, stopped) = watch::channel(false);
        let feed = tokio::spawn(feed.run(stopped));
        Self { revocations, metrics, clock, store, door, doubts, stop, feed }
    }

    /// As a use case does it: the row first, then the memory of this node.
    async fn end(&self, session: SessionId) {
        let mut tx = Tx::new();
        let until = self.clock.now().after(LIFE);
        tx.revoke(Revocation::Session { session, until });
        self.store.commit(tx).await.unwrap();
        self.revocations.revoke_session(session, until);
    }

    /// So many that a look does not go over all of them each time.
    fn holds_many(&self) {
        let until = self.clock.now().after(LIFE);
        for n in 0..5000_u128 {
            self.revocations.learn(Ended::Session { session: SessionId::from_bytes(n.to_be_bytes()), until });
        }
    }

    fn refuses(&self, session: SessionId) -> bool {
        self.revocations.is_revoked(session, AccountId::from_bytes([9; 16]), self.clock.now())
    }

    fn knows(&self) -> bool {
        self.revocations.are_known(self.clock.now())
    }

    fn counted(&self, line: &str) -> bool {
        self.metrics.render().lines().any(|l| l.starts_with(line) && !l.ends_with(" 0"))
    }

    /// How many messages came.
    fn heard(&self) -> u64 {
        self.count("stagedoor_revocation_messages_total{outcome=\"received\"} ")
    }

    /// How many looks into the store had this outcome.
    fn looks(&self, outcome: &str) -> u64 {
        self.count(&format!("stagedoor_revocation_polls_total{{outcome=\"{outcome}\"}} "))
    }

    fn count(&self, line: &str) -> u64 {
        let text = self.metrics.render();
        text.lines().find_map(|l| l.strip_prefix(line)).map_or(0, |n| n.parse().unwrap())
    }

    async fn quit(self) {
        self.stop.send(true).unwrap();
        self.feed.await.unwrap();
    }
}

fn session(n: u8) -> SessionId {
    SessionId::from_bytes([n; 16])
}

async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..2000 {
        if holds() {
            return;
        }
        sleep(Duration::from_millis(5)).await;
    }
    panic!("never: {what}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_poll_alone_brings_every_end_within_its_period() {
    let engine = engine::scratch();
    let (a, b) = (Node::start(&engine, None), Node::start(&engine, None));
    a.end(session(1)).await;
    assert!(a.refuses(session(1)) && b.knows());
    until("B refuses", || b.refuses(session(1))).await;
    assert!(b.counted("stagedoor_revocation_lag_seconds_count{way=\"poll\"}"));
    b.holds_many();
    until("B looks for what is new", || b.counted("stagedoor_revocation_polls_total{outcome=\"recent\"}"))
        .await;
    a.end(session(2)).await;
    until("B refuses that too", || b.refuses(session(2))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn j_19_what_was_missed_is_known_before_the_node_counts_as_knowing_again() {
    let engine = engine::scratch();
    let (a, b) = (Node::start(&engine, None), Node::start(&engine, None));
    b.holds_many();
    until("B looks for what is new", || b.counted("stagedoor_revocation_polls_total{outcome=\"recent\"}"))
        .await;
    b.door.shut(true);
    until("B notices", || b.counted("stagedoor_revocation_polls_total{outcome=\"failed\"}")).await;
    a.end(session(1)).await;
    b.clock.advance(Duration::from_secs(4));
    assert!(b.knows(), "a moment may pass");
    b.clock.advance(Duration::from_secs(2));
    assert!(!b.knows());
    until("the metric says so", || !b.counted("stagedoor_revocation_feed_current")).await;
    // Much later than what a look at recent rows goes back.
    for node in [&a, &b] {
        node.clock.advance(Duration::from_secs(300));
    }
    b.door.shut(false);
    until("B knows again", || {
        let (knows, refuses) = (b.knows(), b.refuses(session(1)));
        assert!(refuses || !knows, "never knowing without that end");
        knows && refuses
    })
    .await;
    until("B says so", || b.counted("stagedoor_revocation_feed_current")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn j_19_after_an_outage_that_outlived_what_was_missed_everything_is_doubted_once() {
    let engine = engine::scratch();
    let (a, b) = (Node::start(&engine, None), Node::start(&engine, None));
    let doubts = || b.doubts.load(Ordering::SeqCst);
    let (short, long) = (LIFE.saturating_sub(MARGIN + TRUST), LIFE + MARGIN);
    for (round, away, expected) in [(1, short, 0), (2, long, 1)] {
        until("B knows", || b.knows()).await;
        b.door.shut(true);
        let before = b.looks("failed");
        until("it is asked in vain", || b.looks("failed") > before).await;
        a.end(session(round)).await;
        b.clock.advance(away);
        a.clock.advance(away);
        assert!(!b.knows());
        b.door.shut(false);
        until("B knows again", || {
            let (knows, doubted) = (b.knows(), doubts());
            assert!(!knows || doubted == expected, "never knowing before it has doubted");
            knows
        })
        .await;
        assert_eq!((doubts(), b.refuses(session(round))), (expected, expected == 0), "{round}");
    }
    let before = b.looks("all");
    until("B goes on", || b.looks("all") > before).await;
    assert_eq!(doubts(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_channel_vouches_while_the_store_is_away() {
    let (engine, wire) = (engine::scratch(), wire());
    let (a, b) = (Node::start(&engine, Some(&wire)), Node::start(&engine, Some(&wire)));
    until("both hear each other", || {
        [&a, &b].iter().all(|n| n.counted("stagedoor_revocation_messages_total{outcome=\"received\"}"))
    })
    .await;
    b.door.shut(true);
    for round in 0..4 {
        let before = b.heard();
        until("a beat of each", || b.heard() >= before + 3).await;
        a.clock.advance(Duration::from_secs(2));
        b.clock.advance(Duration::from_secs(2));
        assert!(b.knows(), "heard a moment ago, round {round}");
        a.end(session(round)).await;
        until("B refuses", || b.refuses(session(round))).await;
    }
    wire.shut(true);
    b.clock.advance(Duration::from_secs(6));
    assert!(!b.knows(), "both are away");
    b.door.shut(false);
    until("the store is enough", || b.knows()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_that_cannot_be_sent_wait_and_the_poll_brings_them_meanwhile() {
    let (engine, wire) = (engine::scratch(), wire());
    let (a, b) = (Node::start(&engine, Some(&wire)), Node::start(&engine, Some(&wire)));
    // A look of A between its row and its memory would find the end first, and nobody would be told of it.
    until("A hears and has looked", || {
        a.heard() > 0 && a.counted("stagedoor_revocation_polls_total{outcome=\"all\"}")
    })
    .await;
    wire.shut(true);
    a.end(session(1)).await;
    until("the poll", || b.refuses(session(1))).await;
    until("A tries", || a.counted("stagedoor_revocation_messages_total{outcome=\"failed\"}")).await;
    let mut heard = wire.behind.subscribe();
    wire.shut(false);
    let word = || format!("session {}", session(1));
    loop {
        let text = String::from_utf8(heard.recv().await.unwrap()).unwrap();
        if text.contains(&word()) {
            break;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_is_counted_and_changes_nothing() {
    let (engine, wire) = (engine::scratch(), wire());
    let (a, b) = (Node::start(&engine, Some(&wire)), Node::start(&engine, Some(&wire)));
    until("B hears", || b.counted("stagedoor_revocation_messages_total{outcome=\"received\"}")).await;
    let forged = format!("1 00000000000000ab 1 {} session {} {}", START.millis(), session(1), START.millis());
    for bad in [b"".to_vec(), vec![0; 100_000], b"2 x".to_vec(), vec![0xff; 9], forged.into_bytes()] {
        wire.behind.send(bad).unwrap();
    }
    a.end(session(2)).await;
    until("B goes on", || b.refuses(session(2))).await;
    until("all five", || b.counted("stagedoor_revocation_messages_total{outcome=\"unreadable\"} 5")).await;
    assert!(!b.refuses(session(1)), "nobody without the secret ends anything");
    let mut heard = wire.behind.subscribe();
    a.quit().await;
    while !String::from_utf8(heard.recv().await.unwrap()).unwrap().contains(" bye ") {}
}
