//! Names and values of fields, and how much of them there may be.

use super::{SMUGGLED, post, stage};
use crate::support::{get, request};

fn with_line(line: &[u8]) -> Vec<u8> {
    [b"GET /public/x HTTP/1.1\r\nHost: localhost\r\n", line, b"\r\n\r\n"].concat()
}

#[test]
fn s_21_names_are_tokens() {
    let app = stage();
    for line in [
        &b": x"[..],
        b":",
        b"no colon",
        b"\xefoo: 1",
        b"Header\x85: 1",
        b"\x85: 1",
        b"(a): 1",
        b"a b: 1",
        b"a\tb: 1",
        b"a\0: 1",
        b"\"a\": 1",
        b"a/b: 1",
        b"a[0]: 1",
        b"a{: 1",
        b"a;b: 1",
        b"a@b: 1",
        b"\xc3\xa4: 1",
        b"GET /x HTTP/1.1",
    ] {
        app.case(None, with_line(line)).rejected_with(400);
        app.case(None, [with_line(line), SMUGGLED.into()].concat()).rejected_with(400);
    }
    app.case(None, "GET /public/x HTTP/1.1\r\n\tX: y\r\nHost: localhost\r\n\r\n").rejected_with(400);
    let every = "!#$%&'*+-.^_`|~azAZ09: fine";
    app.case(None, with_line(every.as_bytes())).allowed();
}

#[test]
fn s_22_values_have_no_control_bytes() {
    let app = stage();
    for byte in (0..0x20).chain([0x7f]).filter(|b| *b != b'\t') {
        for value in [&[b'a', byte, b'b'][..], &[byte], &[byte, b'a'], &[b'a', byte]] {
            app.case(None, with_line(&[b"X: ", value].concat())).rejected_with(400);
        }
    }
    // Latin-1 and UTF-8 are old, and mean nothing for framing.
    for value in [&b"\xe9"[..], b"\x80\xff", "é".as_bytes(), b"a\tb"] {
        let seen = app.case(None, with_line(&[b"X-Kept: ", value].concat())).allowed();
        let kept = seen.at_upstream().fields.iter().find(|(n, _)| n == "x-kept").expect("kept");
        assert_eq!(kept.1, value);
    }
}

#[test]
fn s_33_too_much_of_a_head() {
    let app = stage();
    let fields = |n: usize| (0..n).map(|i| format!("X-{i}: 1\r\n")).collect::<String>();
    let name = |n: usize| format!("{}: 1\r\n", "n".repeat(n));
    let value = |n: usize| format!("X: {}\r\n", "v".repeat(n));
    // Before any rule: the same where nobody may go, and for our own pages.
    for path in ["/public/x", "/admin/x", "/auth/login/", "/nothing"] {
        for lines in [fields(257), fields(1000), value(64 * 1024), name(64 * 1024), value(1024 * 1024)] {
            app.case(None, get(path, &lines)).rejected_with(431);
            app.case(None, request("POST", path, &lines, b"hello")).rejected_with(431);
        }
    }
    app.case(None, get("/public/x", &fields(99))).allowed();
    app.case(None, get("/public/x", &fields(100))).rejected_with(431);
    app.case(None, get("/public/x", &value(31 * 1024))).allowed();
    assert!(app.metric("stagedoor_denials_total", "too_many_fields") > 0);
    assert!(app.metric("stagedoor_denials_total", "head_too_large") > 0);
}

#[test]
fn s_33_a_megabyte_that_drips() {
    let app = stage();
    for path in ["/public/x", "/admin/x"] {
        let head = get(path, &format!("X: {}\r\n", "v".repeat(1024 * 1024)));
        let (first, rest) = head.split_at(33 * 1024);
        let mut client = app.connect();
        first.chunks(1024).for_each(|piece| {
            client.send(piece);
        });
        // Nobody waits for the rest of it.
        let answer = client.answer().expect("an answer");
        assert_eq!((answer.status, answer.json()["reason"].as_str()), (431, Some("head_too_large")));
        rest.chunks(16 * 1024).for_each(|piece| {
            client.send(piece);
        });
        assert!(client.is_closed());
    }
    assert_eq!(app.upstream().count(), 0);
}

#[test]
fn s_38_names_that_overflow_and_lengths_that_are_empty() {
    let app = stage();
    for length in [255, 256, 260, 270, 271, 300] {
        let name = format!("Content-Length0{}", "a".repeat(length - 15));
        assert_eq!(name.len(), length);
        for lines in [
            format!("{name}:\r\nContent-Length: 54\r\n"),
            format!("{name}: 0\r\nContent-Length: 54\r\n"),
            format!("Content-Length: 54\r\n{name}: 0\r\n"),
            format!("{}:\r\nContent-Length: 5\r\n", "x".repeat(length)),
        ] {
            app.case(None, post(lines, format!("hello{SMUGGLED}"))).rejected_with(400);
        }
    }
    let longest = format!("{}: 1\r\n", "x".repeat(254));
    app.case(None, get("/public/x", &longest)).allowed();
    for target in ["/public#/../admin", "/public/x#/../../admin", "/#", "/public?#"] {
        app.case(None, get(target, "")).rejected_with(400);
    }
    for line in [
        "Content-Length:\r\n",
        "Content-Length: \r\n",
        "Content-Length: \t\r\n",
        "Content-Length:\r\nContent-Length: 5\r\n",
    ] {
        app.case(None, post(line, format!("hello{SMUGGLED}"))).rejected_with(400);
        app.case(None, get("/public/x", line)).rejected_with(400);
    }
}
