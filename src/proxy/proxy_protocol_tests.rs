//! Tests of reading headers of the PROXY protocol; what becomes of connections is tested over sockets.

use proptest::prelude::*;

use super::*;

fn v2(command: u8, family: u8, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(body.len()).unwrap().to_be_bytes();
    [SIGNATURE_2, &[command, family], &length, body].concat()
}

fn at(text: &str) -> Source {
    Source::Client(text.parse().unwrap())
}

const INET: &[u8] = &[203, 0, 113, 9, 192, 0, 2, 1, 0x12, 0x67, 0x01, 0xbb];

fn inet6() -> Vec<u8> {
    let ip = |text: &str| text.parse::<Ipv6Addr>().unwrap().octets();
    [&ip("2001:db8::9")[..], &ip("2001:db8::1"), &INET[8..]].concat()
}

/// Whole headers and what they say.
fn good() -> Vec<(Vec<u8>, Source)> {
    let long = "PROXY UNKNOWN ffff:f...f:ffff ffff:f...f:ffff 65535 65535\r\n";
    let longest = format!("PROXY UNKNOWN {}\r\n", "x".repeat(LONGEST_1 - 16));
    assert_eq!(longest.len(), LONGEST_1);
    let tlvs = [INET, &[0x04, 0, 3, 0, 0, 0], &[0x20, 0, 5, 1, 0, 0, 0, 0]].concat();
    let largest = [INET, &vec![0xff; LONGEST_2 - FIXED_2 - INET.len()]].concat();
    vec![
        (b"PROXY TCP4 203.0.113.9 192.0.2.1 4711 443\r\n".into(), at("203.0.113.9:4711")),
        (b"PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n".into(), at("255.255.255.255:65535")),
        (b"PROXY TCP6 2001:db8::9 2001:db8::1 0 443\r\n".into(), at("[2001:db8::9]:0")),
        (b"PROXY TCP6 ::ffff:203.0.113.9 ::1 4711 443\r\n".into(), at("[::ffff:203.0.113.9]:4711")),
        (b"PROXY TCP4 0.0.0.0 192.0.2.1 4711 443\r\n".into(), Source::Unknown),
        (b"PROXY TCP6 :: ::1 4711 443\r\n".into(), Source::Unknown),
        (b"PROXY TCP6 ::ffff:0.0.0.0 ::1 4711 443\r\n".into(), Source::Unknown),
        (b"PROXY UNKNOWN\r\n".into(), Source::Unknown),
        (long.into(), Source::Unknown),
        (longest.into(), Source::Unknown),
        (v2(0x21, 0x11, INET), at("203.0.113.9:4711")),
        (v2(0x21, 0x11, &tlvs), at("203.0.113.9:4711")),
        (v2(0x21, 0x11, &largest), at("203.0.113.9:4711")),
        (v2(0x21, 0x21, &inet6()), at("[2001:db8::9]:4711")),
        (v2(0x20, 0x00, &[]), Source::Own),
        (v2(0x20, 0x11, INET), Source::Own),
        (v2(0x20, 0xff, &[1, 2, 3]), Source::Own),
        (v2(0x21, 0x00, &[]), Source::Unknown),
        (v2(0x21, 0x00, &[7; 40]), Source::Unknown),
        (v2(0x21, 0x31, &[b'/'; 216]), Source::Unknown),
        (v2(0x21, 0x11, &[0; 12]), Source::Unknown),
    ]
}

#[test]
fn f_09_whole_headers_say_whose_connection_it_is() {
    for (bytes, source) in good() {
        let shown = String::from_utf8_lossy(&bytes).into_owned();
        assert_eq!(read(&bytes), Ok(Some((source, bytes.len()))), "{shown:?}");
        for cut in 0..bytes.len() {
            assert_eq!(read(&bytes[..cut]), Ok(None), "{cut} bytes of {shown:?}");
        }
    }
}

