//! `Transfer-Encoding`: what it may say, how often, and under which name.

use super::{SMUGGLED, post, stage};

const CHUNKS: &str = "5\r\nhello\r\n0\r\n\r\n";

#[test]
fn s_10_chunked_alone_is_a_coding() {
    let app = stage();
    let odd: [(&[u8], u16); 20] = [
        (b",chunked", 501),
        (b"chunked,", 501),
        (b"\x0bchunked", 400),
        (b"chunked\x0c", 400),
        (b"\xa0chunked\xa0", 501),
        (b"\xffchunked", 501),
        (b"chunked;a", 501),
        (b"chunked;q=1", 501),
        (b"\"chunked\"", 501),
        (b"'chunked'", 501),
        (b"xchunked", 501),
        (b"chunkedx", 501),
        (b"chunked, identity", 501),
        (b"identity", 501),
        (b"identity, chunked", 501),
        (b"gzip, chunked", 501),
        (b"gzip", 501),
        (b"chunked, chunked", 501),
        (b"chunked chunked", 501),
        (b"", 501),
    ];
    for (value, status) in odd {
        let line = [b"Transfer-Encoding: ", value, b"\r\n"].concat();
        app.case(None, post(&line, format!("{CHUNKS}{SMUGGLED}"))).rejected_with(status);
        app.case(None, post(&line, format!("0\r\n\r\n{SMUGGLED}"))).rejected_with(status);
    }
    for value in ["chunked", "Chunked", "CHUNKED", "\t chunked \t"] {
        let seen = app.case(None, post(format!("Transfer-Encoding:{value}\r\n"), CHUNKS)).allowed();
        assert_eq!(seen.at_upstream().body, b"hello", "{value:?}");
        assert_eq!(seen.at_upstream().all("transfer-encoding"), ["chunked"], "{value:?}");
    }
}

#[test]
fn s_11_two_codings() {
    let app = stage();
    for lines in [
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nX: y\r\ntransfer-encoding: gzip\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding:\r\n",
    ] {
        app.case(None, post(lines, format!("{CHUNKS}{SMUGGLED}"))).rejected_with(400);
    }
    for first in ["identity", "gzip", ""] {
        let lines = format!("Transfer-Encoding: {first}\r\nTransfer-Encoding: chunked\r\n");
        app.case(None, post(lines, format!("{CHUNKS}{SMUGGLED}"))).rejected_with(501);
    }
}

#[test]
fn s_12_names_that_somebody_takes_for_it() {
    let app = stage();
    for lines in [
        &b"Transfer-Encoding : chunked\r\n"[..],
        b"Transfer-Encoding\t: chunked\r\n",
        b"X: y\r\n Transfer-Encoding: chunked\r\n",
        b" Transfer-Encoding: chunked\r\n",
        b"Transfer-Encoding\0: chunked\r\n",
        b"\0Transfer-Encoding: chunked\r\n",
        b"Transfer-\r\n Encoding: chunked\r\n",
        b"Transfer\r\n-Encoding: chunked\r\n",
        b"X: a\rTransfer-Encoding: chunked\r\n",
        b"X: a\nTransfer-Encoding: chunked\r\n",
        b"\rTransfer-Encoding: chunked\r\n",
        b"Transfer Encoding: chunked\r\n",
        b"Transfer-Encoding\xa0: chunked\r\n",
    ] {
        app.case(None, post(lines, format!("{CHUNKS}{SMUGGLED}"))).rejected_with(400);
        app.case(None, post([lines, b"Content-Length: 5\r\n"].concat(), "hello")).rejected_with(400);
    }
    // Taken for it by some: it goes no further, and the body is as long as `Content-Length` says.
    for name in ["Transfer_Encoding", "transfer.encoding", "TRANSFER~ENCODING", "Transfer-Encoding'"] {
        let lines = format!("{name}: chunked\r\nContent-Length: 5\r\n");
        let seen = app.case(None, post(lines, "hello")).allowed();
        assert_eq!(seen.at_upstream().body, b"hello");
        let head = String::from_utf8_lossy(&seen.at_upstream().head).to_lowercase();
        assert!(name.ends_with('\'') || !head.contains("chunked"), "{head}");
        // Without a length there is no body: what follows would be another request, and is dropped.
        let seen =
            app.case(None, post(format!("{name}: chunked\r\n"), format!("0\r\n\r\n{SMUGGLED}"))).allowed();
        assert_eq!(seen.at_upstream().body, b"");
        seen.closed();
    }
}
