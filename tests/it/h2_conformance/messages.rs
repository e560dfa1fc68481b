//! What a request is made of (section 8). More of it, and what must not become a line of HTTP/1, is in `http2.rs`.

use super::{Case, Must, PADDED, PROTOCOL, WHOLE, block, get, judge, post, then};
use crate::support::TestApp;
use crate::support::h2::{self, H2, fields, frame, literal};

/// Flags and payloads of DATA frames.
type Frames<'a> = &'a [(u8, &'a [u8])];

/// A request whose fields are these.
fn with(all: &[(&str, &[u8])]) -> Vec<u8> {
    let block: Vec<u8> = all.iter().flat_map(|(n, v)| literal(n.as_bytes(), v)).collect();
    frame(h2::HEADERS, WHOLE, 1, &block)
}

fn trailers(flags: u8, fields: &[(&str, &[u8])]) -> Vec<u8> {
    let block: Vec<u8> = fields.iter().flat_map(|(n, v)| literal(n.as_bytes(), v)).collect();
    frame(h2::HEADERS, h2::END_HEADERS | flags, 1, &block)
}

#[test]
fn z_16_what_a_request_is_made_of() {
    let malformed = |section, what, bytes| Case(section, what, bytes, Must::Reset(PROTOCOL));
    let fine = |section, what, bytes| Case(section, what, bytes, Must::Answer(200));
    // Section 8.1.1 allows an answer in the place of a reset.
    let refused = |section, what, bytes| Case(section, what, bytes, Must::Answer(400));
    // What the library cannot even read as a field ends the connection with the request.
    let ended = |section, what, bytes| Case(section, what, bytes, Must::End(PROTOCOL));
    let method: (&str, &[u8]) = (":method", b"GET");
    let scheme: (&str, &[u8]) = (":scheme", b"http");
    let path: (&str, &[u8]) = (":path", b"/public/x");
    let authority: (&str, &[u8]) = (":authority", b"localhost");
    let plain = [method, scheme, authority, path];
    let more = |extra: &[(&'static str, &'static [u8])]| with(&[&plain[..], extra].concat());
    judge(vec![
        fine("8.3.1", "in another order", with(&[path, authority, method, scheme])),
        fine(
            "8.3.1",
            "host in the place of :authority",
            with(&[method, scheme, path, ("host", b"localhost")]),
        ),
        fine("8.2.2", "te: trailers", more(&[("te", b"trailers")])),
        malformed("8.2.2", "te: anything else", more(&[("te", b"trailers, deflate;q=0.5")])),
        malformed("8.2.2", "connection", more(&[("connection", b"keep-alive")])),
        ended("8.2.1", "a name in capitals", more(&[("X-Test", b"ok")])),
        ended("8.3", "an unknown pseudo field", with(&[method, scheme, authority, path, (":test", b"ok")])),
        malformed(
            "8.3",
            "a pseudo field of answers",
            with(&[method, scheme, authority, path, (":status", b"200")]),
        ),
        malformed(
            "8.3",
            "a pseudo field behind others",
            with(&[method, scheme, authority, ("x-test", b"ok"), path]),
        ),
        malformed("8.3.1", "an empty :path", with(&[method, scheme, authority, (":path", b"")])),
        malformed("8.3.1", "no :method", with(&[scheme, authority, path])),
        malformed("8.3.1", "no :scheme", with(&[method, authority, path])),
        malformed("8.3.1", "no :path", with(&[method, scheme, authority])),
        malformed("8.3.1", ":method twice", with(&[method, method, scheme, authority, path])),
        malformed("8.3.1", ":scheme twice", with(&[method, scheme, scheme, authority, path])),
        malformed("8.3.1", ":path twice", with(&[method, scheme, authority, path, path])),
        malformed("8.3.1", ":authority twice", with(&[method, scheme, authority, authority, path])),
        fine("8.1", "trailers", then(&[post(1), trailers(h2::END_STREAM, &[("x-sum", b"1")])])),
        malformed("8.1", "fields in the middle", then(&[post(1), trailers(0, &[("x-sum", b"1")])])),
        refused("8.2.1", "a value that begins with a space", more(&[("x-test", b" ok")])),
        refused("8.2.1", "a value that ends with a tab", more(&[("x-test", b"ok\t")])),
        refused("8.3.1", "a host that is not :authority", more(&[("host", b"other.example")])),
        // The library drops it, and with it what the rule is about.
        fine("8.1", "a pseudo field in trailers", then(&[post(1), trailers(h2::END_STREAM, &[method])])),
        malformed(
            "8.1.1",
            "a length that is not the body's",
            then(&[
                frame(
                    h2::HEADERS,
                    h2::END_HEADERS,
                    1,
                    &block("POST", "/public/x", &[("content-length", b"1")]),
                ),
                frame(h2::DATA, h2::END_STREAM, 1, b"test"),
            ]),
        ),
        malformed(
            "8.1.1",
            "a length that is not that of several pieces",
            then(&[
                frame(
                    h2::HEADERS,
                    h2::END_HEADERS,
                    1,
                    &block("POST", "/public/x", &[("content-length", b"1")]),
                ),
                frame(h2::DATA, 0, 1, b"test"),
                frame(h2::DATA, h2::END_STREAM, 1, b"test"),
            ]),
        ),
        fine("8.3.1", "OPTIONS", frame(h2::HEADERS, WHOLE, 1, &block("OPTIONS", "/public/x", &[]))),
        Case("8.5", "CONNECT", with(&[(":method", b"CONNECT"), authority]), Must::Answer(405)),
        Case(
            "8.8",
            "HEAD",
            frame(h2::HEADERS, WHOLE, 1, &block("HEAD", "/public/x", &[])),
            Must::Answer(200),
        ),
        fine("8.4", "an answer is no push", then(&[get(1, "/public/x"), get(3, "/public/x")])),
    ]);
}

/// Section 8.2.3: a client may send each cookie as a field of its own; one of HTTP/1 may only be sent one field.
#[test]
fn z_16_cookies_in_pieces_are_put_together() {
    let app = TestApp::start();
    let mut connection = H2::connect(&app);
    let stream = connection
        .open(&fields("/public/x", &[("cookie", b"a=1"), ("x-y", b"z"), ("cookie", b"b=2; c=3")]), true);
    assert_eq!(connection.end_of(stream).status(), Some(200));
    assert_eq!(app.upstream().last().all("cookie"), ["a=1; b=2; c=3"]);
}

/// A body may end with a frame of nothing, and many clients end it like that. On HTTP/1 there must be one last chunk for it: a
/// second one would begin the next request on that connection, which may be anybody's.
#[test]
fn z_08_a_body_that_ends_with_nothing_ends_once() {
    let endings: [(&str, Frames<'_>); 6] = [
        ("nothing", &[(h2::END_STREAM, b"")]),
        ("nothing but padding", &[(h2::END_STREAM | PADDED, b"\x03\0\0\0")]),
        ("abc", &[(0, b"abc"), (h2::END_STREAM, b"")]),
        ("abc and padding", &[(0, b"abc"), (h2::END_STREAM | PADDED, b"\x02\0\0")]),
        ("nothing in between", &[(0, b"abc"), (0, b""), (0, b"def"), (h2::END_STREAM, b"")]),
        ("nothing twice", &[(0, b""), (h2::END_STREAM, b"")]),
    ];
    for (what, frames) in endings {
        let app = TestApp::start();
        let mut connection = H2::connect(&app);
        let stream = connection.next_stream();
        connection.burst(&post(stream));
        for (flags, payload) in frames {
            connection.send(h2::DATA, *flags, stream, payload);
        }
        assert_eq!(connection.end_of(stream).status(), Some(200), "{what}");
        app.await_nothing_in_flight();
        let next = connection.open(&fields("/public/next", &[]), true);
        assert_eq!(
            connection.end_of(next).status(),
            Some(200),
            "{what}: the next request on that connection"
        );
        let seen: Vec<_> = app.upstream().since(0).iter().map(|r| r.method.clone()).collect();
        assert_eq!(seen, ["POST", "GET"], "{what}");
        assert_eq!(app.upstream().connections(), 1, "{what}: on the same connection");
        app.upstream().assert_readings_agree(false);
    }
}
