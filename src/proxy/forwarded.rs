//! Who the client really is, whether it came by https, and what the upstream is told about both.
//!
//! The other end of the connection speaks for itself. A trusted proxy speaks for others, in the one family of fields
//! that `server.forwarded` names: proxies that write one family hand the other on as their clients sent it. Whatever
//! cannot be read makes the client an unknown one, which is on no list and in no network; falling back to the proxy's
//! own address would let its client pass for it (F-05).

use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};

use http::{HeaderMap, HeaderName, HeaderValue};
use ipnet::IpNet;
use pingora::proxy::Session;

use super::filter::Front;
use super::rfc7239::{self, Scheme};
use super::settings::ForwardedFamily;
use crate::gate::form::is_authority;
use crate::model::ClientIp;

const FORWARDED: HeaderName = HeaderName::from_static("forwarded");
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// Who sent a request, as far as that can be verified.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Sender {
    /// The client.
    pub(super) ip: ClientIp,
    /// The trusted proxies that it came through, ours first.
    pub(super) proxies: Vec<ClientIp>,
    /// Whether nobody on the way could read the request: it came by TLS, or from a proxy of ours that took care of that
    /// and does not say otherwise.
    pub(super) private: bool,
}

impl Front {
    /// Who sent this request. `asked`: a proxy wants a verdict, and says in a family of its own what about
    /// ([`forward_auth`](super::forward_auth)); the other one it has from its client.
    pub(super) fn sender(&self, session: &Session, asked: bool) -> Sender {
        let trusted = &self.parts().trusted_proxies;
        let (peer, encrypted) = (peer(session), session.digest().is_some_and(|d| d.ssl_digest.is_some()));
        if !is_trusted(peer, trusted) {
            return Sender { ip: peer, proxies: Vec::new(), private: encrypted };
        }
        let family = if asked { ForwardedFamily::XForwarded } else { self.parts().forwarded };
        let mut sender = named(&session.req_header().headers, peer, trusted, family);
        sender.private |= encrypted;
        sender
    }
}

/// Who is at the other end of the connection.
pub(super) fn peer(session: &Session) -> ClientIp {
    let peer = session.client_addr().and_then(|a| a.as_inet()).map(|a| ClientIp::new(a.ip()));
    peer.unwrap_or(ClientIp::UNKNOWN)
}

/// Whether `ip` may speak for others.
pub(super) fn is_trusted(ip: ClientIp, trusted: &[IpNet]) -> bool {
    trusted.iter().any(|net| net.contains(&ip.addr()))
}

/// Whom the trusted proxy `peer` names.
pub(super) fn named(
    headers: &HeaderMap,
    peer: ClientIp,
    trusted: &[IpNet],
    family: ForwardedFamily,
) -> Sender {
    let mut proxies = vec![peer];
    let (found, private) = match family {
        ForwardedFamily::XForwarded => {
            let hops = elements(headers, FORWARDED_FOR).map(|hop| address(hop).unwrap_or(ClientIp::UNKNOWN));
            (search(hops, trusted, &mut proxies), is_https(headers))
        }
        ForwardedFamily::Forwarded => {
            // What counts of the scheme is what was said along with the client.
            let mut scheme = Scheme::Unsaid;
            let nodes = elements(headers, FORWARDED).map(|text| {
                let element = rfc7239::element(text);
                scheme = element.scheme;
                element.node
            });
            (search(nodes, trusted, &mut proxies), scheme != Scheme::Other)
        }
    };
    // Nobody but proxies of ours: the first of them asks for itself.
    let ip = found.or_else(|| proxies.pop()).unwrap_or(ClientIp::UNKNOWN);
    Sender { ip, proxies, private }
}

