//! Hears what other nodes tell.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{sleep, timeout};

use super::Common;
use super::channel::{Channel, Event, Subscription};
use super::knowledge::{Knowledge, TRUST};
use super::message::{Language, Message, Said};

/// The pause before subscribing anew.
const PAUSE: Duration = Duration::from_millis(500);

/// Takes over what comes over the channel.
pub(super) struct Listener {
    pub(super) common: Arc<Common>,
    pub(super) channel: Arc<dyn Channel>,
    pub(super) language: Language,
}

impl Listener {
    /// Has no end.
    pub(super) async fn listen(self: Arc<Self>) {
        loop {
            self.follow(self.channel.subscribe()).await;
            self.common.know(Knowledge::cut_off);
            sleep(PAUSE).await;
        }
    }

    /// Until nothing comes any more. This node hears itself once a second: when even that does not come, the connection is
    /// not what it seems.
    async fn follow(&self, mut subscription: Box<dyn Subscription>) {
        let mut patience = Duration::MAX;
        while let Ok(Some(event)) = timeout(patience, subscription.next()).await {
            match &event {
                Event::Joined => self.joined(),
                Event::Message(bytes) => self.hear(bytes),
                Event::Lost => self.common.know(Knowledge::cut_off),
            }
            patience = if matches!(event, Event::Lost) { Duration::MAX } else { TRUST };
        }
    }

    fn joined(&self) {
        let since = self.common.clock.monotonic();
        self.common.know(|known| known.subscribed(since));
        // What was sent before is in the store.
        self.common.look_now.notify_one();
    }

    fn hear(&self, bytes: &[u8]) {
        let (common, now) = (&self.common, self.common.clock.now());
        let Some(message) = self.language.read(bytes, now) else {
            common.metrics.revocation_message("unreadable");
            return;
        };
        let Message { node, count, sent, what } = message;
        let lag = now.since(sent);
        // What was under way for long says nothing about now.
        let at = common.clock.monotonic().saturating_sub(lag);
        common.metrics.revocation_message("received");
        common.metrics.revocation_lag("channel", lag);
        match what {
            Said::Ended(what) => {
                common.revocations.learn(what);
                common.know(|known| known.end(node, count, at));
            }
            Said::Beat => common.know(|known| known.beat(node, count, at)),
            Said::Bye => common.know(|known| known.left(node)),
        }
    }
}
