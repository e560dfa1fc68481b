//! The PROXY protocol, versions 1 and 2, as HAProxy specifies it: what a load balancer that passes on bytes says before
//! the first byte of a client, namely who the client is.
//!
//! What it says becomes the other end of the connection for everything that comes after, by way of Pingora's own record
//! of it (`SocketDigest`): limits, logs, rules and the question whether the client is a trusted proxy itself all ask
//! there, for HTTP/1 and HTTP/2, with TLS and without, and none of them can forget to.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::AsRawFd as _;
use std::time::Duration;

use bytes::BytesMut;
use ipnet::IpNet;
use pingora::prelude::timeout;
use pingora::protocols::l4::stream::Stream as Plain;
use pingora::protocols::{GetSocketDigest as _, SocketDigest, Stream};
use tokio::io::AsyncReadExt as _;

use super::forwarded::is_trusted;
use crate::model::ClientIp;

const SIGNATURE_1: &[u8] = b"PROXY ";
const SIGNATURE_2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
/// The longest line of version 1, with its CRLF.
const LONGEST_1: usize = 107;
/// Signature, version and command, family and protocol, length.
const FIXED_2: usize = 16;
/// The longest header of version 2: what fits into one segment anywhere, says the specification.
const LONGEST_2: usize = 536;
/// Leaves room for what the client sent along.
const READ_BYTES: usize = 1024;

/// Whose connection it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Source {
    /// The load balancer's own, to see whether we are well.
    Own,
    /// A client's.
    Client(SocketAddr),
    /// That of a client whose address has no place here. Not the load balancer's: the client would pass for it, and what
    /// it claims about others would be believed.
    Unknown,
}

/// Why a connection is closed before anything of it was read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Fault {
    /// It is not one of `trusted_proxies`, whose word could be taken.
    Stranger,
    /// It begins with something else.
    Missing,
    /// It begins like a header and goes on differently.
    Malformed,
    /// It was not complete within the deadline for a head.
    TooSlow,
}

impl Fault {
    /// For logs and metrics.
    pub(super) fn reason(self) -> &'static str {
        match self {
            Self::Stranger => "proxy_protocol_stranger",
            Self::Missing => "proxy_protocol_missing",
            Self::Malformed => "proxy_protocol_malformed",
            Self::TooSlow => "proxy_protocol_too_slow",
        }
    }

    /// What it would be in an answer, if there were one.
    pub(super) fn status(self) -> u16 {
        match self {
            Self::Stranger => 403,
            Self::Missing | Self::Malformed => 400,
            Self::TooSlow => 408,
        }
    }
}

/// Takes the header off the connection and makes its client the other end. `Ok(None)`: closed before a whole header,
/// as load balancers do that only want to know whether somebody listens.
///
/// # Errors
/// [`Fault`]; the connection is to be closed.
pub(super) async fn accept(
    stream: Stream,
    trusted: &[IpNet],
    patience: Duration,
) -> Result<Option<Stream>, Fault> {
    let peer = stream.get_socket_digest().and_then(|d| Some(ClientIp::new(d.peer_addr()?.as_inet()?.ip())));
    if !peer.is_some_and(|ip| is_trusted(ip, trusted)) {
        return Err(Fault::Stranger);
    }
    let Ok(mut plain) = stream.into_any().downcast::<Plain>() else { return Err(Fault::Malformed) };
    let mut buf = BytesMut::with_capacity(READ_BYTES);
    // On the heap: what a connection is for lasts longer than this, and would carry the room for it along.
    let receiving = Box::pin(timeout(patience, receive(&mut plain, &mut buf)));
    let header = receiving.await.map_err(|_| Fault::TooSlow)??;
    let Some((source, length)) = header else { return Ok(None) };
    plain.rewind(&buf[length..]);
    match source {
        Source::Own => {}
        Source::Client(address) => name(&mut plain, address),
        Source::Unknown => name(&mut plain, SocketAddr::new(ClientIp::UNKNOWN.addr(), 0)),
    }
    Ok(Some(plain))
}

/// Puts `client` in the place of whoever connected.
fn name(plain: &mut Plain, client: SocketAddr) {
    let digest = SocketDigest::from_raw_fd(plain.as_raw_fd());
    // The first to set it is the one that counts, and nobody else knows this one yet.
    let _ = digest.peer_addr.set(Some(client.into()));
    plain.set_socket_digest(digest);
}

