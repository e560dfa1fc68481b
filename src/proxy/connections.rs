//! Who is connected: so many from one address.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use ipnet::IpNet;
use pingora::protocols::Stream;

use super::head::is_trusted;
use super::settings::Limits;
use crate::model::ClientIp;

/// All connections of clients.
pub(super) struct Connections {
    per_address: usize,
    trusted: Vec<IpNet>,
    open: Mutex<HashMap<IpAddr, usize>>,
}

impl Connections {
    /// None yet.
    pub(super) fn new(limits: &Limits, trusted: Vec<IpNet>) -> Self {
        Self { per_address: limits.connections_per_address, trusted, open: Mutex::default() }
    }

    /// `None` when the address has as many connections as it may. A trusted proxy brings those of many people and is
    /// not counted.
    pub(super) fn enter(self: &Arc<Self>, stream: &Stream) -> Option<Place> {
        let peer = peer(stream)?;
        let bucket = peer.bucket();
        if is_trusted(peer, &self.trusted) {
            return Some(Place { all: self.clone(), bucket: None });
        }
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.entry(bucket).or_insert(0);
        if *count >= self.per_address {
            return None;
        }
        *count += 1;
        Some(Place { all: self.clone(), bucket: Some(bucket) })
    }

    /// Whether the other end is a proxy that speaks for many people.
    pub(super) fn brings_many(&self, stream: &Stream) -> bool {
        peer(stream).is_some_and(|ip| is_trusted(ip, &self.trusted))
    }
}

/// The other end.
pub(super) fn peer(stream: &Stream) -> Option<ClientIp> {
    Some(ClientIp::new(stream.get_socket_digest()?.peer_addr()?.as_inet()?.ip()))
}

/// One open connection in the count for its address.
pub(super) struct Place {
    all: Arc<Connections>,
    /// `None`: not counted.
    bucket: Option<IpAddr>,
}

impl Drop for Place {
    fn drop(&mut self) {
        let Some(bucket) = self.bucket else { return };
        let mut open = self.all.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&bucket) {
            *count -= 1;
            if *count == 0 {
                open.remove(&bucket);
            }
        }
    }
}
