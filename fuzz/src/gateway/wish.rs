//! Requests made of pieces that matter, whole or broken, cut into chunks anywhere.

use arbitrary::{Result, Unstructured};

use super::stage::Person;

pub const METHODS: [&str; 8] = ["GET", "GET", "POST", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE"];
const PATHS: [&str; 22] = [
    "/public",
    "/public/semi",
    "/api",
    "/admin",
    "/mfa",
    "/ws",
    "/auth",
    "/x",
    "/a",
    "/B",
    "/.",
    "/..",
    "/%2e%2e",
    "/%61dmin",
    "/",
    ";x",
    "%2f",
    "%5c",
    "%25",
    "%23",
    "\\",
    "%c3%a9",
];
pub const HOSTS: [&str; 6] = ["localhost", "LOCALHOST:8080", "evil.example", "[::1]:80", "", "a, b"];
const HARMLESS: usize = 30;
/// Those that mean no harm to any connection come first, then those that do on HTTP/2, then what no guard lets in.
pub const LINES: [&str; 44] = [
    "X-Auth-User-Id: 1",
    "X-Auth-Roles: admin",
    "x_auth_roles: admin",
    "X.Auth.Session: 1",
    "X-AUTH-ASSERTION: a.b.c",
    "Remote-User: root",
    "X-Forwarded-User: root",
    "X-Forwarded-For: 127.0.0.1",
    "X-Forwarded-Host: evil",
    "X-Forwarded-Proto: https",
    "Forwarded: for=127.0.0.1",
    "X-Request-Id: 1",
    "X-Original-URL: /admin",
    "X-HTTP-Method-Override: DELETE",
    "Connection: close",
    "Connection: keep-alive",
    "Connection: Upgrade",
    "Keep-Alive: timeout=5",
    "Proxy-Connection: keep-alive",
    "TE: trailers, deflate",
    "Trailer: X-Auth-Roles",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Version: 13",
    "Accept: text/html",
    "Sec-Fetch-Mode: navigate",
    "Sec-Fetch-Dest: document",
    "Content-Type: application/json",
    "Authorization: Basic dTpw",
    "Cookie: sid=1; b=\"2\"; c=Z\u{fc}rich",
    "Max-Forwards: 0",
    "Connection: X-Auth-User-Id, Host, Content-Length",
    "Connection: Cookie, Authorization, close",
    "Upgrade: websocket",
    "Upgrade: h2c",
    "HTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA",
    "Expect: 100-continue",
    "Authorization: Bearer",
    "Transfer-Encoding: chunked",
    "Transfer-Encoding: gzip, chunked",
    "Transfer-Encoding:\u{b}chunked",
    "Content-Length: 4",
    "Content-Length : 4",
    " folded",
    "Host: localhost",
];

/// What is sent, piece after piece.
pub fn chunks(u: &mut Unstructured<'_>, people: &[Person]) -> Result<Vec<Vec<u8>>> {
    pieces(u, (4, 6), |u| request(u, people))
}

/// At most so many of what `make` makes, a few of them broken or cut, and one time in so many in one piece with the one
/// before.
pub fn pieces<'u>(
    u: &mut Unstructured<'u>,
    (most, joined): (u8, u8),
    mut make: impl FnMut(&mut Unstructured<'u>) -> Result<Vec<u8>>,
) -> Result<Vec<Vec<u8>>> {
    let mut chunks: Vec<Vec<u8>> = Vec::new();
    for _ in 0..u.int_in_range(1..=most)? {
        let mut bytes = make(u)?;
        if rarely(u, 8)? {
            let at = u.choose_index(bytes.len().max(1))?;
            bytes.splice(at..at, u.arbitrary::<&[u8]>()?.iter().copied());
        }
        if rarely(u, 8)? && bytes.len() > 1 {
            let at = u.choose_index(bytes.len())?;
            let rest = bytes.split_off(at);
            chunks.extend([bytes, rest]);
        } else if rarely(u, joined)? && !chunks.is_empty() {
            chunks.last_mut().expect("not empty").extend(bytes);
        } else {
            chunks.push(bytes);
        }
    }
    Ok(chunks)
}

/// One time in so many; never once the input is used up.
pub fn rarely(u: &mut Unstructured<'_>, times: u8) -> Result<bool> {
    Ok(u.int_in_range(1..=times)? == times)
}

fn request(u: &mut Unstructured<'_>, people: &[Person]) -> Result<Vec<u8>> {
    if rarely(u, 12)? {
        return Ok(u.arbitrary::<&[u8]>()?.to_vec());
    }
    if !rarely(u, 2)? {
        return tame(u, people);
    }
    let mut bytes =
        format!("{} {} HTTP/1.{}\r\n", u.choose(&METHODS)?, target(u)?, u8::from(!rarely(u, 16)?));
    let host = if rarely(u, 6)? { *u.choose(&HOSTS)? } else { "localhost" };
    if !rarely(u, 20)? {
        bytes.push_str(&format!("Host: {host}\r\n"));
    }
    bytes.push_str(&credentials(u, people)?);
    for _ in 0..u.int_in_range(0..=4)? {
        bytes.push_str(u.choose(&LINES)?);
        bytes.push_str(if rarely(u, 24)? { "\n" } else { "\r\n" });
    }
    let mut bytes = bytes.into_bytes();
    if rarely(u, 8)? {
        bytes.extend_from_slice(u.arbitrary::<&[u8]>()?);
        bytes.extend_from_slice(b"\r\n");
    }
    body(u, &mut bytes)?;
    Ok(bytes)
}

/// A request that gets past the guard, mostly, so that more depends on who asks for what.
fn tame(u: &mut Unstructured<'_>, people: &[Person]) -> Result<Vec<u8>> {
    let target = tame_target(u)?;
    let mut bytes = format!("{} {target} HTTP/1.1\r\nHost: localhost\r\n", u.choose(&METHODS[..7])?);
    bytes.push_str(&credentials(u, people)?);
    for _ in 0..u.int_in_range(0..=2)? {
        bytes.push_str(u.choose(&LINES[..HARMLESS])?);
        bytes.push_str("\r\n");
    }
    let inside: &[u8] = if rarely(u, 3)? { u.arbitrary()? } else { b"" };
    let mut bytes = bytes.into_bytes();
    match u.int_in_range(0..=2)? {
        0 => bytes.extend_from_slice(b"\r\n"),
        1 => {
            bytes.extend_from_slice(format!("Content-Length: {}\r\n\r\n", inside.len()).as_bytes());
            bytes.extend_from_slice(inside);
        }
        _ => {
            bytes.extend_from_slice(b"Transfer-Encoding: chunked\r\n\r\n");
            for piece in inside.chunks(5) {
                bytes.extend_from_slice(format!("{:x}\r\n", piece.len()).as_bytes());
                bytes.extend([piece, b"\r\n"].concat());
            }
            bytes.extend_from_slice(b"0\r\n\r\n");
        }
    }
    Ok(bytes)
}

/// A target that rules know.
pub fn tame_target(u: &mut Unstructured<'_>) -> Result<String> {
    let place = u.choose(&["/public", "/api", "/admin", "/mfa", "/ws", "/public/semi"])?;
    let rest = u.choose(&["", "/", "/x", "/a%41", "/%c3%a9?q=/admin", "/A", "/.x", "/x;y", "/%2561", "?"])?;
    Ok(format!("{place}{rest}"))
}

/// A target of pieces that matter.
pub fn target(u: &mut Unstructured<'_>) -> Result<String> {
    let mut target = String::new();
    if rarely(u, 24)? {
        target.push_str("http://localhost");
    }
    for _ in 0..u.int_in_range(1..=4)? {
        target.push_str(u.choose(&PATHS)?);
    }
    if rarely(u, 4)? {
        target.push_str(u.choose(&["?", "?a=/admin", "?a%20b", "?#", "#/public", "?x=%00", "?\u{e9}"])?);
    }
    if rarely(u, 12)? {
        target.push_str(u.arbitrary::<&str>()?);
    }
    Ok(target)
}

/// Lines that say who asks, or who else.
pub fn credentials(u: &mut Unstructured<'_>, people: &[Person]) -> Result<String> {
    let mut text = String::new();
    for _ in 0..u.int_in_range(0..=2)? {
        let person = u.choose(people)?;
        let (access, refresh) = (&person.access, &person.refresh);
        text.push_str(&match u.int_in_range(0..=7)? {
            0..=2 => format!("Authorization: Bearer {access}\r\n"),
            3 => format!("authorization: bEARER  {access} \r\n"),
            4 => format!("Cookie: a=1; stagedoor_access={access}; b=2\r\n"),
            5 => format!("Cookie: stagedoor_access={access}; stagedoor_refresh={refresh}\r\n"),
            6 => format!("Cookie: stagedoor_refresh={refresh}\r\n"),
            _ => format!("X-Auth-Assertion: {access}\r\n"),
        });
    }
    Ok(text)
}

fn body(u: &mut Unstructured<'_>, bytes: &mut Vec<u8>) -> Result<()> {
    let inside: &[u8] = match u.int_in_range(0..=4)? {
        0 | 1 => b"",
        2 => b"hello",
        3 => b"GET /admin/smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n",
        _ => u.arbitrary()?,
    };
    match u.int_in_range(0..=7)? {
        0..=2 => bytes.extend_from_slice(b"\r\n"),
        3 | 4 => {
            let wrong = i64::from(rarely(u, 8)?) * u.int_in_range(-2..=9)?;
            let length = i64::try_from(inside.len()).unwrap_or(0) + wrong;
            bytes.extend_from_slice(format!("Content-Length: {length}\r\n\r\n").as_bytes());
            bytes.extend_from_slice(inside);
        }
        5 => bytes.extend_from_slice(inside),
        _ => {
            bytes.extend_from_slice(b"Transfer-Encoding: chunked\r\n\r\n");
            chunked(u, inside, bytes)?;
        }
    }
    Ok(())
}

fn chunked(u: &mut Unstructured<'_>, inside: &[u8], bytes: &mut Vec<u8>) -> Result<()> {
    let extension = if rarely(u, 8)? { *u.choose(&[";a=b", " ", ";\n", "\r", ";a=\"\r\n\""])? } else { "" };
    for piece in inside.chunks(7) {
        bytes.extend_from_slice(format!("{:x}{extension}\r\n", piece.len()).as_bytes());
        bytes.extend_from_slice(piece);
        bytes.extend_from_slice(if rarely(u, 24)? { b"\n" } else { b"\r\n" });
    }
    let end = if rarely(u, 8)? {
        *u.choose(&[
            "0\r\nX-Auth-Roles: admin\r\n\r\n",
            "0\n\n",
            "00\r\n\r\n",
            "0x0\r\n\r\n",
            "-1\r\n\r\n",
            "0;x\r\n\r\n",
        ])?
    } else {
        "0\r\n\r\n"
    };
    bytes.extend_from_slice(end.as_bytes());
    Ok(())
}
