//! Tests of who the client is, and of what the upstream hears about it.

use proptest::prelude::*;

use super::*;

const NGINX: &str = "10.0.0.1";

fn headers(name: &'static str, fields: &[&[u8]]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for f in fields {
        headers.append(name, HeaderValue::from_bytes(f).unwrap());
    }
    headers
}

fn ip(text: &str) -> ClientIp {
    ClientIp::new(text.parse().unwrap())
}

/// Client, proxies, and whether it is private, as a proxy in 10.0.0.0/8 says in `name`.
fn told(name: &'static str, fields: &[&[u8]]) -> Sender {
    let family = if name == "forwarded" { ForwardedFamily::Forwarded } else { ForwardedFamily::XForwarded };
    named(&headers(name, fields), ip(NGINX), &["10.0.0.0/8".parse().unwrap()], family)
}

fn client(name: &'static str, fields: &[&[u8]]) -> String {
    told(name, fields).ip.to_string()
}

#[test]
fn f_08_the_right_most_untrusted_hop_counts() {
    let cases: [(&[&[u8]], &str); 6] = [
        (&[], NGINX),
        (&[&b"1.1.1.1, 203.0.113.9, 10.0.0.7"[..]], "203.0.113.9"),
        (&[b"10.9.9.9", b"203.0.113.9"], "203.0.113.9"),
        (&[b"203.0.113.9:4711"], "203.0.113.9"),
        (&[b"[2001:db8::9]:4711"], "2001:db8::9"),
        (&[b"::ffff:203.0.113.9"], "203.0.113.9"),
    ];
    for (fields, ip) in cases {
        assert_eq!(client("x-forwarded-for", fields), ip, "{fields:?}");
    }
    let cases: [(&[&[u8]], &str); 5] = [
        (&[], NGINX),
        (&[&b"for=1.1.1.1, for=203.0.113.9;proto=https, For=\"10.0.0.7:80\""[..]], "203.0.113.9"),
        (&[b"for=10.9.9.9", b"by=10.0.0.1;for=203.0.113.9"], "203.0.113.9"),
        (&[b"for=203.0.113.9", b"for=10.0.0.7,for=10.0.0.8"], "203.0.113.9"),
        (&[b"for=\"[2001:db8::9]:4711\""], "2001:db8::9"),
    ];
    for (fields, ip) in cases {
        assert_eq!(client("forwarded", fields), ip, "{fields:?}");
    }
}

#[test]
fn f_08_the_hops_that_were_verified_are_kept_in_order() {
    let proxies = |sender: Sender| sender.proxies.iter().map(ToString::to_string).collect::<Vec<_>>();
    let chain = told("x-forwarded-for", &[b"6.6.6.6, 203.0.113.9, 10.0.0.7, 10.0.0.8"]);
    assert_eq!(proxies(chain), [NGINX, "10.0.0.8", "10.0.0.7"]);
    let chain = told("forwarded", &[b"for=6.6.6.6, for=203.0.113.9", b"for=10.0.0.7"]);
    assert_eq!(proxies(chain), [NGINX, "10.0.0.7"]);
    let own = told("x-forwarded-for", &[b"10.0.0.7, 10.0.0.8"]);
    assert_eq!((own.ip, proxies(own)), (ip("10.0.0.7"), vec![NGINX.into(), "10.0.0.8".into()]));
    assert_eq!(proxies(told("forwarded", &[])), [""; 0]);
}

#[test]
fn f_05_an_unreadable_hop_never_passes_for_the_proxy() {
    for last in [&b"\xe9"[..], b"a", b"", b"127.1", b"0x7f.1", b"unknown", b"10.0.0.8,", b"10.0.0.8, ,"] {
        assert_eq!(client("x-forwarded-for", &[b"10.0.0.8", last]), "0.0.0.0", "{last:?}");
    }
    assert_eq!(client("x-forwarded-for", &[b"\xe9, 203.0.113.9"]), "203.0.113.9");
    for last in [
        &b"\xe9"[..],
        b"10.0.0.8",
        b"",
        b"for=10.1",
        b"for=_x",
        b"for=unknown",
        b"proto=https",
        b"for=10.0.0.8,",
    ] {
        assert_eq!(client("forwarded", &[b"for=10.0.0.8", last]), "0.0.0.0", "{last:?}");
    }
    assert_eq!(client("forwarded", &[b"\xe9, for=203.0.113.9"]), "203.0.113.9");
}

