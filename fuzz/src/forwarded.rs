//! Who the client is, against a slow reference: any fields, any peer, any list of trusted proxies.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use arbitrary::{Arbitrary, Result, Unstructured};
use http::{HeaderMap, HeaderValue};
use ipnet::IpNet;
use stagedoor::proxy::ForwardedFamily;
use stagedoor::proxy::fuzzing::client_ip;

const FIELD: &str = "x-forwarded-for";
/// What a client may put into a `Forwarded` field of its own.
const WORDS: [&str; 22] = [
    "for=",
    "FOR=",
    "for=10.0.0.7",
    "for=\"[fd12::9]\"",
    "for=\"10.0.0.7:80\"",
    "for=unknown",
    "for=_x",
    "for",
    "proto=https",
    "proto=http",
    "host=",
    "by=",
    "\"",
    "\\",
    "\\\"",
    ";",
    "; ",
    ",",
    "=",
    " ",
    "[",
    "\u{e9}",
];
const NETS: [&str; 8] = [
    "10.0.0.0/8",
    "127.0.0.1/32",
    "192.168.0.0/16",
    "203.0.113.0/25",
    "::1/128",
    "fd00::/8",
    "2001:db8:1::/48",
    "0.0.0.0/0",
];
/// Inside and outside of those networks.
const ADDRESSES: [&str; 14] = [
    "10.0.0.7",
    "10.255.255.255",
    "11.0.0.0",
    "127.0.0.1",
    "127.0.0.2",
    "192.168.4.4",
    "203.0.113.9",
    "203.0.113.128",
    "198.51.100.23",
    "::1",
    "fd12::9",
    "2001:db8:1::9",
    "2001:db8:2::9",
    "::ffff:10.0.0.7",
];

/// Any chain: the same client as in the slow reading, and nobody becomes somebody that a proxy of ours has not seen.
pub fn forwarded(data: &[u8]) {
    // Too few bytes make no case.
    let _ = case(&mut Unstructured::new(data));
}

fn case(u: &mut Unstructured<'_>) -> Result<()> {
    let trusted: Vec<IpNet> = (0..u.int_in_range(0..=4)?)
        .map(|_| u.choose(&NETS).map(|n| n.parse().expect("a network")))
        .collect::<Result<_>>()?;
    let peer = address(u)?;
    if u.arbitrary()? {
        return rfc7239(u, peer, &trusted);
    }
    let mut chain = client_fields(u)?;
    agree(&chain, peer, &trusted);
    // A client that a chain of ours has seen: whatever it sent itself stands to the left of what they wrote.
    let client = address(u)?;
    let hops = (0..u.int_in_range(0..=3)?).map(|_| address(u)).collect::<Result<Vec<_>>>()?;
    // No proxy has the address that stands for none.
    let ours = hops.iter().chain([&peer]).all(|hop| is_in(*hop, &trusted) && !folded(*hop).is_unspecified());
    if !ours || is_in(client, &trusted) {
        return Ok(());
    }
    for hop in std::iter::once(client).chain(hops) {
        append(u, &mut chain, hop)?;
    }
    agree(&chain, peer, &trusted);
    let said = client_ip(&headers(FIELD, &chain), peer, &trusted, ForwardedFamily::XForwarded).addr();
    assert_eq!(said, folded(client), "behind {peer}, trusted {trusted:?}: {chain:?}");
    Ok(())
}

