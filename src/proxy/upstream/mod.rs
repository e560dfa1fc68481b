//! The servers of each upstream. [`Upstreams::peer`] wants a `Permit`, so that nothing reaches an application that
//! the gate has not let through.
//!
//! - `pool`: the servers of one upstream, and which of them gets a request
//! - `server`: one address of a server: how much it has to do, whether it is well
//! - `origin`: one server as written, and the addresses its name has · `peer`: how to connect
//! - `watch`: the task that asks servers whether they are well, and names for their addresses

mod origin;
mod peer;
mod pool;
mod server;
#[cfg(test)]
mod tests;
mod watch;

use std::sync::Arc;
use std::time::Duration;

use pingora::prelude::HttpPeer;
use pingora::services::background::{GenBackgroundService, background_service};

use super::settings::Upstream;
use crate::gate::{Permit, UpstreamFailure};
use crate::metrics::{Metrics, Trouble};
use crate::model::{ClientIp, Timestamp};
use pool::{Pool, Wish};
use server::Server;
use watch::Watch;

/// The authorities of an upstream cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("the authorities of upstream '{upstream}' cannot be read from {path}: {cause}")]
pub struct BadAuthorities {
    upstream: String,
    path: String,
    cause: String,
}

/// The task that watches all servers.
pub type WatchService = GenBackgroundService<Watch>;

/// How often one request is sent at most.
const TRIES: u8 = 2;

/// All upstreams, by their place in the configuration.
pub struct Upstreams(Vec<Arc<Pool>>);

/// What matters about a request for where it goes.
pub(super) struct Asking {
    /// It wants to be more than one request and one answer: how long nothing may pass then.
    pub(super) upgrade: Option<Duration>,
    /// Who sent it.
    pub(super) client: ClientIp,
    /// When.
    pub(super) now: Timestamp,
}

/// One request between the gateway and an upstream.
#[derive(Default)]
pub(super) struct Onward {
    /// Its place among those under way.
    seat: Option<Seat>,
    /// How often a server was chosen for it.
    tries: u8,
    /// Whether any head has come back.
    pub(super) answered: bool,
    /// How many interim answers came.
    pub(super) interim: u8,
}

/// One request in the counts of its upstream and its server.
struct Seat {
    pool: Arc<Pool>,
    /// `None` for the only server: nothing is chosen there.
    server: Option<Arc<Server>>,
}

impl Upstreams {
    /// Prepares servers and peers, and the task that watches them if there is anything to watch. A name that has no
    /// address yet is no reason to keep all other applications from being reached: it is asked for again and again.
    ///
    /// # Errors
    /// [`BadAuthorities`] when a file of authorities cannot be used.
    pub fn new(
        settings: &[Upstream],
        metrics: &Metrics,
    ) -> Result<(Arc<Self>, Option<WatchService>), BadAuthorities> {
        let pool = |(at, u): (usize, &Upstream)| Pool::new(u, at, metrics).map(Arc::new);
        let pools: Vec<_> = settings.iter().enumerate().map(pool).collect::<Result<_, _>>()?;
        let watched: Vec<_> = pools.iter().filter(|p| p.is_watched()).cloned().collect();
        let watch = (!watched.is_empty()).then(|| background_service("upstreams", Watch::new(watched)));
        Ok((Arc::new(Self(pools)), watch))
    }

    /// Where the request goes.
    ///
    /// # Errors
    /// `Busy` when as many requests are under way as may be, `Down` when no server of the upstream is well.
    pub(super) fn peer(
        &self,
        permit: &Permit,
        asking: &Asking,
        onward: &mut Onward,
    ) -> Result<Box<HttpPeer>, UpstreamFailure> {
        let pool = &self.0[permit.upstream()];
        if onward.seat.is_none() {
            onward.seat = Some(Seat::take(pool).ok_or(UpstreamFailure::Busy)?);
        }
        onward.tries = onward.tries.saturating_add(1);
        let mut peer = match pool.only() {
            Some(peer) => peer,
            None => {
                let caller = permit.caller().map(|v| v.principal().id);
                let wish = Wish { caller, client: asking.client, not: onward.server(), now: asking.now };
                let server = pool.choose(&wish).ok_or(UpstreamFailure::Down)?;
                let peer = Box::new(server.peer.clone());
                onward.sit_with(server);
                peer
            }
        };
        if asking.upgrade.is_some() {
            peer.options.read_timeout = asking.upgrade;
            peer.options.set_http_version(1, 1);
        }
        Ok(peer)
    }

    /// How many servers of each upstream are well, by its name; without a health check all count as well. Upstreams
    /// that another proxy reaches are left out.
    pub fn well(&self) -> impl Iterator<Item = (&str, usize)> {
        self.0.iter().filter(|pool| !pool.is_elsewhere()).map(|pool| (pool.name(), pool.well()))
    }

    /// Whether another proxy reaches this one, and we never do.
    pub(super) fn is_elsewhere(&self, at: usize) -> bool {
        self.0[at].is_elsewhere()
    }

    /// The name of an upstream, for logs and metrics.
    pub(super) fn name(&self, at: usize) -> &str {
        self.0[at].name()
    }
}

impl Onward {
    fn server(&self) -> Option<&Arc<Server>> {
        self.seat.as_ref()?.server.as_ref()
    }

    fn sit_with(&mut self, server: Arc<Server>) {
        let Some(seat) = &mut self.seat else { return };
        server.begin();
        if let Some(before) = seat.server.replace(server) {
            before.end();
        }
    }

    /// Whether it may be sent once more at all.
    pub(super) fn first_try(&self) -> bool {
        self.tries < TRIES
    }

    /// Whether it may be sent once more, and there is another server for it.
    pub(super) fn has_another(&self) -> bool {
        self.first_try() && self.seat.as_ref().is_some_and(|seat| seat.pool.has_another(self.server()))
    }

    /// The server could not be reached: others get its requests for a moment. Whether there are others.
    pub(super) fn leave_out(&self, now: Timestamp) -> bool {
        if let Some(server) = self.server() {
            server.leave_out(now);
        }
        self.has_another()
    }

    /// Counts what went wrong, and whether it is tried again.
    pub(super) fn count(&self, what: Trouble, again: bool) {
        let Some(seat) = &self.seat else { return };
        seat.pool.metrics.trouble(what);
        if again {
            seat.pool.metrics.retried();
        }
    }
}

impl Seat {
    fn take(pool: &Arc<Pool>) -> Option<Self> {
        pool.enter().then(|| Self { pool: pool.clone(), server: None })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.pool.metrics.end();
        if let Some(server) = &self.server {
            server.end();
        }
    }
}
