//! What carries messages between nodes. It may lose them, repeat them, and go away; it does not put them in another order.

use async_trait::async_trait;

/// Sends to all nodes, this one included, and brings what they send.
#[async_trait]
pub(in crate::app) trait Channel: Send + Sync + 'static {
    /// Sends one message. May take as long as one call to the carrier.
    ///
    /// # Errors
    /// What went wrong; whether the message arrived is not known then.
    async fn send(&self, message: &str) -> Result<(), String>;

    /// Listens, again and again if it has to, until the result is dropped.
    fn subscribe(&self) -> Box<dyn Subscription>;
}

/// What happens on a channel.
pub(in crate::app) enum Event {
    /// From now on every message comes; earlier ones may be missing.
    Joined,
    /// Somebody has sent this.
    Message(Vec<u8>),
    /// From now on messages may be missing, until it is joined again.
    Lost,
}

/// One listener.
#[async_trait]
pub(in crate::app) trait Subscription: Send {
    /// What happens next. Nothing is lost if the wait for it is given up. `None`: nothing more ever will.
    async fn next(&mut self) -> Option<Event>;
}
