//! Tests of reading `Forwarded`: the forms of RFC 7239, and a slow second reading of arbitrary bytes.

use proptest::prelude::*;

use super::*;

fn read(text: &str) -> (String, Scheme) {
    let Element { node, scheme } = element(text.as_bytes());
    (if node == ClientIp::UNKNOWN { "unknown".into() } else { node.to_string() }, scheme)
}

#[test]
fn f_10_the_forms_of_the_standard_are_read() {
    for (text, node, scheme) in [
        ("for=192.0.2.43", "192.0.2.43", Scheme::Unsaid),
        ("  For=192.0.2.43\t", "192.0.2.43", Scheme::Unsaid),
        ("for=\"192.0.2.43\"", "192.0.2.43", Scheme::Unsaid),
        ("for=\"192.0.2.43:47011\"", "192.0.2.43", Scheme::Unsaid),
        ("for=\"192.0.2.43:_sdfe\"", "192.0.2.43", Scheme::Unsaid),
        ("For=\"[2001:db8:cafe::17]:4711\"", "2001:db8:cafe::17", Scheme::Unsaid),
        ("for=\"[2001:db8:cafe::17]\"", "2001:db8:cafe::17", Scheme::Unsaid),
        ("for=\"[::ffff:192.0.2.43]\"", "192.0.2.43", Scheme::Unsaid),
        ("for=192.0.2.60;proto=http;by=203.0.113.43", "192.0.2.60", Scheme::Other),
        ("by=203.0.113.43;PROTO=HTTPS ; for=192.0.2.60", "192.0.2.60", Scheme::Https),
        ("proto=\"https\";host=\"a.example:8443\";for=192.0.2.60", "192.0.2.60", Scheme::Https),
        (";for=192.0.2.60;;secret=\"a;b=\\\"c\\\"\";", "192.0.2.60", Scheme::Unsaid),
        ("for=\"192\\.0.2.4\\3\"", "192.0.2.43", Scheme::Unsaid),
        ("for=\"\\192.0.2.43\"", "192.0.2.43", Scheme::Unsaid),
    ] {
        assert_eq!(read(text), (node.to_owned(), scheme), "{text}");
    }
}

#[test]
fn f_10_hidden_and_unknown_clients_are_nobody() {
    for text in [
        "for=unknown",
        "for=\"unknown\"",
        "for=_x",
        "for=\"_x\"",
        "for=\"_x:_y\"",
        "for=\"unknown:80\"",
        "proto=https;for=_SEVKISEK",
    ] {
        assert_eq!(read(text).0, "unknown", "{text}");
    }
    assert_eq!(read("for=_x;proto=https").1, Scheme::Https, "what else it says is readable");
    assert_eq!(read("by=192.0.2.43").0, "unknown", "who received it is not who sent it");
}

#[test]
fn f_05_f_10_what_is_not_of_the_form_says_nothing() {
    for text in [
        "192.0.2.43",
        "for",
        "for=",
        "for=\"\"",
        "=192.0.2.43",
        "for =192.0.2.43",
        "for= 192.0.2.43",
        "for=192.0.2.43 proto=https",
        "for=192.0.2.43,",
        "for=192.0.2.43:80",
        "for=2001:db8::1",
        "for=[2001:db8::1]",
        "for=\"2001:db8::1\"",
        "for=\"[2001:db8::1\"",
        "for=\"[2001:db8::1]x\"",
        "for=\"[192.0.2.43]\"",
        "for=\"[fe80::1%eth0]\"",
        "for=\"192.0.2.43:\"",
        "for=\"192.0.2.43:123456\"",
        "for=\"192.0.2.43:8o\"",
        "for=\"192.0.2.43:_\"",
        "for=\"192.0.2.43 \"",
        "for=127.1",
        "for=0x7f.0.0.1",
        "for=0177.0.0.1",
        "for=2130706433",
        "for=\"192.0.2.43",
        "for=192.0.2.43\"",
        "for=\"192.0.2.43\\",
        "for=\"192.0.2.43\"x",
        "for=192.0.2.43;for=192.0.2.43",
        "for=192.0.2.43;FOR=10.0.0.1",
        "for=192.0.2.43;proto=https;Proto=https",
        "for=192.0.2.43;x=1;X=2",
        "for=192.0.2.43;a=1;b=1;c=1;d=1;e=1;f=1;g=1;h=1",
        "for=192.0.2.43;\u{e9}=1",
        "for='192.0.2.43'",
        "",
        ";",
    ] {
        assert_eq!(read(text).0, "unknown", "{text}");
    }
    assert_eq!(read("for=192.0.2.43;proto=https;proto=https").1, Scheme::Other);
}

#[test]
fn f_07_only_https_is_https() {
    for scheme in ["http", "javascript", "evil", "httpss", "\"https \"", "https-", "\"\""] {
        assert_eq!(read(&format!("for=192.0.2.43;proto={scheme}")).1, Scheme::Other, "{scheme}");
    }
}

