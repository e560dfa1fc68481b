//! Tests of the strict head check.

use super::*;
use crate::proxy::settings::sample_limits as limits;

fn request(line: &str, fields: &str) -> Result<(), HeadRefusal> {
    check(format!("{line}\r\nHost: a.example\r\n{fields}\r\n").as_bytes(), &limits()).map(drop)
}

/// Each of these fields is refused, and for this reason.
fn refused(reason: &str, fields: &[&str]) {
    for f in fields {
        let got = request("GET / HTTP/1.1", f).map_err(HeadRefusal::id);
        assert_eq!(got, Err(reason), "{f:?}");
    }
}

/// Each of these hosts, targets or lines is refused, and for this reason.
fn all_refused(reason: &str, heads: impl IntoIterator<Item = String>) {
    for head in heads {
        let got = check(head.as_bytes(), &limits()).map_err(HeadRefusal::id);
        assert_eq!(got, Err(reason), "{head:?}");
    }
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
    assert_eq!(check(b"GET / HTTP/1.0\r\nHost: [::1]:80\r\n\r\n", &limits()), Ok(false));
    let chunked = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n";
    assert_eq!(check(chunked, &limits()), Ok(true));
}

#[test]
fn h_01_h_03_host_exactly_once() {
    all_refused("host_missing", ["GET / HTTP/1.1\r\n\r\n".to_owned()]);
    refused("host_twice", &["Host: a.example\r\n", "host: b.example\r\n"]);
}

#[test]
fn h_02_h_09_h_10_odd_hosts() {
    let odd = [
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
        "[::1]x",
        "a:80:80",
        "ex\u{e4}mple.com",
        "\u{ff11}\u{ff12}7.0.0.1",
    ];
    all_refused("host_malformed", odd.map(|host| format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n")));
    for host in ["a", "xn--exmple-cua.com", "a_b.internal:8080", "127.0.0.1", "[2001:db8::1]", "a.example."] {
        let head = format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n");
        assert_eq!(check(head.as_bytes(), &limits()), Ok(false), "{host:?}");
    }
}

#[test]
fn s_05_s_07_s_08_s_09_lengths_that_two_parsers_could_read_differently() {
    refused("two_lengths", &["Content-Length: 4\r\nTransfer-Encoding: chunked\r\n"]);
    refused("content_length", &["Content-Length: 5\r\nContent-Length: 5\r\n"]);
    let values = [
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
    ];
    for v in values {
        refused("content_length", &[&format!("Content-Length: {v}\r\n")]);
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
    ] {
        refused("transfer_coding", &[&format!("Transfer-Encoding: {v}\r\n")]);
    }
    refused("transfer_encoding_twice", &["Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"]);
    refused("field_name", &["Transfer-Encoding : chunked\r\n"]);
    refused("folded_field", &[" Transfer-Encoding: chunked\r\n"]);
    refused("field_without_colon", &["Transfer-\r\n Encoding: chunked\r\n"]);
    refused("field_value", &["X: a\rTransfer-Encoding: chunked\r\n", "Transfer-Encoding: \u{b}chunked\r\n"]);
    let old = request("POST / HTTP/1.0", "Transfer-Encoding: chunked\r\n");
    assert_eq!(old.map_err(HeadRefusal::id), Err("chunked_in_http_1_0"));
}

#[test]
fn s_17_to_s_22_line_ends_names_and_values() {
    refused("folded_field", &["X: a\r\n b\r\n", "\tX: a\r\n"]);
    refused("field_name", &["Host : a\r\n", ": x\r\n", "(a): 1\r\n", "a b: 1\r\n", "\u{feff}X: 1\r\n"]);
    refused("field_without_colon", &["no colon\r\n"]);
    refused("field_name", &[&format!("Content-Length0{}:\r\n", "a".repeat(240))]);
    assert_eq!(request("GET / HTTP/1.1", &format!("{}: 1\r\n", "x".repeat(254))), Ok(()));
    refused(
        "field_value",
        &["X: a\0b\r\n", "X: \u{1}\r\n", "X: \u{7f}\r\n", "X: a\nY: b\r\n", "X: a\rY: b\r\n"],
    );
    all_refused(
        "http_version_malformed",
        ["GET / HTTP/1.1\nHost:a\r\n\r\n", "GET / HTTP/1.1\rHost:a\r\n\r\n"].map(String::from),
    );
    all_refused("head_incomplete", ["GET / HTTP/1.1\r\nHost: a\r\n".to_owned()]);
}

#[test]
fn s_23_s_24_request_lines() {
    let cases = [
        (
            "request_line",
            &[
                "GET  /x HTTP/1.1",
                "GET\t/x HTTP/1.1",
                "GET /x HTTP/1.1 ",
                "GET /x",
                "\r\nGET /x HTTP/1.1",
                " GET /x HTTP/1.1",
            ][..],
        ),
        ("http_version", &["GET /x HTTP/1.2", "GET /x HTTP/2.0"]),
        ("http_version_malformed", &["GET /x HTTP/1.01", "GET /x http/1.1", "GET /x HTTP/4294967297.1"]),
        ("method_malformed", &["get /x HTTP/1.1", "G=e /x HTTP/1.1"]),
        ("method_unknown", &["PROPFIND /x HTTP/1.1"]),
        ("method_not_allowed", &["TRACE /x HTTP/1.1", "CONNECT a:80 HTTP/1.1"]),
    ];
    for (reason, lines) in cases {
        all_refused(reason, lines.iter().map(|line| format!("{line}\r\nHost: a\r\n\r\n")));
    }
}

#[test]
fn p_02_p_10_p_20_targets() {
    let cases = [
        ("not_origin_form", &["http://a.example/x", "http:/admin", "*", "foo:bar", "admin/x", ""][..]),
        ("fragment", &["/a#b"]),
        ("unescaped_character", &["/a\"b", "/a<b>", "/a\tb", "/a\u{7f}", "/\u{e9}"]),
    ];
    for (reason, targets) in cases {
        all_refused(reason, targets.iter().map(|t| format!("GET {t} HTTP/1.1\r\nHost: a\r\n\r\n")));
    }
    let long = format!("GET /{} HTTP/1.1", "a".repeat(crate::gate::form::MAX_TARGET));
    assert_eq!(request(&long, ""), Err(HeadRefusal::TargetTooLong));
}

#[test]
fn s_26_expectations() {
    refused("expectation", &["Expect: x\r\n", "Expect: 100-continue\r\nExpect: 100-continue\r\n"]);
    let old = request("POST / HTTP/1.0", "Expect: 100-continue\r\n");
    assert_eq!(old, Err(HeadRefusal::Expectation));
}

#[test]
fn s_33_too_many_fields() {
    let fields: String = (0..100).map(|i| format!("X-{i}: 1\r\n")).collect();
    assert_eq!(request("GET / HTTP/1.1", &fields), Err(HeadRefusal::TooManyFields));
}
