//! Payloads about the head: line ends, folds, names and values, request lines, hosts, targets, and what asks for another
//! protocol.

use super::{Payload, SECOND};

pub fn all() -> Vec<Payload> {
    [
        line_ends(),
        names(),
        values(),
        request_lines(),
        versions(),
        methods(),
        targets(),
        hosts(),
        expectations(),
        connections(),
        several(),
    ]
    .concat()
}

/// A GET with these field lines (without the last line end).
fn get(what: &str, fields: impl AsRef<[u8]>) -> Payload {
    let head = b"GET /public/first HTTP/1.1\r\nHost: localhost\r\n";
    Payload::new(what, [&head[..], fields.as_ref(), b"\r\n\r\n"].concat())
}

fn line(first: &str) -> Payload {
    Payload::new(&format!("line {first:?}"), format!("{first}\r\nHost: localhost\r\n\r\n"))
}

fn line_ends() -> Vec<Payload> {
    [
        "GET /public/first HTTP/1.1\nHost: localhost\n\n",
        "GET /public/first HTTP/1.1\nHost: localhost\r\n\r\n",
        "GET /public/first HTTP/1.1\r\nHost: localhost\n\r\n",
        "GET /public/first HTTP/1.1\r\nHost: localhost\r\n\n",
        "GET /public/first HTTP/1.1\rHost: localhost\r\r",
        "GET /public/first HTTP/1.1\r\nHost: localhost\rX-A: b\r\n\r\n",
        "GET /public/first HTTP/1.1\r\r\nHost: localhost\r\n\r\n",
        "GET /public/first HTTP/1.1\r\nHost: localhost\r\r\n\r\n",
        "GET /public/first HTTP/1.1\r\nHost: localhost\r\n\r\r\n",
        "GET /public/first HTTP/1.1\n\rHost: localhost\n\r\n\r",
        "\r\nGET /public/first HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "\r\n\r\n\r\nGET /public/first HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "\nGET /public/first HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "\rGET /public/first HTTP/1.1\r\nHost: localhost\r\n\r\n",
        " GET /public/first HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "\0GET /public/first HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "\u{feff}GET /public/first HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "GET /public/first HTTP/1.1\r\nHost: localhost\r\nX-A: b\r\n c\r\n\r\n",
        "GET /public/first HTTP/1.1\r\nHost: localhost\r\nX-A: b\r\n\tc\r\n\r\n",
        "GET /public/first HTTP/1.1\r\n X-A: b\r\nHost: localhost\r\n\r\n",
        "GET /public/first HTTP/1.1\r\nHost:\r\n localhost\r\n\r\n",
        "GET /public/first HTTP/1.1\r\nHost: localhost\r\nX-A: b\r\n \r\n\r\n",
        "GET /public/first HTTP/1.1\r\nHost: localhost\r\n \r\nX-A: b\r\n\r\n",
        "GET /public/first HTTP/1.1\r\nHost: localhost\r\nX-A:\r\n Content-Length: 5\r\n\r\nhello",
    ]
    .iter()
    .map(|bytes| Payload::new(&format!("ends {bytes:?}"), bytes))
    .collect()
}

fn names() -> Vec<Payload> {
    let lines: [&[u8]; 24] = [
        b": empty",
        b"no-colon",
        b"X A: b",
        b"X-A : b",
        b"X-A\t: b",
        b"X-A\x0b: b",
        b"X-\x80A: b",
        b"\xefX: b",
        b"X\x85: b",
        b"(X): b",
        b"X/A: b",
        b"X[A]: b",
        b"\"X\": b",
        b"X=A: b",
        b"X@A: b",
        b"{X}: b",
        b"X_A: b",
        b"X.A: b",
        b"X!#$%&'*+: b",
        b"X\0A: b",
        b"X\x7fA: b",
        b"=: b",
        b"X,A: b",
        b"X\\A: b",
    ];
    lines.iter().map(|l| get(&format!("name in {:?}", String::from_utf8_lossy(l)), l)).collect()
}

fn values() -> Vec<Payload> {
    let values: [&[u8]; 18] = [
        b"",
        b"   ",
        b"a\0b",
        b"a\x01b",
        b"a\x08b",
        b"a\x0bb",
        b"a\x0cb",
        b"a\x1bb",
        b"a\x7fb",
        b"a\tb",
        b"a\rb",
        b"a\x80b",
        b"\xc3\xa9",
        b"\xff\xfe",
        b"a: b: c",
        b"a, b;c=\"d",
        b"a\r",
        b"\x00",
    ];
    let field = |value: &[u8]| [b"X-A: ", value].concat();
    values.iter().map(|v| get(&format!("value {:?}", String::from_utf8_lossy(v)), field(v))).collect()
}