/// The grammar once more, slowly: pieces are copied out, one rule after the other, and every parameter is kept.
fn slowly(text: &[u8]) -> Option<Vec<(String, Vec<u8>)>> {
    let (mut pairs, mut chars) = (Vec::new(), text.iter().copied().peekable());
    loop {
        while chars.next_if(|b| matches!(b, b' ' | b'\t' | b';')).is_some() {}
        if chars.peek().is_none() {
            return Some(pairs);
        }
        let mut name = String::new();
        while let Some(byte) = chars.next_if(|b| is_token_byte(*b)) {
            name.push(char::from(byte.to_ascii_lowercase()));
        }
        if name.is_empty() || chars.next() != Some(b'=') {
            return None;
        }
        let mut value = Vec::new();
        if chars.next_if_eq(&b'"').is_some() {
            loop {
                match chars.next()? {
                    b'"' => break,
                    b'\\' => value.push(chars.next()?),
                    byte => value.push(byte),
                }
            }
        } else {
            value.extend(std::iter::from_fn(|| chars.next_if(|b| is_token_byte(*b))));
            if value.is_empty() {
                return None;
            }
        }
        if pairs.iter().any(|(known, _)| *known == name) {
            return None;
        }
        pairs.push((name, value));
        while chars.next_if(|b| matches!(b, b' ' | b'\t')).is_some() {}
        if chars.peek().is_some_and(|b| *b != b';') {
            return None;
        }
    }
}

/// A node by way of the standard library's own reading of sockets.
fn slow_node(value: &[u8]) -> Option<ClientIp> {
    let text = std::str::from_utf8(value).ok()?;
    let close = text.find(']').map_or(0, |at| at + 1);
    let colon = text[close..].find(':').map_or(text.len(), |at| at + close);
    let (name, port) = (&text[..colon], text.get(colon + 1..));
    let fits = port.is_none_or(|port| match port.strip_prefix('_') {
        Some(name) => {
            !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
        }
        None => !port.is_empty() && port.len() < 6 && port.chars().all(|c| c.is_ascii_digit()),
    });
    let at: std::net::SocketAddr = format!("{name}:1").parse().ok()?;
    fits.then(|| ClientIp::new(at.ip()))
}

fn slow_element(text: &[u8]) -> Element {
    let Some(pairs) = slowly(text).filter(|pairs| pairs.len() <= PARAMETERS) else { return UNREADABLE };
    let value = |name: &str| pairs.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_slice());
    Element {
        node: value("for").and_then(slow_node).unwrap_or(ClientIp::UNKNOWN),
        scheme: match value("proto").map(<[u8]>::to_ascii_lowercase) {
            None => Scheme::Unsaid,
            Some(word) if word == b"https" => Scheme::Https,
            Some(_) => Scheme::Other,
        },
    }
}

/// Bytes that look like an element for some way.
fn scraps() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        Just("for="),
        Just("For="),
        Just("by="),
        Just("proto="),
        Just("host="),
        Just("x="),
        Just("https"),
        Just("http"),
        Just("192.0.2.43"),
        Just("10.0.0.1"),
        Just("[2001:db8::9]"),
        Just("[::ffff:10.0.0.1]"),
        Just(":80"),
        Just(":_p"),
        Just("_x"),
        Just("unknown"),
        Just("\""),
        Just("\\"),
        Just(";"),
        Just(" "),
        Just("="),
        Just("\t"),
    ];
    let any = prop::collection::vec(any::<u8>(), 0..3);
    let pieces =
        prop::collection::vec(prop_oneof![9 => piece.prop_map(|p| p.as_bytes().to_vec()), 1 => any], 0..12);
    pieces.prop_map(|pieces| pieces.concat())
}

/// An element of the right form, and what it says.
fn well_formed() -> impl Strategy<Value = (Vec<u8>, Element)> {
    let node = prop_oneof![
        Just(("192.0.2.43", "192.0.2.43", false)),
        Just(("192.0.2.43:1", "192.0.2.43", true)),
        Just(("[2001:db8::9]", "2001:db8::9", true)),
        Just(("[::ffff:10.0.0.7]:_a", "10.0.0.7", true)),
        Just(("unknown", "0.0.0.0", false)),
        Just(("_gazonk", "0.0.0.0", false)),
    ];
    let scheme = prop_oneof![
        Just((None, Scheme::Unsaid)),
        Just((Some("https"), Scheme::Https)),
        Just((Some("HTTPS"), Scheme::Https)),
        Just((Some("http"), Scheme::Other)),
    ];
    (node, scheme, any::<[bool; 6]>()).prop_map(|((node, ip, quotes), (word, scheme), odd)| {
        let quoted = |value: &str, must: bool, odd: bool| match (must || odd, odd) {
            (false, _) => value.to_owned(),
            (true, false) => format!("\"{value}\""),
            (true, true) => format!("\"{}\"", value.chars().map(|c| format!("\\{c}")).collect::<String>()),
        };
        let mut pairs =
            vec![format!("{}={}", if odd[0] { "fOr" } else { "for" }, quoted(node, quotes, odd[1]))];
        pairs.extend(word.map(|word| format!("proto={}", quoted(word, false, odd[2]))));
        pairs.extend(odd[3].then(|| "host=\"a.example:80\";by=_b".to_owned()));
        if odd[4] {
            pairs.reverse();
        }
        let text = pairs.join(if odd[5] { " ;\t" } else { ";" });
        (text.into_bytes(), Element { node: ClientIp::new(ip.parse().unwrap()), scheme })
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2000) })]

    #[test]
    fn f_10_a_slow_reading_agrees(text in scraps()) {
        prop_assert_eq!(element(&text), slow_element(&text), "{:?}", String::from_utf8_lossy(&text));
    }

    #[test]
    fn f_10_what_is_well_formed_is_read((text, said) in well_formed()) {
        prop_assert_eq!(element(&text), said, "{:?}", String::from_utf8_lossy(&text));
        prop_assert_eq!(slow_element(&text), said, "{:?}", String::from_utf8_lossy(&text));
    }
}
