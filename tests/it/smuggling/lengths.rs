//! Two lengths, odd lengths, and lengths where the version knows none.

use super::{SMUGGLED, post, stage};

#[test]
fn s_03_http_1_0_has_no_transfer_codings() {
    let app = stage();
    for (lines, status) in [
        ("Transfer-Encoding: identity, chunked\r\n", 501),
        ("Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n", 501),
        ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", 400),
        ("Transfer-Encoding: chunked\r\n", 400),
        ("Transfer-Encoding: chunked\r\nConnection: keep-alive\r\n", 400),
        ("Transfer-Encoding: chunked\r\nContent-Length: 5\r\nConnection: keep-alive\r\n", 400),
    ] {
        for path in ["/public", "/auth/token/", "/admin/x"] {
            let head = format!("POST {path} HTTP/1.0\r\nHost: localhost\r\n{lines}\r\n");
            app.case(None, format!("{head}0\r\n\r\n{SMUGGLED}")).rejected_with(status);
            app.case(None, format!("{head}5\r\nhello\r\n0\r\n\r\n")).rejected_with(status);
        }
    }
}

#[test]
fn s_05_a_length_beside_chunked() {
    let app = stage();
    for path in ["/public/x", "/api/x", "/auth/token/", "/auth/login/"] {
        for lines in [
            "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n",
            "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n",
            "Transfer-Encoding: chunked\r\nContent-Length: 0\r\n",
            "content-length: 4\r\nX: y\r\nTRANSFER-ENCODING: CHUNKED\r\n",
        ] {
            let head = format!("POST {path} HTTP/1.1\r\nHost: localhost\r\n{lines}\r\n");
            for body in ["0\r\n\r\n", "5c\r\n", "5\r\nhello\r\n0\r\n\r\n", ""] {
                let seen = app.case(None, format!("{head}{body}{SMUGGLED}")).rejected();
                assert_eq!(
                    (seen.answer().status, seen.answer().json()["reason"].as_str()),
                    (400, Some("two_lengths"))
                );
                seen.closed();
            }
        }
    }
}

#[test]
fn s_07_the_same_length_twice() {
    let app = stage();
    for lines in [
        "Content-Length: 5\r\nContent-Length: 5\r\n",
        "Content-Length: 5\r\nX: y\r\ncontent-length: 5\r\n",
        "Content-Length: 5, 5\r\n",
        "Content-Length: 5,5\r\n",
        "Content-Length: 0\r\nContent-Length: 0\r\n",
    ] {
        app.case(None, post(lines, format!("hello{SMUGGLED}"))).rejected_with(400);
    }
}

#[test]
fn s_08_lengths_that_differ() {
    let app = stage();
    for lines in [
        "Content-Length: 5\r\nContent-Length: 6\r\n",
        "Content-Length: 6\r\nContent-Length: 5\r\n",
        "Content-Length: 5, 6\r\n",
        "Content-Length: 0\r\nContent-Length: 54\r\n",
        "Content-Length: 5\r\nContent-Length: 5\r\nContent-Length: 6\r\n",
    ] {
        app.case(None, post(lines, format!("hello{SMUGGLED}"))).rejected_with(400);
    }
}

#[test]
fn s_09_lengths_that_are_no_numbers() {
    let app = stage();
    for value in [
        "+5",
        "-48",
        "5 5",
        "0x10",
        "010",
        "00",
        "1_0",
        "+1_0",
        "1Z",
        " ",
        "",
        "\r\nContent-Length: 5",
        "18446744073709551616",
        "9223372036854775808",
        "5,",
        ",5",
        "\u{ff15}",
        "5\u{a0}",
        "5.0",
        "5e0",
        "\"5\"",
        "5;",
        "five",
    ] {
        let line = format!("Content-Length: {value}\r\n");
        app.case(None, post(&line, format!("hello{SMUGGLED}"))).rejected_with(400);
        app.case(None, post(&line, "")).rejected_with(400);
    }
    for value in ["5", " 5", "5 ", "\t5\t"] {
        let seen = app.case(None, post(format!("Content-Length:{value}\r\n"), "hello")).allowed();
        assert_eq!(
            (seen.at_upstream().field("content-length").as_deref(), &*seen.at_upstream().body),
            (Some("5"), &b"hello"[..])
        );
    }
}