#[test]
fn f_09_anything_else_is_refused() {
    for (bytes, fault) in [
        (&b"GET / HTTP/1.1\r\n"[..], Fault::Missing),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Fault::Missing),
        (b"\x16\x03\x01\x02\x00\x01", Fault::Missing),
        (b"proxy TCP4 ", Fault::Missing),
        (b"PROXY\tTCP4 ", Fault::Missing),
        (b" PROXY TCP4 ", Fault::Missing),
        (b"\r\n\r\n\0\r\nQUIX", Fault::Missing),
        (b"\0", Fault::Missing),
        (b"PROXY \r\n", Fault::Malformed),
        (b"PROXY \n", Fault::Malformed),
        (b"PROXY TCP4 203.0.113.9 192.0.2.1 4711 443\n", Fault::Malformed),
        (b"PROXY TCP4 203.0.113.9 192.0.2.1 4711\r\n", Fault::Malformed),
        (b"PROXY TCP4 203.0.113.9 192.0.2.1 4711 443 \r\n", Fault::Malformed),
        (b"PROXY TCP4  203.0.113.9 192.0.2.1 4711 443\r\n", Fault::Malformed),
        (b"PROXY  TCP4 203.0.113.9 192.0.2.1 4711 443\r\n", Fault::Malformed),
        (b"PROXY TCP4 203.0.113.9 192.0.2.1 4711 443 1\r\n", Fault::Malformed),
        (b"PROXY TCP4 203.0.113.09 192.0.2.1 4711 443\r\n", Fault::Malformed),
        (b"PROXY TCP4 203.0.113 192.0.2.1 4711 443\r\n", Fault::Malformed),
        (b"PROXY TCP4 0xcb.0.113.9 192.0.2.1 4711 443\r\n", Fault::Malformed),
        (b"PROXY TCP4 203.0.113.9 192.0.2 4711 443\r\n", Fault::Malformed),
        (b"PROXY TCP4 203.0.113.9 192.0.2.1 65536 443\r\n", Fault::Malformed),
        (b"PROXY TCP4 203.0.113.9 192.0.2.1 04711 443\r\n", Fault::Malformed),
        (b"PROXY TCP4 203.0.113.9 192.0.2.1 +471 443\r\n", Fault::Malformed),
        (b"PROXY TCP4 203.0.113.9 192.0.2.1 4711 -1\r\n", Fault::Malformed),
        (b"PROXY TCP4 2001:db8::9 2001:db8::1 4711 443\r\n", Fault::Malformed),
        (b"PROXY TCP6 203.0.113.9 192.0.2.1 4711 443\r\n", Fault::Malformed),
        (b"PROXY TCP6 [2001:db8::9] ::1 4711 443\r\n", Fault::Malformed),
        (b"PROXY TCP6 fe80::1%1 ::1 4711 443\r\n", Fault::Malformed),
        (b"PROXY UDP4 203.0.113.9 192.0.2.1 4711 443\r\n", Fault::Malformed),
        (b"PROXY tcp4 203.0.113.9 192.0.2.1 4711 443\r\n", Fault::Malformed),
        (b"PROXY UNKNOWNX\r\n", Fault::Malformed),
        (b"PROXY UNKNOWN a\nb\r\n", Fault::Malformed),
        (b"PROXY TCP4 \xff\r\n", Fault::Malformed),
    ] {
        assert_eq!(read(bytes), Err(fault), "{:?}", String::from_utf8_lossy(bytes));
    }
    let too_long = format!("PROXY UNKNOWN {}\r\n", "x".repeat(LONGEST_1 - 15));
    assert_eq!(read(too_long.as_bytes()), Err(Fault::Malformed));
    for (bytes, what) in [
        (v2(0x11, 0x11, INET), "version 1"),
        (v2(0x31, 0x11, INET), "version 3"),
        (v2(0x22, 0x11, INET), "an unknown command"),
        (v2(0x21, 0x12, INET), "datagrams"),
        (v2(0x21, 0x10, INET), "no transport"),
        (v2(0x21, 0x41, INET), "an unknown family"),
        (v2(0x21, 0x11, &INET[..11]), "too short for two addresses"),
        (v2(0x21, 0x11, &[]), "no address"),
        (v2(0x21, 0x21, &inet6()[..35]), "too short for two addresses"),
        (v2(0x21, 0x21, INET), "addresses of another family"),
        (v2(0x21, 0x11, &vec![0; LONGEST_2 - FIXED_2 + 1]), "too long"),
        (v2(0x20, 0x00, &vec![0; 0xffff]), "much too long"),
    ] {
        assert_eq!(read(&bytes), Err(Fault::Malformed), "{what}");
    }
    let long = v2(0x21, 0x11, &vec![0; 4096]);
    assert_eq!(read(&long[..FIXED_2]), Err(Fault::Malformed), "and nobody waits for the rest");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(200) })]

    /// The client's own bytes begin where the header ends, whatever they are.
    #[test]
    fn f_09_what_follows_is_the_clients(which in 0..21usize, rest in prop::collection::vec(any::<u8>(), 0..2000)) {
        let (header, source) = good().swap_remove(which);
        prop_assert_eq!(read(&[&header[..], &rest].concat()), Ok(Some((source, header.len()))));
    }

    /// Whatever comes is decided within the longest header, and more bytes never change a decision.
    #[test]
    fn f_09_garbage_is_found_out_soon(
        start in 0..4usize,
        rest in prop::collection::vec(prop_oneof![Just(b' '), Just(b'\r'), Just(b'\n'), Just(b'1'), Just(b'.'), any::<u8>()], 0..700),
    ) {
        let begun: [&[u8]; 4] = [b"", SIGNATURE_1, SIGNATURE_2, b"PROXY TCP4 1.1.1.1 2.2.2.2 "];
        let bytes = [begun[start], &rest[..]].concat();
        let all = read(&bytes);
        prop_assert!(bytes.len() < LONGEST_2 || all != Ok(None), "{:?}", bytes);
        let first = (0..=bytes.len()).map(|n| read(&bytes[..n])).find(|known| *known != Ok(None)).unwrap_or(Ok(None));
        prop_assert_eq!(first, all);
    }
}
