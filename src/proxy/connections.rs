//! Who is connected: so many from one address, and so many in all. When all places are taken, whoever has been waiting
//! for longest without asking for anything is shown out to make room; requests under way are never cut for it.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ipnet::IpNet;
use pingora::protocols::Stream;
use tokio::sync::Notify;

use super::forwarded::is_trusted;
use super::settings::Limits;
use crate::metrics::Metrics;
use crate::model::{ClientIp, Clock};

/// In so many parts the seats are kept, so that connections rarely wait for each other.
const SHARDS: usize = 32;
/// So many of those who wait for longest are looked up at once: in a flood each newcomer takes the place of one.
const BATCH: usize = 64;
/// After a look that found nobody waiting, nobody looks again for so long.
const FRUITLESS: Duration = Duration::from_millis(50);

/// A request is under way.
const BUSY: u64 = 0;
/// Has to leave.
const SHOWN_OUT: u64 = u64::MAX;

type Seats = Mutex<HashMap<u64, (Arc<Seat>, bool), ahash::RandomState>>;

/// All connections of clients.
pub(super) struct Connections {
    per_address: usize,
    total: usize,
    trusted: Vec<IpNet>,
    clock: Arc<dyn Clock>,
    metrics: Arc<Metrics>,
    of_address: Mutex<HashMap<IpAddr, usize, ahash::RandomState>>,
    seats: [Seats; SHARDS],
    next: AtomicU64,
    open: AtomicUsize,
    waiting: Mutex<Waiting>,
}

/// Those who have waited for longest when somebody last looked.
#[derive(Default)]
struct Waiting {
    /// With the time since when; the longest last.
    known: Vec<(u64, Arc<Seat>)>,
    /// Nobody was found; not before this time does it make sense to look again.
    not_before: u64,
}

/// Why somebody does not get in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Full {
    /// The address has as many connections as it may.
    Address,
    /// All places are taken, and everybody is being served.
    House,
}

impl Full {
    /// The reason in logs and metrics.
    pub(super) fn reason(self) -> &'static str {
        match self {
            Self::Address => "too_many_connections",
            Self::House => "gateway_full",
        }
    }
}

impl Connections {
    /// None yet; `total` at most, whatever the limits say.
    pub(super) fn new(
        limits: &Limits,
        total: usize,
        trusted: Vec<IpNet>,
        (clock, metrics): (Arc<dyn Clock>, Arc<Metrics>),
    ) -> Self {
        Self {
            per_address: limits.connections_per_address,
            total: total.min(limits.connections).max(1),
            trusted,
            clock,
            metrics,
            of_address: Mutex::default(),
            seats: std::array::from_fn(|_| Mutex::default()),
            next: AtomicU64::new(0),
            open: AtomicUsize::new(0),
            waiting: Mutex::default(),
        }
    }

    /// A place for this connection.
    ///
    /// # Errors
    /// [`Full`] when there is none. A trusted proxy brings the connections of many people: for those of its address
    /// there is no limit.
    pub(super) fn enter(self: &Arc<Self>, stream: &Stream) -> Result<Place, Full> {
        self.admit(peer(stream).ok_or(Full::Address)?)
    }

    fn admit(self: &Arc<Self>, peer: ClientIp) -> Result<Place, Full> {
        let trusted = is_trusted(peer, &self.trusted);
        let bucket = (!trusted).then(|| peer.bucket());
        if let Some(bucket) = bucket {
            let mut all = locked(&self.of_address);
            let count = all.entry(bucket).or_insert(0);
            if *count >= self.per_address {
                return Err(Full::Address);
            }
            *count += 1;
        }
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let full = self.open.fetch_add(1, Ordering::Relaxed) >= self.total;
        self.metrics.connection_opened();
        let seat =
            Arc::new(Seat { clock: self.clock.clone(), since: AtomicU64::new(BUSY), way_out: Notify::new() });
        // From here on leaving gives everything back.
        let place = Place { all: self.clone(), bucket, number, seat };
        if full && !self.make_room() {
            return Err(Full::House);
        }
        locked(self.shard(number)).insert(number, (place.seat.clone(), trusted));
        Ok(place)
    }

    /// Who may speak for others.
    pub(super) fn trusted(&self) -> &[IpNet] {
        &self.trusted
    }

    /// Whether the other end is a proxy that speaks for many people.
    pub(super) fn brings_many(&self, stream: &Stream) -> bool {
        peer(stream).is_some_and(|ip| is_trusted(ip, &self.trusted))
    }

    fn shard(&self, number: u64) -> &Seats {
        &self.seats[usize::try_from(number % SHARDS as u64).unwrap_or(0)]
    }

