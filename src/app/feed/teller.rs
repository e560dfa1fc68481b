//! Tells the other nodes what was decided here: in order, each end with its number, and once a second how far this node
//! has come. While the channel is away messages wait; what there is no room for is dropped, and the others notice by the
//! missing number. Either way the store has it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use super::channel::Channel;
use super::message::{Language, Message, NodeId, Said};
use super::{Common, PERIOD};
use crate::metrics::Metrics;
use crate::model::{Clock, Timestamp};
use crate::token::{Ended, Heard, Witness};

/// So many messages wait at most.
const WAITING: usize = 4096;
/// The pause before a message is sent again; doubles from the first to the second.
const PAUSES: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(1));
/// Longer than this nobody waits for a good-bye.
const FAREWELL: Duration = Duration::from_millis(200);

/// Sends what the [`Decided`] of the same node has queued.
pub(super) struct Teller {
    node: NodeId,
    language: Language,
    channel: Arc<dyn Channel>,
    clock: Arc<dyn Clock>,
    metrics: Arc<Metrics>,
    count: Arc<Mutex<u64>>,
    queue: tokio::sync::Mutex<mpsc::Receiver<Queued>>,
}

/// Queues every end that is decided on this node.
pub(super) struct Decided {
    clock: Arc<dyn Clock>,
    metrics: Arc<Metrics>,
    /// How many there were. Held while queueing, so that the order of the queue is that of the numbers.
    count: Arc<Mutex<u64>>,
    queue: mpsc::Sender<Queued>,
}

struct Queued {
    number: u64,
    at: Timestamp,
    what: Ended,
}

impl Witness for Decided {
    fn ended(&self, what: Ended, heard: Heard) {
        if heard == Heard::Elsewhere {
            return;
        }
        let mut count = self.count.lock().unwrap_or_else(PoisonError::into_inner);
        *count += 1;
        if self.queue.try_send(Queued { number: *count, at: self.clock.now(), what }).is_err() {
            self.metrics.revocation_message("dropped");
        }
    }
}

impl Teller {
    pub(super) fn new(
        node: NodeId,
        language: Language,
        channel: Arc<dyn Channel>,
        common: &Common,
    ) -> (Self, Decided) {
        let (sender, receiver) = mpsc::channel(WAITING);
        let (clock, metrics, count) = (common.clock.clone(), common.metrics.clone(), Arc::default());
        let decided = Decided {
            clock: clock.clone(),
            metrics: metrics.clone(),
            count: Arc::clone(&count),
            queue: sender,
        };
        let queue = tokio::sync::Mutex::new(receiver);
        (Self { node, language, channel, clock, metrics, count, queue }, decided)
    }

    /// Has no end.
    pub(super) async fn tell(self: Arc<Self>) {
        let mut queue = self.queue.lock().await;
        let mut tick = interval(PERIOD);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                Some(next) = queue.recv() => {
                    self.insist(|_| Message { sent: next.at, ..self.message(next.number, Said::Ended(next.what)) }).await;
                }
                _ = tick.tick() => {
                    // One that has to wait is sent by and by; then comes the next beat.
                    let Some(count) = self.count_if_all_are_sent(&queue) else { continue };
                    let _ = self.send(&self.message(count, Said::Beat)).await;
                }
            }
        }
    }

    /// How many ends were decided, if none of them waits.
    fn count_if_all_are_sent(&self, queue: &mpsc::Receiver<Queued>) -> Option<u64> {
        let count = self.count.lock().unwrap_or_else(PoisonError::into_inner);
        queue.is_empty().then_some(*count)
    }

    fn message(&self, count: u64, what: Said) -> Message {
        Message { node: self.node, count, sent: self.clock.now(), what }
    }

    /// Sends until it has been sent.
    async fn insist(&self, message: impl Fn(&Self) -> Message) {
        let (mut pause, longest) = PAUSES;
        while self.send(&message(self)).await.is_err() {
            sleep(pause).await;
            pause = longest.min(pause * 2);
        }
    }

    async fn send(&self, message: &Message) -> Result<(), ()> {
        let sent = self.channel.send(&self.language.write(message)).await;
        self.metrics.revocation_message(if sent.is_ok() { "sent" } else { "failed" });
        sent.map_err(|e| tracing::debug!(error = e, "other nodes were not told, they look into the store"))
    }

    /// Lets the others know that this node's silence means nothing from now on. Ends that wait are left to the store,
    /// which the others look into before they forget this node.
    pub(super) async fn say_good_bye(&self) {
        let waiting = self.queue.lock().await;
        if let Some(count) = self.count_if_all_are_sent(&waiting) {
            let _ = timeout(FAREWELL, self.send(&self.message(count, Said::Bye))).await;
        }
    }
}
