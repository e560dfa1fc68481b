//! The servers of one upstream, and which of them gets a request. The list is replaced as a whole when names get other
//! addresses; requests read it without waiting for anybody.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use arc_swap::ArcSwap;
use pingora::lb::Backend;
use pingora::lb::selection::{BackendIter, BackendSelection, Consistent, RoundRobin};
use pingora::prelude::HttpPeer;

use super::BadAuthorities;
use super::origin::Origin;
use super::peer;
use super::server::Server;
use crate::metrics::{Metrics, Trouble, UpstreamMetrics};
use crate::model::{AccountId, ClientIp, Timestamp};
use crate::proxy::settings::{Balance, Health, Upstream};

/// After so many servers that will not do the others are looked at in their order.
const STEPS: usize = 16;

/// One upstream.
pub(super) struct Pool {
    name: String,
    origins: Vec<Origin>,
    balance: Balance,
    health: Option<Health>,
    limit: usize,
    resolve_every: Duration,
    servers: ArcSwap<Servers>,
    pub(super) metrics: UpstreamMetrics,
}

/// Who asks, and for which server.
pub(super) struct Wish<'a> {
    /// The person, if anybody is signed in.
    pub(super) caller: Option<AccountId>,
    pub(super) client: ClientIp,
    /// One that has just failed.
    pub(super) not: Option<&'a Arc<Server>>,
    pub(super) now: Timestamp,
}

/// The list of one moment.
struct Servers {
    all: Vec<Arc<Server>>,
    order: Order,
}

enum Order {
    /// One server that nobody checks: there is nothing to choose.
    Only,
    RoundRobin(Arc<RoundRobin>),
    Least(AtomicUsize),
    Ketama(Arc<Consistent>),
}

impl Pool {
    /// Resolves names once, so that the first request finds servers.
    pub(super) fn new(settings: &Upstream, at: usize, metrics: &Metrics) -> Result<Self, BadAuthorities> {
        let ca = peer::authorities(settings)?;
        let origin = |s| Origin::new(settings, s, peer::template(settings, s, (at, ca.as_ref())));
        let pool = Self {
            name: settings.name.clone(),
            origins: settings.servers.iter().map(origin).collect(),
            balance: settings.balance,
            health: settings.health.clone(),
            limit: settings.max_in_flight,
            resolve_every: settings.resolve_every,
            servers: ArcSwap::from_pointee(Servers {
                all: Vec::new(),
                order: Order::Least(AtomicUsize::new(0)),
            }),
            metrics: metrics.of_upstream(&settings.name),
        };
        for origin in &pool.origins {
            origin.resolve_now(&pool.name);
        }
        pool.renew();
        Ok(pool)
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn health(&self) -> Option<&Health> {
        self.health.as_ref()
    }

    /// How often names are resolved; `None` when there are only addresses.
    pub(super) fn resolve_every(&self) -> Option<Duration> {
        self.origins.iter().any(Origin::is_name).then_some(self.resolve_every)
    }

    /// Whether another proxy reaches its servers, and we never do.
    pub(super) fn is_elsewhere(&self) -> bool {
        self.origins.is_empty()
    }

    pub(super) fn is_watched(&self) -> bool {
        self.health.is_some() || self.resolve_every().is_some()
    }

    pub(super) fn origins(&self) -> &[Origin] {
        &self.origins
    }

    pub(super) fn all(&self) -> Vec<Arc<Server>> {
        self.servers.load().all.clone()
    }

    /// Whether one more request may be under way; then it is counted.
    pub(super) fn enter(&self) -> bool {
        let fits = self.metrics.begin() <= self.limit;
        if !fits {
            self.metrics.end();
            self.metrics.trouble(Trouble::Busy);
        }
        fits
    }

    /// The peer where there is no choice.
    pub(super) fn only(&self) -> Option<Box<HttpPeer>> {
        let servers = self.servers.load();
        matches!(servers.order, Order::Only).then(|| Box::new(servers.all[0].peer.clone()))
    }

    /// A server that is well; one that was missed a moment ago, or has just failed, only if there is no other.
    pub(super) fn choose(&self, wish: &Wish<'_>) -> Option<Arc<Server>> {
        let servers = self.servers.load();
        let fresh = |s: &Arc<Server>| s.is_well() && !wish.avoids(s) && !s.rests(wish.now);
        let other = |s: &Arc<Server>| s.is_well() && !wish.avoids(s);
        let well = |s: &Arc<Server>| s.is_well();
        servers
            .pick(wish, &fresh)
            .or_else(|| servers.pick(wish, &other))
            .or_else(|| servers.pick(wish, &well))
    }

    pub(super) fn has_another(&self, than: Option<&Arc<Server>>) -> bool {
        let Some(than) = than else { return false };
        self.servers.load().all.iter().any(|s| s.is_well() && !Arc::ptr_eq(s, than))
    }

    pub(super) fn well(&self) -> usize {
        self.servers.load().all.iter().filter(|s| s.is_well()).count()
    }

    /// Takes over what is known about names. Servers that stay keep their counts and their connections.
    pub(super) fn renew(&self) {
        let before = self.all();
        let mut all: Vec<Arc<Server>> = Vec::new();
        for (at, origin) in self.origins.iter().enumerate() {
            for address in origin.addresses() {
                if all.iter().any(|s| s.address == address) {
                    continue;
                }
                let kept = before.iter().find(|s| s.address == address && s.origin == at);
                let make = || Arc::new(Server::new(at, address, origin.weight(), origin.peer(address)));
                all.push(kept.cloned().unwrap_or_else(make));
            }
        }
        let same = all.len() == before.len() && all.iter().zip(&before).all(|(a, b)| Arc::ptr_eq(a, b));
        if !same || before.is_empty() {
            let order = self.order(&all);
            self.servers.store(Arc::new(Servers { all, order }));
        }
    }

    fn order(&self, all: &[Arc<Server>]) -> Order {
        if all.len() == 1 && self.health.is_none() {
            return Order::Only;
        }
        let backends: BTreeSet<Backend> = all.iter().filter_map(|s| backend(s.address, s.weight)).collect();
        match self.balance {
            Balance::RoundRobin => Order::RoundRobin(Arc::new(RoundRobin::build(&backends))),
            Balance::UserHash => Order::Ketama(Arc::new(Consistent::build(&backends))),
            Balance::LeastRequests => Order::Least(AtomicUsize::new(0)),
        }
    }
}

/// The address as Pingora's selection takes it.
pub(super) fn backend(address: SocketAddr, weight: u16) -> Option<Backend> {
    Backend::new_with_weight(&address.to_string(), usize::from(weight)).ok()
}

impl Wish<'_> {
    fn avoids(&self, server: &Arc<Server>) -> bool {
        self.not.is_some_and(|not| Arc::ptr_eq(not, server))
    }
}

