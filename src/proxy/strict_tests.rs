//! Tests of the strict head check.

use std::time::Duration;

use super::*;

fn limits() -> Limits {
    Limits {
        head_bytes: 32 * 1024,
        headers: 100,
        head_timeout: Duration::from_secs(10),
        idle_timeout: Duration::from_secs(75),
        body_bytes: 1 << 20,
        body_timeout: Duration::from_secs(30),
        connections_per_address: 100,
    }
}

fn request(line: &str, fields: &str) -> Result<(), HeadRefusal> {
    check(format!("{line}\r\nHost: a.example\r\n{fields}\r\n").as_bytes(), &limits())
}

fn refused(fields: &str) {
    assert!(request("GET / HTTP/1.1", fields).is_err(), "{fields:?} was let in");
}

#[test]
fn ordinary_heads_pass() {
    for fields in [
        "",
        "Content-Length: 5\r\n",
        "Transfer-Encoding: Chunked\r\n",
        "Expect: 100-continue\r\n",
        "X: \t a\u{e9} \t\r\n",
        "X:\r\n",
        "content-length: 0\r\n",
    ] {
        assert_eq!(request("POST /a?b={c}|d HTTP/1.1", fields), Ok(()), "{fields:?}");
    }
    assert_eq!(check(b"GET / HTTP/1.0\r\nHost: [::1]:80\r\n\r\n", &limits()), Ok(()));
}

#[test]
fn h_01_h_03_host_exactly_once() {
    assert_eq!(check(b"GET / HTTP/1.1\r\n\r\n", &limits()), Err(bad("host_missing")));
    refused("Host: a.example\r\n");
}

#[test]
fn h_02_h_09_h_10_odd_hosts() {
    for host in [
        "a/abc?bar=",
        "a#b",
        "a\\b",
        "a b",
        "a,b",
        "a;b",
        "",
        "[::1",
        "[::g]",
        "a:99999",
        "a:-1",
        "a:",
        "u@h",
        "ex\u{e4}mple.com",
        "\u{ff11}\u{ff12}7.0.0.1",
        "[::1]x",
        "a:80:80",
    ] {
        let head = format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n");
        assert!(check(head.as_bytes(), &limits()).is_err(), "{host:?}");
    }
    for host in ["a", "xn--exmple-cua.com", "a_b.internal:8080", "127.0.0.1", "[2001:db8::1]", "a.example."] {
        let head = format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n");
        assert_eq!(check(head.as_bytes(), &limits()), Ok(()), "{host:?}");
    }
}

#[test]
fn s_05_s_07_s_08_s_09_lengths_that_two_parsers_could_read_differently() {
    refused("Content-Length: 4\r\nTransfer-Encoding: chunked\r\n");
    refused("Content-Length: 5\r\nContent-Length: 5\r\n");
    for v in [
        "+5",
        "-48",
        "5 5",
        "0x10",
        "010",
        "1_0",
        "1Z",
        " ",
        "",
        "18446744073709551616",
        "5,",
        "5, 5",
        "\u{ff15}",
    ] {
        refused(&format!("Content-Length: {v}\r\n"));
    }
}

#[test]
fn s_03_s_10_s_11_s_12_transfer_codings() {
    for v in [
        ",chunked",
        "chunked,",
        "chunked;a",
        "\"chunked\"",
        "xchunked",
        "chunked, identity",
        "identity",
        "gzip, chunked",
        "chunked, chunked",
        "\u{b}chunked",
    ] {
        refused(&format!("Transfer-Encoding: {v}\r\n"));
    }
    refused("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n");
    refused("Transfer-Encoding : chunked\r\n");
    refused(" Transfer-Encoding: chunked\r\n");
    refused("Transfer-\r\n Encoding: chunked\r\n");
    refused("X: a\rTransfer-Encoding: chunked\r\n");
    assert!(request("POST / HTTP/1.0", "Transfer-Encoding: chunked\r\n").is_err());
}

#[test]
fn s_17_to_s_22_line_ends_names_and_values() {
    for fields in [
        "X: a\r\n b\r\n",
        "\tX: a\r\n",
        "Host : a\r\n",
        ": x\r\n",
        "no colon\r\n",
        "(a): 1\r\n",
        "a b: 1\r\n",
        "X: a\0b\r\n",
        "X: \u{1}\r\n",
        "X: \u{7f}\r\n",
        "X: a\nY: b\r\n",
        "X: a\rY: b\r\n",
    ] {
        refused(fields);
    }
    assert!(check(b"GET / HTTP/1.1\nHost: a\r\n\r\n", &limits()).is_err());
    assert!(check(b"GET / HTTP/1.1\rHost: a\r\n\r\n", &limits()).is_err());
    assert!(check(b"GET / HTTP/1.1\r\nHost: a\r\n\xef\xbb\xbfX: 1\r\n\r\n", &limits()).is_err());
}

#[test]
fn s_23_s_24_request_lines() {
    for line in [
        "GET  /x HTTP/1.1",
        "GET\t/x HTTP/1.1",
        "GET /x HTTP/1.1 ",
        "GET /x",
        "GET /x HTTP/1.2",
        "GET /x HTTP/2.0",
        "GET /x HTTP/1.01",
        "GET /x http/1.1",
        "GET /x HTTP/4294967297.1",
        "\r\nGET /x HTTP/1.1",
        "get /x HTTP/1.1",
        "G=e /x HTTP/1.1",
        " GET /x HTTP/1.1",
        "PROPFIND /x HTTP/1.1",
        "TRACE /x HTTP/1.1",
        "CONNECT a:80 HTTP/1.1",
    ] {
        assert!(request(line, "").is_err(), "{line:?}");
    }
}

#[test]
fn p_02_p_10_p_20_targets() {
    for target in [
        "http://a.example/x",
        "http:/admin",
        "*",
        "foo:bar",
        "admin/x",
        "/a#b",
        "/a\"b",
        "/a<b>",
        "/a\tb",
        "/a\u{7f}",
        "/\u{e9}",
        "",
    ] {
        assert!(request(&format!("GET {target} HTTP/1.1"), "").is_err(), "{target:?}");
    }
    assert_eq!(
        request(&format!("GET /{} HTTP/1.1", "a".repeat(MAX_TARGET)), ""),
        Err(HeadRefusal::TargetTooLong)
    );
}

#[test]
fn s_33_too_many_fields() {
    let fields: String = (0..100).map(|i| format!("X-{i}: 1\r\n")).collect();
    assert_eq!(request("GET / HTTP/1.1", &fields), Err(HeadRefusal::TooManyFields));
}