/// The same for `Forwarded`: what a client writes, and what proxies of ours quote of it, makes it nobody else.
fn rfc7239(u: &mut Unstructured<'_>, peer: IpAddr, trusted: &[IpNet]) -> Result<()> {
    let mut chain = Vec::new();
    for _ in 0..u.int_in_range(0..=3)? {
        let mut field = Vec::new();
        for _ in 0..u.int_in_range(0..=8)? {
            field.extend_from_slice(u.choose(&WORDS)?.as_bytes());
        }
        chain.push(field);
    }
    let ask = |chain: &[Vec<u8>]| {
        client_ip(&headers("forwarded", chain), peer, trusted, ForwardedFamily::Forwarded).addr()
    };
    let said = ask(&chain);
    if !is_in(peer, trusted) {
        assert_eq!(said, folded(peer), "{peer} is nobody's proxy: {chain:?}");
    }
    let client = address(u)?;
    let hops = (0..u.int_in_range(0..=3)?).map(|_| address(u)).collect::<Result<Vec<_>>>()?;
    let ours = hops.iter().chain([&peer]).all(|hop| is_in(*hop, trusted) && !folded(*hop).is_unspecified());
    if !ours || is_in(client, trusted) {
        return Ok(());
    }
    let mut plain = true;
    for hop in std::iter::once(client).chain(hops) {
        let (text, whole) = element(u, hop)?;
        plain &= whole;
        match chain.last_mut() {
            Some(last) if u.arbitrary()? => last.extend([&b", "[..], text.as_bytes()].concat()),
            _ => chain.push(text.into_bytes()),
        }
    }
    let said = ask(&chain);
    // Lists are cut at commas in quotes, too: then nobody is known, but nobody is anybody else.
    let unknown = !plain && said.is_unspecified();
    assert!(
        said == folded(client) || unknown,
        "{said} for {client} behind {peer}, trusted {trusted:?}: {chain:?}"
    );
    Ok(())
}

/// What a proxy writes about a hop, and whether there is no comma in it.
fn element(u: &mut Unstructured<'_>, ip: IpAddr) -> Result<(String, bool)> {
    let port = if u.arbitrary()? { format!(":{}", u.arbitrary::<u16>()?) } else { String::new() };
    let node = match ip {
        IpAddr::V4(ip) if port.is_empty() && u.arbitrary()? => format!("for={ip}"),
        IpAddr::V4(ip) => format!("For=\"{ip}{port}\""),
        IpAddr::V6(ip) => format!("for=\"[{ip}]{port}\""),
    };
    let mut parts = vec![node];
    if u.arbitrary()? {
        parts.push(format!("proto={}", u.choose(&["http", "https"])?));
    }
    if u.arbitrary()? {
        // Quoted as RFC 9110 section 5.6.4 has it.
        let mut said = String::new();
        for _ in 0..u.int_in_range(0..=6)? {
            said.push_str(u.choose(&WORDS)?);
        }
        let said = said.replace('\\', "\\\\").replace('"', "\\\"");
        parts.push(format!("host=\"{said}\""));
    }
    if u.arbitrary()? {
        parts.rotate_left(1);
    }
    let text = parts.join(";");
    let whole = !text.contains(',');
    Ok((text, whole))
}

/// Adds a hop the way proxies do: to the last field, or as a field of its own.
fn append(u: &mut Unstructured<'_>, chain: &mut Vec<Vec<u8>>, hop: IpAddr) -> Result<()> {
    let text = written(u, hop)?;
    match chain.last_mut() {
        Some(last) if !u.ratio(1, 3)? => {
            last.extend_from_slice(u.choose(&[&b", "[..], b",", b",\t "])?);
            last.extend_from_slice(text.as_bytes());
        }
        _ => chain.push(text.into_bytes()),
    }
    Ok(())
}

fn address(u: &mut Unstructured<'_>) -> Result<IpAddr> {
    Ok(if u.ratio(1, 4)? {
        if bool::arbitrary(u)? {
            Ipv4Addr::from(u32::arbitrary(u)?).into()
        } else {
            Ipv6Addr::from(u128::arbitrary(u)?).into()
        }
    } else {
        u.choose(&ADDRESSES)?.parse().expect("an address")
    })
}

/// An address in one of the forms that proxies write.
fn written(u: &mut Unstructured<'_>, ip: IpAddr) -> Result<String> {
    let port: u16 = u.arbitrary()?;
    Ok(match u.int_in_range(0..=3)? {
        0 => std::net::SocketAddr::new(ip, port).to_string(),
        1 if ip.is_ipv4() => format!("::ffff:{ip}"),
        _ => ip.to_string(),
    })
}