fn request_lines() -> Vec<Payload> {
    [
        "GET  /public/first HTTP/1.1",
        "GET /public/first  HTTP/1.1",
        "GET\t/public/first HTTP/1.1",
        "GET /public/first\tHTTP/1.1",
        "GET\x0b/public/first HTTP/1.1",
        "GET\x0c/public/first HTTP/1.1",
        "GET /public/first HTTP/1.1 ",
        "GET /public/first HTTP/1.1\t",
        "GET /public/first HTTP/1.1 x",
        "GET /public/first x HTTP/1.1",
        "GET /public/first",
        "GET",
        "GET ",
        "GET  HTTP/1.1",
        "/public/first HTTP/1.1",
        "GET /public/first HTTP /1.1",
        "GET /public/first HTTP/ 1.1",
        "GET /public/first\u{a0}HTTP/1.1",
        "GET/public/first HTTP/1.1",
        "GET: /public/first HTTP/1.1",
    ]
    .iter()
    .map(|first| line(first))
    .collect()
}

fn versions() -> Vec<Payload> {
    [
        "HTTP/1.0",
        "HTTP/1.2",
        "HTTP/1.9",
        "HTTP/0.9",
        "HTTP/2.0",
        "HTTP/3.0",
        "HTTP/1.10",
        "HTTP/01.1",
        "HTTP/1.01",
        "HTTP/1,1",
        "HTTP/1",
        "HTTP/1.",
        "HTTP/.1",
        "HTTP/11",
        "http/1.1",
        "Http/1.1",
        "HTTP/+1.1",
        "HTTP/1.1\0",
        "HTTP/-1.1",
        "HTTP/4294967297.1",
        "ICY/1.1",
        "HTTPS/1.1",
        "HTTP\\1.1",
        "HTTP/1.x",
    ]
    .iter()
    .map(|version| line(&format!("GET /public/first {version}")))
    .collect()
}

fn methods() -> Vec<Payload> {
    [
        "HEAD", "OPTIONS", "DELETE", "PUT", "PATCH", "get", "Get", "GeT", "CONNECT", "TRACE", "PRI",
        "PROPFIND", "PURGE", "M-SEARCH", "BREW", "G\0T", "G(T", "G\"T", "G=T", "GET,", "\u{47}ET",
        "G\u{c9}T", "QUERY", "SOURCE",
    ]
    .iter()
    .map(|method| line(&format!("{method} /public/first HTTP/1.1")))
    .collect()
}

fn targets() -> Vec<Payload> {
    [
        "*",
        "/",
        "//public/first",
        "/public//first",
        "/public/./first",
        "/public/../public/first",
        "/public/%2e%2e/public/x",
        "/public/%2Ffirst",
        "/public/first%00",
        "/public/first%",
        "/public/first%zz",
        "/public/first#fragment",
        "/public/first?",
        "/public/first?a=b&c",
        "/public/first?a?b",
        "/public/first?#",
        "/public\\first",
        "\\public\\first",
        "/public/first;a=b",
        "/public/f\u{e9}rst",
        "/public/first\x7f",
        "/public/first\x01",
        "/public/\"first\"",
        "/public/<first>",
        "/public/{first}",
        "/public/first|",
        "/public/first^",
        "/public/`first`",
        "public/first",
        "?public",
        "#public",
        "http://localhost/public/first",
        "HTTP://LOCALHOST/public/first",
        "http://other.example/public/first",
        "http://user@localhost/public/first",
        "http://localhost",
        "http:///public/first",
        "http:/public/first",
        "https://localhost/public/first",
        "ftp://localhost/public/first",
        "localhost:80",
        "localhost/public/first",
        "//localhost/public/first",
        "/public/http://localhost/",
        "/public/first HTTP/1.1",
        "/public/%70%75%62",
    ]
    .iter()
    .map(|target| line(&format!("GET {target} HTTP/1.1")))
    .collect()
}

fn hosts() -> Vec<Payload> {
    let fields = [
        "",
        "Host:",
        "Host: ",
        "Host:localhost",
        "Host:   localhost",
        "Host: localhost ",
        "host: localhost",
        "HOST: localhost",
        "Host : localhost",
        "Host\t: localhost",
        " Host: localhost",
        "Host: localhost\r\nHost: localhost",
        "Host: localhost\r\nHost: other.example",
        "Host: localhost, other.example",
        "Host: localhost other.example",
        "Host: localhost:80",
        "Host: localhost:",
        "Host: localhost:x",
        "Host: localhost:99999",
        "Host: localhost:80:80",
        "Host: [::1]",
        "Host: [::1]:80",
        "Host: [::1",
        "Host: ::1",
        "Host: user@localhost",
        "Host: http://localhost",
        "Host: localhost/public",
        "Host: localhost?",
        "Host: localhost#",
        "Host: local\thost",
        "Host: local\0host",
        "Host: loc\u{e4}lhost",
        "Host: localhost.",
        "Host: .localhost",
        "Host: local_host",
        "Host: *",
        "Host: %6cocalhost",
        "Host: localhost\\",
        "Host; localhost",
        "X-Forwarded-Host: localhost",
        "Host: \"localhost\"",
    ];
    let bytes = |field: &str| match field {
        "" => "GET /public/first HTTP/1.1\r\n\r\n".to_owned(),
        _ => format!("GET /public/first HTTP/1.1\r\n{field}\r\n\r\n"),
    };
    fields.iter().map(|f| Payload::new(&format!("host {f:?}"), bytes(f))).collect()
}

