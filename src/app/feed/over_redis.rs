//! The channel over the Redis that nodes share.

use async_trait::async_trait;

use super::channel::{Channel, Event, Subscription};
use crate::shared;

/// The name of the channel; the prefix of the configuration comes before it.
const NAME: &str = "revocations";

#[async_trait]
impl Channel for shared::Redis {
    async fn send(&self, message: &str) -> Result<(), String> {
        self.publish(NAME, message.as_bytes()).await.map_err(|e| e.to_string())
    }

    fn subscribe(&self) -> Box<dyn Subscription> {
        Box::new(Self::subscribe(self, NAME))
    }
}

#[async_trait]
impl Subscription for shared::Subscription {
    async fn next(&mut self) -> Option<Event> {
        Some(match Self::next(self).await? {
            shared::Event::Connected => Event::Joined,
            shared::Event::Message(bytes) => Event::Message(bytes.into()),
            shared::Event::Lost => Event::Lost,
        })
    }
}
