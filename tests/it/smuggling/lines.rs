//! Where lines end, and what the first one is made of.

use super::{SMUGGLED, hurried, post, stage};
use crate::support::{TestApp, get};

/// Refused with this status, alone and with another request behind it.
fn refused(app: &TestApp, head: impl AsRef<[u8]>, status: u16) {
    app.case(None, head.as_ref()).rejected_with(status);
    app.case(None, [head.as_ref(), SMUGGLED.as_bytes()].concat()).rejected_with(status);
}

#[test]
fn s_17_bare_carriage_returns() {
    let app = stage();
    for head in [
        "GET /public HTTP/1.1\rHost: a\r\n\r\n",
        "GET /public HTTP/1.1\r\nHost: a\rX: b\r\n\r\n",
        "GET /public HTTP/1.1\r\nHost: a\r\nX: b\rc\r\n\r\n",
        "GET /public HTTP/1.1\r\nHost: a\r\nX:\rb\r\n\r\n",
        "GET /public HTTP/1.1\r\nHost: a\r\nX: b\r\r\n\r\n",
        "GET /public HTTP/1.1\r\nHost: a\r\n\rX: b\r\n\r\n",
        "GET /public HTTP/1.1\r\nHost: a\r\nX\r: b\r\n\r\n",
        "GET /pub\rlic HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET\r/public HTTP/1.1\r\nHost: a\r\n\r\n",
        "\rGET /public HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /public HTTP/1.1\r\r\nHost: a\r\n\r\n",
    ] {
        refused(&app, head, 400);
    }
    drop(app);
    let app = hurried();
    app.case(None, "GET /public HTTP/1.1\rHost: a\r\r").rejected_with(408);
}

#[test]
fn s_18_bare_line_feeds() {
    let app = stage();
    for head in [
        "GET /public HTTP/1.1\nHost: a\n\n",
        "GET /public HTTP/1.1\r\nHost: a\n\n",
        "GET /public HTTP/1.1\nHost: a\r\n\r\n",
        "GET /public HTTP/1.1\r\nHost: a\r\n\n",
        "GET /public HTTP/1.1\r\nHost: a\n\r\n",
        "GET /public HTTP/1.1\r\nHost: a\nX: b\r\n\r\n",
        "GET /public HTTP/1.1\r\nHost: a\r\nX: b\nX-Auth-Roles: admin\r\n\r\n",
        "GET /public HTTP/1.1\r\nHost: a\r\nX:\n b\r\n\r\n",
        "\nGET /public HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /public HTTP/1.1\r\n\nHost: a\r\n\r\n",
    ] {
        refused(&app, head, 400);
    }
    app.case(
        None,
        format!("POST /public HTTP/1.1\nHost: a\nContent-Length: {}\n\n{SMUGGLED}", SMUGGLED.len()),
    )
    .rejected_with(400);
}

#[test]
fn s_19_folded_fields() {
    let app = stage();
    for head in [
        "GET /public HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n\r\n",
        "GET /public HTTP/1.1\r\nHost: a\r\nX: a\r\n\tb\r\n\r\n",
        "GET /public HTTP/1.1\r\n Host: a\r\n\r\n",
        "GET /public HTTP/1.1\r\n\tHost: b\r\nHost: a\r\n\r\n",
        "GET /public HTTP/1.1\r\nHost: a\r\n\tHost: b\r\n\r\n",
        "GET /public HTTP/1.1\r\nHost:\r\n a\r\n\r\n",
        "GET /public HTTP/1.1\r\nHost: a\r\nX: a\r\n \r\n\r\n",
        "GET /public\r\n HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /public HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n 5\r\n\r\n",
    ] {
        refused(&app, head, 400);
    }
    refused(&app, "GET /public HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n chunked\r\n\r\n", 501);
}