#[test]
fn f_02_one_family_is_listened_to() {
    let mut both = headers("x-forwarded-for", &[b"198.51.100.1"]);
    both.insert("forwarded", HeaderValue::from_static("for=203.0.113.9"));
    both.insert("x-real-ip", HeaderValue::from_static("6.6.6.6"));
    let says = |family| named(&both, ip(NGINX), &["10.0.0.0/8".parse().unwrap()], family).ip.to_string();
    assert_eq!(says(ForwardedFamily::XForwarded), "198.51.100.1");
    assert_eq!(says(ForwardedFamily::Forwarded), "203.0.113.9");
    assert_eq!(client("x_forwarded_for", &[b"203.0.113.9"]), NGINX, "an alias is none of it");
}

#[test]
fn f_07_only_https_counts_as_private() {
    let private = |fields: &[&[u8]]| told("x-forwarded-proto", fields).private;
    assert!(private(&[]) && private(&[b"https"]));
    for said in
        [&b"http"[..], b"javascript", b"evil", b"HTTPS", b"https,http", b"http, https", b"", b"https://"]
    {
        assert!(!private(&[said]), "{said:?}");
    }
    assert!(!private(&[b"https", b"https"]) && !private(&[b"https", b"http"]));
    let private = |field: &str| told("forwarded", &[field.as_bytes()]).private;
    for (field, is) in [
        ("for=203.0.113.9", true),
        ("for=203.0.113.9;proto=https, for=10.0.0.7;proto=http", true),
        ("for=203.0.113.9;proto=http, for=10.0.0.7;proto=https", false),
        ("for=203.0.113.9;proto=javascript", false),
        ("proto=https, for=203.0.113.9;proto=http", false),
        ("for=203.0.113.9;proto=https;proto=https", false),
    ] {
        assert_eq!(private(field), is, "{field}");
    }
}

/// A client cannot get out of the quotes of its proxy, nor draw the proxy's words into its own.
#[test]
fn f_10_quotes_hide_and_uncover_nothing() {
    for (field, who) in [
        (&b"for=10.0.0.9;x=\", for=203.0.113.9"[..], "203.0.113.9"),
        (b"for=\"10.0.0.9, for=203.0.113.9", "203.0.113.9"),
        (b"for=10.0.0.9;x=\", for=\"[2001:db8::9]\"", "2001:db8::9"),
        (b"for=203.0.113.9;host=\"a, for=10.0.0.9\"", "0.0.0.0"),
        (b"for=203.0.113.9;host=\"a, for=10.0.0.9;x=\\\"b\"", "0.0.0.0"),
        (b"for=203.0.113.9;host=\"a, for=10.0.0.9;x=\\\"b\\\"\"", "0.0.0.0"),
        (b"for=203.0.113.9;host=\"a,for=10.0.0.9;x=\"", "0.0.0.0"),
    ] {
        assert_eq!(client("forwarded", &[field]), who, "{}", String::from_utf8_lossy(field));
    }
}

fn upstream_sees(
    client: &str,
    proxies: &[&str],
    scheme: &'static str,
    host: &'static str,
) -> (String, String) {
    let mut headers = headers("forwarded", &[b"for=6.6.6.6", b"for=7.7.7.7"]);
    headers.append("x-forwarded-for", HeaderValue::from_static("6.6.6.6"));
    let proxies: Vec<ClientIp> = proxies.iter().map(|p| ip(p)).collect();
    let (scheme, host) = (HeaderValue::from_static(scheme), Some(HeaderValue::from_static(host)));
    Told { client: ip(client), proxies: &proxies, scheme: &scheme, host: host.clone() }
        .put_into(&mut headers);
    let only = |name: &str| {
        let all: Vec<_> = headers.get_all(name).iter().map(|v| v.to_str().unwrap().to_owned()).collect();
        assert_eq!(all.len(), 1, "{name}");
        all[0].clone()
    };
    assert_eq!(
        (only("x-forwarded-proto"), Some(only("x-forwarded-host"))),
        (scheme.to_str().unwrap().into(), host.map(|h| h.to_str().unwrap().into()))
    );
    (only("x-forwarded-for"), only("forwarded"))
}