    /// Shows somebody out; whether anybody was waiting.
    fn make_room(&self) -> bool {
        let mut waiting = locked(&self.waiting);
        loop {
            while let Some((since, seat)) = waiting.known.pop() {
                if seat.show_out(since) {
                    self.metrics.connection_shed();
                    return true;
                }
            }
            let now = micros(&*self.clock);
            if now < waiting.not_before {
                return false;
            }
            waiting.known = self.longest_waiting();
            if waiting.known.is_empty() {
                waiting.not_before = now + u64::try_from(FRUITLESS.as_micros()).unwrap_or(0);
                return false;
            }
        }
    }

    /// Those who wait for longest, the longest last. Of trusted proxies only where nobody else waits: each of theirs
    /// would be missed by somebody.
    fn longest_waiting(&self) -> Vec<(u64, Arc<Seat>)> {
        let mut all: Vec<(bool, u64, Arc<Seat>)> = Vec::new();
        for shard in &self.seats {
            let seats = locked(shard);
            all.extend(seats.values().filter_map(|(seat, trusted)| {
                let since = seat.since.load(Ordering::Relaxed);
                (since != BUSY && since != SHOWN_OUT).then(|| (*trusted, since, seat.clone()))
            }));
        }
        let order = |(trusted, since, _): &(bool, u64, Arc<Seat>)| (*trusted, *since);
        if all.len() > BATCH {
            all.select_nth_unstable_by_key(BATCH, order);
            all.truncate(BATCH);
        }
        all.sort_unstable_by_key(order);
        // Strangers first, and when they have left whoever waits is looked up again.
        let strangers = all.partition_point(|(trusted, ..)| !trusted);
        if strangers > 0 {
            all.truncate(strangers);
        }
        all.into_iter().rev().map(|(_, since, seat)| (since, seat)).collect()
    }

    fn one_less_of(&self, bucket: IpAddr) {
        let mut all = locked(&self.of_address);
        if let Some(count) = all.get_mut(&bucket) {
            *count -= 1;
            if *count == 0 {
                all.remove(&bucket);
            }
        }
    }
}

/// The other end.
pub(super) fn peer(stream: &Stream) -> Option<ClientIp> {
    Some(ClientIp::new(stream.get_socket_digest()?.peer_addr()?.as_inet()?.ip()))
}

/// What one connection is doing.
pub(super) struct Seat {
    clock: Arc<dyn Clock>,
    /// [`BUSY`], [`SHOWN_OUT`], or since when it waits.
    since: AtomicU64,
    way_out: Notify,
}

impl Seat {
    /// From now on it waits for the client to ask for something.
    pub(super) fn rest(&self) {
        self.since.store(micros(&*self.clock), Ordering::Relaxed);
    }

    /// The client has asked for something; `false` when it was shown out a moment before.
    pub(super) fn take_up(&self) -> bool {
        self.since.swap(BUSY, Ordering::Relaxed) != SHOWN_OUT
    }

    /// Ends when the connection has to leave.
    pub(super) async fn shown_out(&self) {
        self.way_out.notified().await;
    }

    /// Waits for `next`, which the client has to bring about; `None` when it had to leave before. `Unpin`, so that it is
    /// passed by reference: a future that is passed by value is held twice.
    pub(super) async fn wait_for<T>(&self, next: impl Future<Output = T> + Unpin) -> Option<T> {
        self.rest();
        let next = tokio::select! {
            biased;
            () = self.shown_out() => None,
            next = next => Some(next),
        };
        next.filter(|_| self.take_up())
    }

    /// Shows it out, if it has been waiting since then.
    fn show_out(&self, since: u64) -> bool {
        let found = self.since.compare_exchange(since, SHOWN_OUT, Ordering::Relaxed, Ordering::Relaxed);
        if found.is_ok() {
            self.way_out.notify_one();
        }
        found.is_ok()
    }
}

/// Never one of the two special values.
fn micros(clock: &dyn Clock) -> u64 {
    u64::try_from(clock.monotonic().as_micros()).unwrap_or(u64::MAX - 2).saturating_add(1).min(SHOWN_OUT - 1)
}

/// One open connection, in the counts until this is dropped.
pub(super) struct Place {
    all: Arc<Connections>,
    /// `None`: not counted.
    bucket: Option<IpAddr>,
    number: u64,
    seat: Arc<Seat>,
}

impl Place {
    /// What the connection is doing.
    pub(super) fn seat(&self) -> &Arc<Seat> {
        &self.seat
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        locked(self.all.shard(self.number)).remove(&self.number);
        self.all.open.fetch_sub(1, Ordering::Relaxed);
        if let Some(bucket) = self.bucket {
            self.all.one_less_of(bucket);
        }
        // Last, so that whoever reads it finds the place free.
        self.all.metrics.connection_closed();
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
#[path = "connections_tests.rs"]
mod tests;