/// Whatever a client may send that gets past the guard.
fn client_fields(u: &mut Unstructured<'_>) -> Result<Vec<Vec<u8>>> {
    let mut fields = Vec::new();
    for _ in 0..u.int_in_range(0..=3)? {
        let mut field = Vec::new();
        for _ in 0..u.int_in_range(0..=4)? {
            match u.int_in_range(0..=3)? {
                0 => field.extend_from_slice(u.arbitrary::<&[u8]>()?),
                1 => field.extend_from_slice(
                    u.choose(&[
                        "unknown",
                        "127.1",
                        "0x7f.1",
                        ",",
                        " ",
                        "[::1",
                        "for=",
                        "\u{e9}",
                        "010.0.0.7",
                    ])?
                    .as_bytes(),
                ),
                _ => {
                    let ip = address(u)?;
                    field.extend_from_slice(written(u, ip)?.as_bytes());
                }
            }
            if u.ratio(2, 3)? {
                field.extend_from_slice(b", ");
            }
        }
        if HeaderValue::from_bytes(&field).is_ok() {
            fields.push(field);
        }
    }
    Ok(fields)
}

fn headers(name: &'static str, chain: &[Vec<u8>]) -> HeaderMap {
    let mut map = HeaderMap::new();
    for field in chain {
        map.append(name, HeaderValue::from_bytes(field).expect("checked"));
    }
    map
}

fn agree(chain: &[Vec<u8>], peer: IpAddr, trusted: &[IpNet]) {
    let said = client_ip(&headers(FIELD, chain), peer, trusted, ForwardedFamily::XForwarded).addr();
    assert_eq!(said, reference(chain, peer, trusted), "peer {peer}, trusted {trusted:?}: {chain:?}");
}

/// The slow reading: all fields as one list, each entry read on its own, then from the right.
fn reference(chain: &[Vec<u8>], peer: IpAddr, trusted: &[IpNet]) -> IpAddr {
    if !is_in(peer, trusted) || chain.is_empty() {
        return folded(peer);
    }
    let whole = chain.join(&b","[..]);
    let hops: Vec<Option<IpAddr>> = whole.split(|b| *b == b',').map(hop).collect();
    for hop in hops.iter().rev() {
        match hop {
            // Nobody knows who that is: no address that any list could hold.
            None => return Ipv4Addr::UNSPECIFIED.into(),
            Some(ip) if ip.is_unspecified() && ip.is_ipv4() => return *ip,
            Some(ip) if !is_in(*ip, trusted) => return *ip,
            Some(_) => {}
        }
    }
    hops[0].expect("read above")
}

fn hop(entry: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(entry).ok()?;
    let text = text.trim_start_matches([' ', '\t']).trim_end_matches([' ', '\t']);
    let bare = match text.strip_prefix('[') {
        Some(rest) => {
            let (inside, port) = rest.split_once("]:")?;
            let digits = port.len() <= 5 && !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit());
            if !digits || port.parse::<u32>().ok()? > 65_535 {
                return None;
            }
            // A zone is part of a socket address, and says nothing about who it is.
            let inside = inside
                .split_once('%')
                .map_or(Some(inside), |(ip, zone)| zone.parse::<u32>().ok().map(|_| ip))?;
            return inside.parse::<Ipv6Addr>().ok().map(|ip| folded(ip.into()));
        }
        None => text,
    };
    if let Some((v4, port)) = bare.split_once(':')
        && let (Ok(v4), false) = (v4.parse::<Ipv4Addr>(), port.is_empty())
    {
        let fits = port.len() <= 5 && port.bytes().all(|b| b.is_ascii_digit());
        return (fits && port.parse::<u32>().is_ok_and(|p| p < 65_536)).then_some(v4.into());
    }
    bare.parse().ok().map(folded)
}

/// `::ffff:a.b.c.d` is `a.b.c.d`.
fn folded(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V6(v6) if v6.octets()[..12] == [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255] => {
            let o = v6.octets();
            Ipv4Addr::new(o[12], o[13], o[14], o[15]).into()
        }
        ip => ip,
    }
}

/// Bit by bit.
fn is_in(ip: IpAddr, nets: &[IpNet]) -> bool {
    let same = |a: &[u8], b: &[u8], bits: u8| {
        (0..usize::from(bits)).all(|i| (a[i / 8] >> (7 - i % 8)) & 1 == (b[i / 8] >> (7 - i % 8)) & 1)
    };
    nets.iter().any(|net| match (folded(ip), net) {
        (IpAddr::V4(ip), IpNet::V4(net)) => same(&ip.octets(), &net.network().octets(), net.prefix_len()),
        (IpAddr::V6(ip), IpNet::V6(net)) => same(&ip.octets(), &net.network().octets(), net.prefix_len()),
        _ => false,
    })
}
