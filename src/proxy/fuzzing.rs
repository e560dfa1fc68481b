//! What the fuzz targets reach of this part; compiled for them alone (`cfg(fuzzing)`).

use std::net::IpAddr;

use http::HeaderMap;
use ipnet::IpNet;

use super::forwarded::{is_trusted, named};
use super::{ForwardedFamily, Limits, strict};
use crate::gate::HeadRefusal;
use crate::model::ClientIp;

/// What the guard asks of the bytes of a head, the empty line included.
///
/// # Errors
/// The first reason to refuse it.
pub fn check_head(head: &[u8], limits: &Limits) -> Result<(), HeadRefusal> {
    strict::check(head, limits)?;
    Ok(())
}

/// Whose request it is that came from `peer` with these fields, of which those of `family` count.
#[must_use]
pub fn client_ip(headers: &HeaderMap, peer: IpAddr, trusted: &[IpNet], family: ForwardedFamily) -> ClientIp {
    let peer = ClientIp::new(peer);
    if !is_trusted(peer, trusted) {
        return peer;
    }
    named(headers, peer, trusted, family).ip
}