/// What a list says, over all fields of that name, from the right.
fn elements(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = &[u8]> {
    let fields: Vec<&[u8]> = headers.get_all(name).iter().map(HeaderValue::as_bytes).collect();
    fields.into_iter().rev().flat_map(|field| field.rsplit(|b| *b == b','))
}

/// The first one that is not trusted (F-08); the trusted ones before it join `proxies`.
fn search(
    named: impl Iterator<Item = ClientIp>,
    trusted: &[IpNet],
    proxies: &mut Vec<ClientIp>,
) -> Option<ClientIp> {
    for ip in named {
        if ip == ClientIp::UNKNOWN || !is_trusted(ip, trusted) {
            return Some(ip);
        }
        proxies.push(ip);
    }
    None
}

/// `203.0.113.9`, `203.0.113.9:4711`, `2001:db8::9`, `[2001:db8::9]:4711`.
fn address(hop: &[u8]) -> Option<ClientIp> {
    let text = std::str::from_utf8(hop).ok()?.trim_matches([' ', '\t']);
    let ip = text.parse::<IpAddr>().or_else(|_| text.parse::<SocketAddr>().map(|s| s.ip()));
    ip.ok().map(ClientIp::new)
}

/// `X-Forwarded-Proto`: `https`, or nothing at all. Any other word, and a second field, is not https (F-07).
fn is_https(headers: &HeaderMap) -> bool {
    let mut said = headers.get_all(FORWARDED_PROTO).iter();
    said.next().is_none_or(|first| first.as_bytes() == b"https") && said.next().is_none()
}

/// What the upstream hears about where a request comes from.
pub(super) struct Told<'a> {
    pub(super) client: ClientIp,
    /// As in [`Sender::proxies`].
    pub(super) proxies: &'a [ClientIp],
    /// As people see it.
    pub(super) scheme: &'a HeaderValue,
    pub(super) host: Option<HeaderValue>,
}

impl Told<'_> {
    /// Says it in both families alike, each field once: only hops that were verified, never what the client claimed.
    pub(super) fn put_into(self, headers: &mut HeaderMap) {
        let mut chain = String::with_capacity(20 * (1 + self.proxies.len()));
        let mut list = String::with_capacity(96);
        for (n, ip) in std::iter::once(&self.client).chain(self.proxies.iter().rev()).enumerate() {
            if n > 0 {
                chain.push_str(", ");
                list.push_str(", ");
            }
            let from = chain.len();
            let _ = write!(chain, "{ip}");
            push_node(&mut list, *ip, &chain[from..]);
            if n == 0 {
                self.push_origin(&mut list);
            }
        }
        for (name, text) in [(FORWARDED_FOR, chain), (FORWARDED, list)] {
            if let Ok(value) = HeaderValue::try_from(text) {
                headers.insert(name, value);
            }
        }
        headers.insert(FORWARDED_PROTO, self.scheme.clone());
        if let Some(host) = self.host {
            headers.insert(FORWARDED_HOST, host);
        }
    }

    fn push_origin(&self, list: &mut String) {
        let host = self.host.as_ref().filter(|h| is_authority(h.as_bytes()));
        if let Some(host) = host.and_then(|h| h.to_str().ok()) {
            list.push_str(";host=");
            push_value(list, host);
        }
        if let Ok(scheme) = self.scheme.to_str() {
            list.push_str(";proto=");
            list.push_str(scheme);
        }
    }
}

/// `shown` is how the address is written.
fn push_node(list: &mut String, ip: ClientIp, shown: &str) {
    list.push_str("for=");
    if ip == ClientIp::UNKNOWN {
        list.push_str("unknown");
    } else if ip.addr().is_ipv6() {
        list.extend(["\"[", shown, "]\""]);
    } else {
        list.push_str(shown);
    }
}

/// An authority holds nothing that would have to be escaped.
fn push_value(list: &mut String, authority: &str) {
    if authority.bytes().all(rfc7239::is_token_byte) {
        list.push_str(authority);
    } else {
        list.extend(["\"", authority, "\""]);
    }
}

#[cfg(test)]
#[path = "forwarded_tests.rs"]
mod tests;