impl Servers {
    fn pick(&self, wish: &Wish<'_>, fits: &dyn Fn(&Arc<Server>) -> bool) -> Option<Arc<Server>> {
        match &self.order {
            _ if self.all.is_empty() => None,
            Order::Only => self.all.first().filter(|s| fits(s)).cloned(),
            Order::RoundRobin(order) => self.first(order.iter(b""), fits),
            Order::Ketama(ring) => match (wish.caller, wish.client.bucket()) {
                (Some(person), _) => self.first(ring.iter(person.as_bytes()), fits),
                (None, std::net::IpAddr::V4(ip)) => self.first(ring.iter(&ip.octets()), fits),
                (None, std::net::IpAddr::V6(ip)) => self.first(ring.iter(&ip.octets()), fits),
            },
            Order::Least(turn) => self.idlest(turn.fetch_add(1, Relaxed), fits),
        }
    }

    /// The first that fits in the order of the selection.
    fn first(&self, mut order: impl BackendIter, fits: &dyn Fn(&Arc<Server>) -> bool) -> Option<Arc<Server>> {
        for _ in 0..STEPS {
            let Some(backend) = order.next() else { break };
            let address = backend.addr.as_inet()?;
            let found = self.all.iter().find(|s| s.address == *address && fits(s));
            if let Some(server) = found {
                return Some(server.clone());
            }
        }
        self.all.iter().find(|s| fits(s)).cloned()
    }

    /// The one with the least to do; of equals one after the other.
    fn idlest(&self, turn: usize, fits: &dyn Fn(&Arc<Server>) -> bool) -> Option<Arc<Server>> {
        let from = turn % self.all.len().max(1);
        let in_turn = self.all[from..].iter().chain(&self.all[..from]);
        in_turn.filter(|s| fits(s)).min_by_key(|s| s.load()).cloned()
    }
}