#[test]
fn s_20_blanks_before_the_colon() {
    let app = stage();
    for head in [
        "GET /public HTTP/1.1\r\nHost : a\r\n\r\n",
        "GET /public HTTP/1.1\r\nHost\t: a\r\n\r\n",
        "GET /public HTTP/1.1\r\nHost: a\r\nX : b\r\n\r\n",
    ] {
        refused(&app, head, 400);
    }
    for lines in
        ["Content-Length : 5\r\n", "Content-Length\t: 5\r\n", "Content-Length : 5\r\nContent-Length: 5\r\n"]
    {
        app.case(None, post(lines, format!("hello{SMUGGLED}"))).rejected_with(400);
    }
}

#[test]
fn s_23_request_lines() {
    let app = stage();
    for (line, status) in [
        ("GET  /public/x HTTP/1.1", 400),
        ("GET\t/public/x HTTP/1.1", 400),
        ("GET /public/x\tHTTP/1.1", 400),
        ("GET /public/x  HTTP/1.1", 400),
        ("GET /public/x HTTP/1.1 ", 400),
        ("GET /public/x HTTP/1.1\t", 400),
        (" GET /public/x HTTP/1.1", 400),
        ("GET /public/x", 400),
        ("GET /public/x ", 400),
        ("GET", 400),
        ("/public/x HTTP/1.1", 400),
        ("GET /public/x HTTP/1.2", 505),
        ("GET /public/x HTTP/2.0", 505),
        ("GET /public/x HTTP/3.0", 505),
        ("GET /public/x HTTP/0.9", 505),
        ("GET /public/x HTTP/2", 400),
        ("GET /public/x HTTP/1.01", 400),
        ("GET /public/x HTTP/01.1", 400),
        ("GET /public/x http/1.1", 400),
        ("GET /public/x Http/1.1", 400),
        ("GET /public/x HTTP/1.32", 400),
        ("GET /public/x HTTP/1.", 400),
        ("GET /public/x HTTP/1,1", 400),
        ("GET /public/x HTTP/ 1.1", 400),
        ("GET /public/x HTTP/4294967297.1", 400),
        ("GET /public/x HTTP/\r\r1.1", 400),
        ("GET /\nHTTP/1.1", 400),
        ("GET /public/x ICY/1.1", 400),
        ("GET /public/x HTTP/1.1 x", 400),
        ("GET /public/x y HTTP/1.1", 400),
        // Stricter than "one empty line may be skipped": an empty line in front is one that somebody else counted.
        ("\r\nGET /public/x HTTP/1.1", 400),
        ("\r\n\r\nGET /public/x HTTP/1.1", 400),
    ] {
        refused(&app, format!("{line}\r\nHost: localhost\r\n\r\n"), status);
    }
    let hundred = "\r\n".repeat(100);
    refused(&app, [hundred.as_bytes(), &get("/public/x", "")].concat(), 400);
    drop(app);
    // HTTP/0.9 has no head that could end.
    let app = hurried();
    for line in ["GET /public/x\r\n", "GET /public/x", "GET /\r\n", "\r\n"] {
        app.case(None, line).rejected_with(408);
    }
}

#[test]
fn s_24_methods() {
    let app = stage();
    let long = "A".repeat(10 * 1024);
    for (method, status) in [
        (&b"G=\":<>(e),[T];?\""[..], 400),
        (b"GET\0", 400),
        (b"G\x7fET", 400),
        (b"GET\xff", 400),
        (b"\xc3\x89GET", 400),
        (b"get", 400),
        (b"Get", 400),
        (b"G.ET", 400),
        (b"", 400),
        (long.as_bytes(), 400),
        (b"GETS", 501),
        (b"XGET", 501),
        (b"PRI", 501),
        (b"PROPFIND", 501),
        (b"CONNECT", 405),
        (b"TRACE", 405),
    ] {
        refused(&app, [method, b" /public/x HTTP/1.1\r\nHost: localhost\r\n\r\n"].concat(), status);
    }
}