async fn receive(plain: &mut Plain, buf: &mut BytesMut) -> Result<Option<(Source, usize)>, Fault> {
    loop {
        match plain.read_buf(buf).await {
            Ok(n) if n > 0 => {}
            _ => return Ok(None),
        }
        if let Some(header) = read(buf)? {
            return Ok(Some(header));
        }
    }
}

/// The header at the beginning of `buf` and how long it is. `None`: more bytes are needed.
///
/// # Errors
/// [`Fault`] as soon as it is clear that there is none.
pub(super) fn read(buf: &[u8]) -> Result<Option<(Source, usize)>, Fault> {
    let begins = |signature: &[u8]| signature.starts_with(&buf[..buf.len().min(signature.len())]);
    if begins(SIGNATURE_2) {
        if buf.len() < FIXED_2 { Ok(None) } else { version_2(buf) }
    } else if begins(SIGNATURE_1) {
        version_1(buf)
    } else {
        Err(Fault::Missing)
    }
}

fn version_1(buf: &[u8]) -> Result<Option<(Source, usize)>, Fault> {
    let most = &buf[..buf.len().min(LONGEST_1)];
    let Some(end) = most.iter().position(|b| *b == b'\n') else {
        return if buf.len() >= LONGEST_1 { Err(Fault::Malformed) } else { Ok(None) };
    };
    let line = most[..end].strip_suffix(b"\r").and_then(|line| line.strip_prefix(SIGNATURE_1));
    let words = line.and_then(|line| std::str::from_utf8(line).ok());
    let source = words.and_then(words_of_1).ok_or(Fault::Malformed)?;
    Ok(Some((source, end + 1)))
}

/// `TCP4 203.0.113.9 192.0.2.1 56324 443`, or `UNKNOWN` and anything.
fn words_of_1(line: &str) -> Option<Source> {
    if line == "UNKNOWN" || line.starts_with("UNKNOWN ") {
        return Some(Source::Unknown);
    }
    let words: Vec<&str> = line.split(' ').collect();
    let &[family, from, to, from_port, to_port] = &words[..] else { return None };
    let (from, to): (IpAddr, IpAddr) = match family {
        "TCP4" => (from.parse::<Ipv4Addr>().ok()?.into(), to.parse::<Ipv4Addr>().ok()?.into()),
        "TCP6" => (from.parse::<Ipv6Addr>().ok()?.into(), to.parse::<Ipv6Addr>().ok()?.into()),
        _ => return None,
    };
    // Where it was addressed to plays no part here, and still has to be written properly.
    let _ = (to, port(to_port)?);
    Some(client(from, port(from_port)?))
}

/// Digits without a zero in front.
fn port(text: &str) -> Option<u16> {
    let plain = text.bytes().all(|b| b.is_ascii_digit()) && (text.len() == 1 || !text.starts_with('0'));
    text.parse().ok().filter(|_| plain)
}

fn version_2(buf: &[u8]) -> Result<Option<(Source, usize)>, Fault> {
    let (command, family) = (buf[12], buf[13]);
    let length = FIXED_2 + usize::from(u16::from_be_bytes([buf[14], buf[15]]));
    if length > LONGEST_2 {
        return Err(Fault::Malformed);
    }
    let Some(body) = buf.get(FIXED_2..length) else { return Ok(None) };
    let source = match (command, family) {
        (0x20, _) => Source::Own,
        // Without an address, or with that of a socket in somebody's file system.
        (0x21, 0x00 | 0x31) => Source::Unknown,
        (0x21, 0x11) => inet::<4, 12>(body)?,
        (0x21, 0x21) => inet::<16, 36>(body)?,
        _ => return Err(Fault::Malformed),
    };
    Ok(Some((source, length)))
}

/// Two addresses of `N` bytes, then two ports, `ALL` bytes in total. Anything behind them (TLVs) is not for us.
fn inet<const N: usize, const ALL: usize>(body: &[u8]) -> Result<Source, Fault>
where
    IpAddr: From<[u8; N]>,
{
    let body = body.first_chunk::<ALL>().ok_or(Fault::Malformed)?;
    let address = body.first_chunk::<N>().ok_or(Fault::Malformed)?;
    let port = u16::from_be_bytes([body[2 * N], body[2 * N + 1]]);
    Ok(client(IpAddr::from(*address), port))
}

/// What no client can have is none.
fn client(ip: IpAddr, port: u16) -> Source {
    if ip.to_canonical().is_unspecified() {
        Source::Unknown
    } else {
        Source::Client(SocketAddr::new(ip, port))
    }
}

#[cfg(test)]
#[path = "proxy_protocol_tests.rs"]
mod tests;
