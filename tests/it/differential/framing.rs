//! Payloads about where a body ends: lengths, transfer codings, chunks, trailers. Behind each body stands a second request,
//! which whoever finds another end reads as something else.

use super::{Payload, SECOND};

const BODY: &str = "hello";
/// The same in one chunk.
const CHUNKS: &str = "5\r\nhello\r\n0\r\n\r\n";

pub fn all() -> Vec<Payload> {
    [
        lengths(),
        two_lengths(),
        names_of_lengths(),
        codings(),
        names_of_codings(),
        two_codings(),
        both(),
        chunk_sizes(),
        chunk_ends(),
        trailers(),
        without_body(),
    ]
    .concat()
}

/// A POST with these field lines and this body, and a second request behind it.
fn post(what: &str, fields: impl AsRef<[u8]>, body: impl AsRef<[u8]>) -> Payload {
    let head = b"POST /public/first HTTP/1.1\r\nHost: localhost\r\n";
    Payload::new(what, [&head[..], fields.as_ref(), b"\r\n", body.as_ref(), SECOND.as_bytes()].concat())
}

fn lengths() -> Vec<Payload> {
    let values: [&[u8]; 38] = [
        b"5",
        b"+5",
        b"-5",
        b"05",
        b"0000000000000000000000005",
        b"5 ",
        b"5\t ",
        b"\t5",
        b"\x0b5",
        b"5\x0c",
        b"5\0",
        b"\xa05",
        b"5,5",
        b"5, 5",
        b"5,6",
        b"5,",
        b",5",
        b"5;5",
        b"0x5",
        b"0b101",
        b"5.0",
        b"5e0",
        b"5 5",
        b"5 six",
        b"five",
        b"5five",
        b"1_0",
        b"\"5\"",
        b"'5'",
        b"",
        b"   ",
        b"0",
        b"-0",
        b"4294967301",
        b"18446744073709551621",
        b"99999999999999999999",
        b"\xef\xbc\x95",
        b"1e1",
    ];
    let field = |value: &[u8]| [b"Content-Length: ", value, b"\r\n"].concat();
    values.iter().map(|v| post(&format!("length {:?}", String::from_utf8_lossy(v)), field(v), BODY)).collect()
}

fn two_lengths() -> Vec<Payload> {
    let pairs = [
        ("5", "5"),
        ("5", "6"),
        ("6", "5"),
        ("0", "5"),
        ("5", "0"),
        ("", "5"),
        ("5", ""),
        ("5", "05"),
        ("5", "x"),
    ];
    let fields = |(a, b)| format!("Content-Length: {a}\r\nContent-Length: {b}\r\n");
    let mut all: Vec<_> =
        pairs.iter().map(|p| post(&format!("two lengths {p:?}"), fields(*p), BODY)).collect();
    all.push(post("two lengths in two cases", "Content-Length: 5\r\nCONTENT-LENGTH: 0\r\n", BODY));
    all.push(post(
        "two lengths far apart",
        "Content-Length: 0\r\nX-A: 1\r\nX-B: 2\r\ncontent-length: 5\r\n",
        BODY,
    ));
    all
}

fn names_of_lengths() -> Vec<Payload> {
    let names: [&[u8]; 12] = [
        b"content-length",
        b"CoNtEnT-lEnGtH",
        b"Content-Length ",
        b"Content-Length\t",
        b" Content-Length",
        b"\tContent-Length",
        b"Content_Length",
        b"Content-Length\0",
        b"\0Content-Length",
        b"Content-Length\r",
        b"Content\xadLength",
        b"Content-Lengthy",
    ];
    let field = |name: &[u8]| [name, b": 5\r\n"].concat();
    names
        .iter()
        .map(|n| post(&format!("the length as {:?}", String::from_utf8_lossy(n)), field(n), BODY))
        .collect()
}