#[test]
fn f_08_f_10_the_upstream_hears_the_same_in_both_families() {
    for (client, proxies, host, chain, list) in [
        ("203.0.113.9", &[][..], "a.example", "203.0.113.9", "for=203.0.113.9;host=a.example;proto=https"),
        (
            "203.0.113.9",
            &[],
            "a.example:80",
            "203.0.113.9",
            "for=203.0.113.9;host=\"a.example:80\";proto=https",
        ),
        ("2001:db8::9", &[], "[::1]", "2001:db8::9", "for=\"[2001:db8::9]\";host=\"[::1]\";proto=https"),
        ("0.0.0.0", &[NGINX], "a", "0.0.0.0, 10.0.0.1", "for=unknown;host=a;proto=https, for=10.0.0.1"),
        (
            "203.0.113.9",
            &[NGINX, "fd00::7"],
            "a",
            "203.0.113.9, fd00::7, 10.0.0.1",
            "for=203.0.113.9;host=a;proto=https, for=\"[fd00::7]\", for=10.0.0.1",
        ),
    ] {
        assert_eq!(upstream_sees(client, proxies, "https", host), (chain.to_owned(), list.to_owned()));
    }
    let (_, list) = upstream_sees("203.0.113.9", &[], "http", "a\"b");
    assert_eq!(list, "for=203.0.113.9;proto=http", "no host that could not be quoted");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2000) })]

    /// Whatever stands to the left of what a proxy of ours wrote changes nothing.
    #[test]
    fn f_08_f_10_what_a_client_claims_is_not_even_read(
        claim in prop::collection::vec(prop_oneof![
            Just(b'"'), Just(b'\\'), Just(b','), Just(b';'), Just(b'='), Just(b' '), Just(b'1'), Just(b'.'), 0x20..0x7fu8, 0x80..=0xffu8,
        ], 0..40),
        apart in any::<bool>(),
        six in any::<bool>(),
    ) {
        let (plain, listed) = if six { ("2001:db8::9", "for=\"[2001:db8::9]\"") } else { ("203.0.113.9", "for=203.0.113.9") };
        for (name, ours) in [("x-forwarded-for", plain), ("forwarded", listed)] {
            let joined = [&claim[..], b", ", ours.as_bytes()].concat();
            let fields: &[&[u8]] = if apart { &[&claim, ours.as_bytes()] } else { &[&joined] };
            let sender = told(name, fields);
            prop_assert_eq!(sender.ip, ip(plain), "{}: {:?}", name, fields);
            prop_assert_eq!(sender.proxies, vec![ip(NGINX)]);
        }
    }

    /// What we write, a gateway behind us reads.
    #[test]
    fn f_08_f_10_what_we_say_is_read_as_it_was_meant(client in any::<u32>(), six in any::<Option<u128>>(), hops in 0..4usize) {
        let client = six.map_or(IpAddr::from(client.to_be_bytes()), |v6| IpAddr::from(v6.to_be_bytes()));
        let client = ClientIp::new(client);
        let trusted = ["10.0.0.0/8".parse().unwrap()];
        prop_assume!(!is_trusted(client, &trusted));
        let proxies: Vec<ClientIp> = (1..=hops).map(|n| ip(&format!("10.0.0.{n}"))).collect();
        let mut headers = HeaderMap::new();
        let (scheme, host) = (HeaderValue::from_static("https"), Some(HeaderValue::from_static("a.example:8443")));
        Told { client, proxies: &proxies, scheme: &scheme, host }.put_into(&mut headers);
        for family in [ForwardedFamily::XForwarded, ForwardedFamily::Forwarded] {
            let read = named(&headers, ip("10.9.9.9"), &trusted, family);
            let before: Vec<ClientIp> = Some(ip("10.9.9.9")).into_iter().chain(proxies.clone()).collect();
            prop_assert_eq!((read.ip, read.proxies, read.private), (client, before, true));
        }
    }
}
