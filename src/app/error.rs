//! Why a gateway does not start.

use std::net::SocketAddr;

use super::hand_over::HandOverError;
use crate::config::SecretError;
use crate::mail::MailError;
use crate::model::Timestamp;
use crate::proxy::{BadAuthorities, CertificateError};
use crate::shared::{Evicts, Unusable};
use crate::store::StoreError;
use crate::token::{KeyError, WeakSecret};

/// Why a gateway does not start; each says what to do.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The operator's secret.
    #[error("{0}; {help}", help = .0.help())]
    Secret(#[from] SecretError),
    /// The secret has too little in it.
    #[error("the secret cannot be used: {0}")]
    WeakSecret(#[from] WeakSecret),
    /// The store.
    #[error("the store cannot be opened: {0}")]
    Store(#[from] StoreError),
    /// The shared Redis, as it is configured here.
    #[error("`redis`: {0}")]
    Redis(#[from] Unusable),
    /// The shared Redis, as it is configured there.
    #[error("`redis`: {0}")]
    Evicts(#[from] Evicts),
    /// The signing keys.
    #[error("{0}; the store and `secret` belong together: start with the secret this store was made with")]
    Keys(#[from] KeyError),
    /// The TLS listener.
    #[error("the certificate cannot be used: {0}")]
    Certificate(#[from] CertificateError),
    /// The way of delivery.
    #[error("mail: {0}")]
    Mail(#[from] MailError),
    /// The authorities of an upstream.
    #[error("{0}")]
    Upstream(#[from] BadAuthorities),
    /// Rules and upstreams do not fit together.
    #[error("{0}")]
    Snapshot(String),
    /// An address cannot be listened on.
    #[error("cannot listen on {address}: {cause}; is another process using it?")]
    Listen {
        /// Which address.
        address: SocketAddr,
        /// What the system says.
        cause: std::io::Error,
    },
    /// The listeners of another process, or ours for the next.
    #[error("{0}")]
    HandOver(#[from] HandOverError),
    /// The clock cannot be right.
    #[error(
        "the clock says {now}, and this program was made on {made}: set the clock, tokens and sessions live by it"
    )]
    Clock {
        /// What the clock says.
        now: Timestamp,
        /// When it was later than that.
        made: Timestamp,
    },
    /// The system refused something basic.
    #[error("{0}")]
    System(#[from] std::io::Error),
}

impl StartError {
    pub(super) fn snapshot(e: &impl std::fmt::Display) -> Self {
        Self::Snapshot(e.to_string())
    }
}