fn expectations() -> Vec<Payload> {
    let fields = [
        "Expect: 100-continue",
        "Expect: 100-Continue",
        "Expect:  100-continue ",
        "Expect: 100-continue, x",
        "Expect: x",
        "Expect:",
        "Expect: 100-continue\r\nExpect: 100-continue",
        "Expect: 100",
        "Expect : 100-continue",
    ];
    let post = |version: &str, field: &str| {
        format!(
            "POST /public/first HTTP/{version}\r\nHost: localhost\r\nContent-Length: 5\r\n{field}\r\n\r\nhello{SECOND}"
        )
    };
    let mut all: Vec<_> = fields.iter().map(|f| Payload::new(&format!("{f:?}"), post("1.1", f))).collect();
    all.push(Payload::new("an expectation in HTTP/1.0", post("1.0", "Expect: 100-continue")));
    all.push(get("an expectation without a body", "Expect: 100-continue"));
    all
}

fn connections() -> Vec<Payload> {
    [
        "Connection: close",
        "Connection: keep-alive",
        "Connection: Content-Length",
        "Connection: Transfer-Encoding",
        "Connection: Host",
        "Connection: close, x-a\r\nX-A: b",
        "Connection: close\r\nConnection: keep-alive",
        "Connection:",
        "Connection: ,,,close",
        "Proxy-Connection: keep-alive",
        "Keep-Alive: timeout=5",
        "Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABk",
        "Upgrade: h2c",
        "Upgrade: foo\r\nConnection: upgrade",
        "Upgrade: TLS/1.0, HTTP/1.1\r\nConnection: Upgrade",
        "Connection: Upgrade",
        "TE: trailers\r\nConnection: TE",
        "Trailer: Content-Length",
        "Max-Forwards: 0",
        "Via: 1.0 a, 1.1 b",
        "Range: bytes=0-1,2-3,4-5",
        "X-HTTP-Method-Override: DELETE",
        "Content-Encoding: gzip",
    ]
    .iter()
    .map(|fields| {
        let mut payload = get(&format!("{fields:?}"), fields);
        payload.bytes.extend_from_slice(SECOND.as_bytes());
        payload
    })
    .collect()
}

/// Several requests at once, and what is hardly one.
fn several() -> Vec<Payload> {
    let many = "x-y: z\r\n".repeat(150);
    let long = "y".repeat(40_000);
    [
        ("two", SECOND.repeat(2)),
        ("three", SECOND.repeat(3)),
        ("two with lines between", format!("{SECOND}\r\n\r\n{SECOND}")),
        ("one and half of another", format!("{SECOND}GET /public/th")),
        ("one and noise", format!("{SECOND}\0\0\0\0")),
        (
            "one behind a goodbye",
            format!("{}{SECOND}", SECOND.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n")),
        ),
        ("HTTP/0.9", "GET /public/first\r\n".to_owned()),
        ("HTTP/0.9 and another", format!("GET /public/first\r\n{SECOND}")),
        ("HTTP/1.0 without a host", "GET /public/first HTTP/1.0\r\n\r\n".to_owned()),
        ("HTTP/1.0 twice", SECOND.replace("HTTP/1.1", "HTTP/1.0").repeat(2)),
        (
            "HTTP/1.0 kept",
            SECOND
                .replace("HTTP/1.1", "HTTP/1.0")
                .replace("\r\n\r\n", "\r\nConnection: keep-alive\r\n\r\n")
                .repeat(2),
        ),
        ("many fields", SECOND.replace("\r\n\r\n", &format!("\r\n{many}\r\n"))),
        ("a long field", SECOND.replace("\r\n\r\n", &format!("\r\nX-Long: {long}\r\n\r\n"))),
        ("a long target", SECOND.replace("second", &long)),
        ("an answer", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".to_owned()),
        ("the preface of HTTP/2", format!("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n{SECOND}")),
        ("the PROXY protocol", format!("PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n{SECOND}")),
    ]
    .map(|(what, bytes)| Payload::new(what, bytes))
    .to_vec()
}