fn codings() -> Vec<Payload> {
    let values: [&[u8]; 34] = [
        b"chunked",
        b"Chunked",
        b"CHUNKED",
        b"chunked ",
        b"\tchunked",
        b"chunked\t",
        b"chunked,",
        b",chunked",
        b", chunked",
        b"chunked, chunked",
        b"chunked,identity",
        b"identity, chunked",
        b"identity",
        b"gzip, chunked",
        b"chunked, gzip",
        b"chunked;q=1",
        b"chunked; a=b",
        b"\"chunked\"",
        b"'chunked'",
        b"(chunked)",
        b"xchunked",
        b"chunkedx",
        b"x-chunked",
        b"chunke",
        b"",
        b"\x0bchunked",
        b"\x0cchunked",
        b"\xa0chunked",
        b"chunked\0",
        b"\xffchunked",
        b"chun ked",
        b"trailers, chunked",
        b"chunked/1.1",
        b"chunk\x65d",
    ];
    let field = |value: &[u8]| [b"Transfer-Encoding: ", value, b"\r\n"].concat();
    values
        .iter()
        .map(|v| post(&format!("coding {:?}", String::from_utf8_lossy(v)), field(v), CHUNKS))
        .collect()
}

fn names_of_codings() -> Vec<Payload> {
    let lines: [&[u8]; 14] = [
        b"transfer-encoding: chunked",
        b"Transfer-Encoding:chunked",
        b"Transfer-Encoding : chunked",
        b"Transfer-Encoding\t: chunked",
        b" Transfer-Encoding: chunked",
        b"Transfer_Encoding: chunked",
        b"Transfer-Encoding\0: chunked",
        b"Transfer Encoding: chunked",
        b"X-Transfer-Encoding: chunked",
        b"TE: chunked",
        b"Transfer-Encoding:\r\n chunked",
        b"Transfer-Encoding: identity\r\n , chunked",
        b"X-A: b\rTransfer-Encoding: chunked",
        b"X-A: b\nTransfer-Encoding: chunked",
    ];
    let fields = |line: &[u8]| [line, b"\r\n"].concat();
    lines
        .iter()
        .map(|l| post(&format!("the coding as {:?}", String::from_utf8_lossy(l)), fields(l), CHUNKS))
        .collect()
}

fn two_codings() -> Vec<Payload> {
    let pairs = [
        ("chunked", "chunked"),
        ("chunked", "identity"),
        ("identity", "chunked"),
        ("", "chunked"),
        ("chunked", ""),
        ("gzip", "chunked"),
        ("chunked", "x"),
        ("x", "chunked"),
    ];
    let fields = |(a, b)| format!("Transfer-Encoding: {a}\r\nTransfer-Encoding: {b}\r\n");
    pairs.iter().map(|p| post(&format!("two codings {p:?}"), fields(*p), CHUNKS)).collect()
}

fn both() -> Vec<Payload> {
    let (first, second) = ("Content-Length: ", "Transfer-Encoding: chunked\r\n");
    let mut all = Vec::new();
    for length in ["4", "5", "15", "0", "-1", "", "999"] {
        all.push(post(
            &format!("length {length:?} and coding"),
            format!("{first}{length}\r\n{second}"),
            CHUNKS,
        ));
        all.push(post(
            &format!("coding and length {length:?}"),
            format!("{second}{first}{length}\r\n"),
            CHUNKS,
        ));
    }
    for coding in ["identity", "xchunked", "\x0bchunked", "chunked;x"] {
        let fields = format!("{first}15\r\nTransfer-Encoding: {coding}\r\n");
        all.push(post(&format!("length and coding {coding:?}"), fields, CHUNKS));
    }
    for (what, fields) in [
        ("a coding", "Transfer-Encoding: chunked\r\n"),
        ("a coding to keep", "Connection: keep-alive\r\nTransfer-Encoding: chunked\r\n"),
        ("a length to keep", "Connection: keep-alive\r\nContent-Length: 15\r\n"),
        ("both", "Connection: keep-alive\r\nContent-Length: 15\r\nTransfer-Encoding: chunked\r\n"),
    ] {
        let head = format!("POST /public/first HTTP/1.0\r\nHost: localhost\r\n{fields}\r\n{CHUNKS}{SECOND}");
        all.push(Payload::new(&format!("{what} in HTTP/1.0"), head));
    }
    all
}

/// With `Transfer-Encoding: chunked`.
fn chunked(what: &str, body: impl AsRef<[u8]>) -> Payload {
    post(what, "Transfer-Encoding: chunked\r\n", body)
}

