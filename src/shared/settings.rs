//! Which Redis.

use std::path::PathBuf;
use std::time::Duration;

use super::connect::Connector;
use crate::model::Secret;

/// How to reach the Redis that the nodes share.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `redis://user:password@host:port/db`, or one of the other schemes that `topology.rs` lists.
    pub url: Secret,
    /// The roots to trust instead of the system's, PEM; only with TLS.
    pub ca: Option<PathBuf>,
    /// How long one call may take, connecting included.
    pub timeout: Duration,
    /// What every key and channel begins with.
    pub prefix: String,
}

/// Compares the whole URL: `Debug` does not show it.
impl PartialEq for Settings {
    fn eq(&self, other: &Self) -> bool {
        (self.url.expose(), &self.ca, self.timeout, &self.prefix)
            == (other.url.expose(), &other.ca, other.timeout, &other.prefix)
    }
}

impl Eq for Settings {}

/// What is wrong with the settings; never shows the URL.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unusable(pub(super) String);

impl Settings {
    /// Whether connections can be made from this; asks no server.
    ///
    /// # Errors
    /// [`Unusable`] says what is wrong.
    pub fn check(&self) -> Result<(), Unusable> {
        Connector::new(self).map(drop)
    }
}
