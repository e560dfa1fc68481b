//! Signing keys: the next one when its time has come, and what other nodes and the command line have changed.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::{Job, Scope};

/// Whoever holds the keys of a running gateway.
#[async_trait]
pub trait KeyCare: Send + Sync + 'static {
    /// Makes the next key when it is due and forgets keys whose last token has expired; returns how many changed.
    ///
    /// # Errors
    /// For the log; the ring in force stays.
    async fn rotate_if_due(&self) -> Result<u64, String>;

    /// Takes over what the store holds now; 0 when that is in force already.
    ///
    /// # Errors
    /// For the log; the ring in force stays.
    async fn reread(&self) -> Result<u64, String>;
}

/// Rotation by the calendar.
pub struct KeyRotation(pub Arc<dyn KeyCare>);

#[async_trait]
impl Job for KeyRotation {
    fn name(&self) -> &'static str {
        "key_rotation"
    }

    /// Far more often than a key changes, so that a node that was down at the time does not matter.
    fn period(&self) -> Duration {
        Duration::from_secs(600)
    }

    async fn run(&self) -> Result<u64, String> {
        self.0.rotate_if_due().await
    }
}

/// Looks for changes. Unknown names of keys in tokens never make anybody look: there would be no end to it (J-10).
pub struct KeyWatch(pub Arc<dyn KeyCare>);

#[async_trait]
impl Job for KeyWatch {
    fn name(&self) -> &'static str {
        "key_watch"
    }

    /// An emergency removal takes effect within this time on every node; the table has a handful of rows.
    fn period(&self) -> Duration {
        Duration::from_secs(2)
    }

    fn scope(&self) -> Scope {
        Scope::Node
    }

    async fn run(&self) -> Result<u64, String> {
        self.0.reread().await
    }
}
