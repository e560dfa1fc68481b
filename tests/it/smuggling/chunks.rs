//! Chunked bodies. What is odd in one is refused with its head when both come together, and cut off when it comes later.

use super::{SMUGGLED, cut_off, hurried, post, stage};
use crate::support::{TestApp, get};

const CHUNKED: &str = "Transfer-Encoding: chunked\r\n";

/// Refused, also when the head was long through, and by our own endpoints.
fn refused(app: &TestApp, body: &str) {
    let body = format!("{body}{SMUGGLED}");
    let seen = app.case(None, post(CHUNKED, &body)).rejected();
    assert_eq!(
        (seen.answer().status, seen.answer().json()["reason"].as_str()),
        (400, Some("body_malformed")),
        "{body:?}"
    );
    seen.closed();
    cut_off(app, &[&post(CHUNKED, ""), body.as_bytes()], 400);
    cut_off(app, &[&post(CHUNKED, "3\r\nabc\r\n"), body.as_bytes()], 400);
    let own = post(CHUNKED, &body);
    let own = String::from_utf8(own).unwrap().replace("/public/x", "/auth/token/");
    app.case(None, own).rejected_with(400);
}

fn forwarded(app: &TestApp, body: &str, expected: &[u8]) {
    let seen = app.case(None, post(CHUNKED, body)).allowed();
    assert_eq!(seen.at_upstream().body, expected, "{body:?}");
    assert_eq!(
        app.upstream().bytes_of(seen.at_upstream().connection).windows(2).filter(|w| w == b";a").count(),
        0
    );
    // In small pieces, and on a connection that is used again afterwards.
    let before = app.upstream().count();
    let mut client = app.connect();
    client.send(post(CHUNKED, ""));
    body.as_bytes().chunks(3).for_each(|piece| {
        client.send(piece);
    });
    assert_eq!(client.answer().map(|a| a.status), Ok(200), "{body:?}");
    client.send(get("/public/next", ""));
    assert_eq!(client.answer().map(|a| a.status), Ok(200), "{body:?}");
    let seen = app.judge_since(before, None, body);
    assert_eq!((seen.len(), seen[0].body.as_slice(), seen[1].target.as_str()), (2, expected, "/public/next"));
}

#[test]
fn s_13_sizes_are_plain_hexadecimal() {
    let app = stage();
    let zeros = format!("{}5", "0".repeat(999));
    for size in [
        "0x5",
        "+5",
        "-0",
        "-1",
        " 5",
        "\t5",
        "5 ",
        "5\t",
        "0_2e",
        "5;",
        "5 ;a=b",
        "5\r\r;A",
        "5\n",
        "",
        "1these-bytes",
        "g",
        "5,5",
        "\"5\"",
        "5.0",
        "FFFFFFFFFFFFFFFFF",
        "FFFFFFFFFFFFFFFF",
        "FFFFFFFFFFFFFFFE",
        "\u{ff15}",
        &zeros,
    ] {
        refused(&app, &format!("{size}\r\nhello\r\n0\r\n\r\n"));
    }
    // The same in the place of the last one.
    for size in ["", "0x0", "-0", "+0", "0 ", " 0", "0;", "0\n", ";a"] {
        refused(&app, &format!("5\r\nhello\r\n{size}\r\n\r\n"));
    }
    for size in ["5", "05", "00000000005", "5;a=b", "5;a", "5;a=\"b;c\";d"] {
        forwarded(&app, &format!("{size}\r\nhello\r\n000\r\n\r\n"), b"hello");
    }
    forwarded(&app, "A\r\nhellohello\r\na;a\r\nhellohello\r\n0;a=b\r\n\r\n", b"hellohellohellohello");
    let extended = |n: usize| format!("5;{}\r\nhello\r\n0\r\n\r\n", "a".repeat(n - 1));
    forwarded(&app, &extended(256), b"hello");
    refused(&app, &extended(257));
    refused(&app, &extended(9000));
}

/// Much more in extensions than in data is a way to keep somebody busy.
#[test]
fn s_13_extensions_have_an_end_together() {
    let app = stage();
    let one = format!("1;{}\r\nx\r\n", "a".repeat(254));
    let many = format!("{}0\r\n\r\n", one.repeat(200));
    cut_off(&app, &[&post(CHUNKED, ""), many.as_bytes()], 400);
}

