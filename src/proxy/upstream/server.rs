//! One address of a server: how much it has to do, and whether it is well.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use pingora::prelude::HttpPeer;

use crate::model::Timestamp;

/// How long a server that could not be reached gets no requests, as long as others do.
const REST: Duration = Duration::from_secs(5);

/// One server at one address. Outlives changes of the address list that do not concern it.
pub(super) struct Server {
    /// Its place among the servers as written.
    pub(super) origin: usize,
    /// Where it is.
    pub(super) address: SocketAddr,
    /// Its share of the requests.
    pub(super) weight: u16,
    /// How to connect; cloned for each request.
    pub(super) peer: HttpPeer,
    well: AtomicBool,
    under_way: AtomicUsize,
    /// When it could not be reached last, in milliseconds.
    missed: AtomicI64,
}

impl Server {
    pub(super) fn new(origin: usize, address: SocketAddr, weight: u16, peer: HttpPeer) -> Self {
        Self {
            origin,
            address,
            weight,
            peer,
            well: AtomicBool::new(true),
            under_way: AtomicUsize::new(0),
            missed: AtomicI64::new(i64::MIN),
        }
    }

    pub(super) fn begin(&self) {
        self.under_way.fetch_add(1, Relaxed);
    }

    pub(super) fn end(&self) {
        self.under_way.fetch_sub(1, Relaxed);
    }

    /// Requests under way in relation to its share; only for comparing.
    pub(super) fn load(&self) -> u64 {
        let under_way = self.under_way.load(Relaxed) as u64;
        (under_way << 16) / u64::from(self.weight.max(1))
    }

    /// What the health check says; without one always well.
    pub(super) fn is_well(&self) -> bool {
        self.well.load(Relaxed)
    }

    /// Notes what the health check found; whether that is new.
    pub(super) fn found(&self, well: bool) -> bool {
        self.well.swap(well, Relaxed) != well
    }

    pub(super) fn leave_out(&self, now: Timestamp) {
        self.missed.store(now.millis(), Relaxed);
    }

    /// Whether it could not be reached a moment ago. A clock that was set back ends that too.
    pub(super) fn rests(&self, now: Timestamp) -> bool {
        let missed = self.missed.load(Relaxed);
        let rest = i64::try_from(REST.as_millis()).unwrap_or(i64::MAX);
        missed != i64::MIN && (0..rest).contains(&now.millis().saturating_sub(missed))
    }
}