fn chunk_sizes() -> Vec<Payload> {
    let sizes: [&[u8]; 32] = [
        b"5",
        b"05",
        b"0000000000000005",
        b"00000000000000000000000000000005",
        b"+5",
        b"-5",
        b"0x5",
        b"5h",
        b" 5",
        b"5 ",
        b"5\t",
        b"\t5",
        b"5 5",
        b"5_",
        b"0_5",
        b"5\x0b",
        b"5\0",
        b"\xa05",
        b"five",
        b"",
        b"5;",
        b"5;a",
        b"5;a=b",
        b"5;a=\"b\"",
        b"5;a=\"\n\"",
        b"5 ;a",
        b"5;a\rb",
        b"5;a\nb",
        b"100000005",
        b"10000000000000005",
        b"FFFFFFFFFFFFFFFF",
        b"5,5",
    ];
    let body = |size: &[u8]| [size, b"\r\nhello\r\n0\r\n\r\n"].concat();
    sizes.iter().map(|s| chunked(&format!("chunk size {:?}", String::from_utf8_lossy(s)), body(s))).collect()
}

fn chunk_ends() -> Vec<Payload> {
    [
        ("a size that ends in LF", "5\nhello\r\n0\r\n\r\n"),
        ("a size that ends in CR", "5\rhello\r\n0\r\n\r\n"),
        ("a size that ends in CRCRLF", "5\r\r\nhello\r\n0\r\n\r\n"),
        ("a chunk that ends in LF", "5\r\nhello\n0\r\n\r\n"),
        ("a chunk that ends in CR", "5\r\nhello\r0\r\n\r\n"),
        ("a chunk without an end", "5\r\nhello0\r\n\r\n"),
        ("a chunk longer than said", "5\r\nhello!\r\n0\r\n\r\n"),
        ("a chunk with two ends", "5\r\nhello\r\n\r\n0\r\n\r\n"),
        ("a chunk that ends in other letters", "5\r\nhelloab0\r\n\r\n"),
        ("the last in LF", "5\r\nhello\r\n0\n\n"),
        ("the last in LF and CRLF", "5\r\nhello\r\n0\n\r\n"),
        ("the last in CRLF and LF", "5\r\nhello\r\n0\r\n\n"),
        ("the last with many zeros", "5\r\nhello\r\n00000000\r\n\r\n"),
        ("the last as -0", "5\r\nhello\r\n-0\r\n\r\n"),
        ("the last with an extension", "5\r\nhello\r\n0;a=b\r\n\r\n"),
        ("no last", "5\r\nhello\r\n"),
        ("nothing at all", "0\r\n\r\n"),
        ("two in a row", "2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n"),
        ("a line before the first", "\r\n5\r\nhello\r\n0\r\n\r\n"),
        ("LF throughout", "5\nhello\n0\n\n"),
    ]
    .iter()
    .map(|(what, body)| chunked(&format!("chunks: {what}"), body))
    .collect()
}

fn trailers() -> Vec<Payload> {
    [
        "X-Sum: 1",
        "Content-Length: 50",
        "Transfer-Encoding: chunked",
        "Host: b",
        "X-Sum 1",
        ": x",
        " x: 1",
        "X-Sum: 1\r\n X-More: 2",
        "X-Sum: a\nX-More: 2",
        "GET /public/third HTTP/1.1",
        "X-Auth-User-Id: 1",
        "x\0: 1",
    ]
    .iter()
    .map(|line| chunked(&format!("trailer {line:?}"), format!("5\r\nhello\r\n0\r\n{line}\r\n\r\n")))
    .collect()
}

/// Bodies where few expect them, and none where one is said.
fn without_body() -> Vec<Payload> {
    let mut all = Vec::new();
    for method in ["GET", "HEAD", "DELETE", "OPTIONS", "PUT", "PATCH"] {
        for (what, fields, body) in [
            ("a length", "Content-Length: 5\r\n", BODY),
            ("chunks", "Transfer-Encoding: chunked\r\n", CHUNKS),
            ("neither", "", ""),
        ] {
            let head =
                format!("{method} /public/first HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n{body}{SECOND}");
            all.push(Payload::new(&format!("{method} with {what}"), head));
        }
    }
    let short = "POST /public/first HTTP/1.1\r\nHost: localhost\r\nContent-Length: 50\r\n\r\nhello";
    all.push(Payload::new("a body that ends too soon", short));
    all.push(Payload::new(
        "a body in an unknown method",
        format!("{}{SECOND}", short.replace("POST", "POKE").replace("50", "5")),
    ));
    all
}