#[test]
fn s_14_line_ends_in_extensions() {
    let app = stage();
    for body in [
        "5;a\nb\r\nhello\r\n0\r\n\r\n",
        "5;\r\r\nhello\r\n0\r\n\r\n",
        "2;\nxx\r\n0\r\n\r\n",
        "5;a\rb\r\nhello\r\n0\r\n\r\n",
        "5;a=\"\r\n\"\r\nhello\r\n0\r\n\r\n",
        "5;a=\"\n\"\r\nhello\r\n0\r\n\r\n",
        "5;a\0b\r\nhello\r\n0\r\n\r\n",
        "5;a\u{7f}\r\nhello\r\n0\r\n\r\n",
        "5;\u{e9}\r\nhello\r\n0\r\n\r\n",
        "0;\n\r\n\r\n",
    ] {
        refused(&app, body);
    }
}

#[test]
fn s_15_ends_of_chunks() {
    let app = stage();
    for body in [
        "5\r\nhello\n0\r\n\r\n",
        "5\r\nhello\r0\r\n\r\n",
        "5\r\nhello\n\r0\r\n\r\n",
        "5\r\nhelloXX0\r\n\r\n",
        "5\r\nhelloX\n0\r\n\r\n",
        "5\r\nhello0\r\n\r\n",
        "5\r\nhello\r\n\r\n0\r\n\r\n",
        "\r\n5\r\nhello\r\n0\r\n\r\n",
        "5\r\nhell\r\n0\r\n\r\n",
        "5\r\nhello!\r\n0\r\n\r\n",
        "5\r\nhello\r\n0\n\n",
        "5\r\nhello\r\n0\r\n\n",
        // The end is missing: the next request would have to be a trailer.
        "5\r\nhello\r\n0\r\n",
    ] {
        refused(&app, body);
    }
    drop(app);
    let app = hurried();
    for body in ["5\r\nhello\r\n0\r\n", "5\r\nhello\r\n0\r", "5\r\nhello\r\n", "5\r\nhel", "5", ""] {
        cut_off(&app, &[&post(CHUNKED, body)], 408);
    }
}

#[test]
fn s_16_trailers_are_dropped_and_have_an_end() {
    let app = stage();
    for trailers in [
        "Content-Length: 5\r\n",
        "Transfer-Encoding: x\r\n",
        "Transfer-Encoding: chunked\r\nHost: evil\r\n",
        "X:POST /admin\r\n",
        "X: POST /admin HTTP/1.1\r\nAuthorization: Bearer x\r\nX-Auth-Roles: admin\r\n",
        "X:\r\n",
        "X: \u{e9}\t\r\n",
    ] {
        for last in ["0", "0;a"] {
            let body = format!("5\r\nhello\r\n{last}\r\n{trailers}\r\n");
            forwarded(&app, &body, b"hello");
            let seen = app.case(None, post(CHUNKED, format!("{body}{SMUGGLED}"))).allowed();
            let head = String::from_utf8_lossy(&seen.at_upstream().head).into_owned();
            assert!(
                !head.contains("evil") && !head.contains("POST /admin") && !head.contains("Bearer"),
                "{head}"
            );
            seen.closed();
        }
    }
    for trailers in [
        "no colon\r\n",
        ": x\r\n",
        " X: y\r\n",
        "X : y\r\n",
        "X: a\nY: b\r\n",
        "X: a\rY: b\r\n",
        "X: a\r\n folded\r\n",
        "X: a\0\r\n",
        "GET /admin HTTP/1.1\r\n",
        "\nX: y\r\n",
    ] {
        refused(&app, &format!("5\r\nhello\r\n0\r\n{trailers}\r\n"));
    }
    let many = format!("5\r\nhello\r\n0\r\n{}\r\n", "X: y\r\n".repeat(100_000));
    cut_off(&app, &[&post(CHUNKED, ""), many.as_bytes()], 400);
    let long = format!("5\r\nhello\r\n0\r\nX: {}\r\n\r\n", "y".repeat(40_000));
    cut_off(&app, &[&post(CHUNKED, ""), long.as_bytes()], 400);
}
