//! How four different servers would cut a stream of bytes into requests (INV-1). Three were written apart from each other
//! and from the product on purpose, the fourth stands on httparse; what the gateway forwards must leave them nothing to
//! disagree about. Parsers in other languages: `outside`.

/// One reading of a whole connection.
type Reader = fn(&[u8]) -> Result<usize, String>;

/// The readings, by name.
pub const READERS: [(&str, Reader); 4] =
    [("strict", strict), ("lenient", lenient), ("old", old), ("httparse", by_httparse)];

/// RFC 9112 to the letter; anything odd is an error.
fn strict(mut bytes: &[u8]) -> Result<usize, String> {
    let mut count = 0;
    while !bytes.is_empty() {
        let end = position(bytes, b"\r\n\r\n").ok_or("a head that does not end")?;
        // Bytes above 0x7f may stand in values and mean nothing for the framing.
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        bytes = &bytes[end + 4..];
        let (mut length, mut chunked, mut hosts) = (None, false, 0);
        for (at, line) in head.split("\r\n").enumerate() {
            if line.contains(['\r', '\n', '\0']) {
                return Err(format!("a stray control character in {line:?}"));
            }
            if at == 0 {
                strict_request_line(line)?;
                continue;
            }
            let (name, value) = line.split_once(':').ok_or_else(|| format!("no colon in {line:?}"))?;
            if name.is_empty()
                || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
            {
                return Err(format!("the field name {name:?}"));
            }
            match name.to_ascii_lowercase().as_str() {
                "host" => hosts += 1,
                "content-length" if length.is_some() => return Err("two Content-Length".into()),
                "content-length" => length = Some(value.trim().parse::<usize>().map_err(|e| e.to_string())?),
                "transfer-encoding" if chunked || value.trim() != "chunked" => {
                    return Err(format!("TE {value:?}"));
                }
                "transfer-encoding" => chunked = true,
                _ => {}
            }
        }
        if hosts != 1 || (chunked && length.is_some()) {
            return Err(format!("{hosts} Host fields, or two lengths, in {head:?}"));
        }
        count += 1;
        bytes = if chunked { strict_chunks(bytes)? } else { tail(bytes, length.unwrap_or(0))? };
    }
    Ok(count)
}

fn strict_request_line(line: &str) -> Result<(), String> {
    let words: Vec<&str> = line.split(' ').collect();
    let fits = words.len() == 3
        && words[0].bytes().all(|b| b.is_ascii_uppercase())
        && words[1].starts_with('/')
        && words[1].bytes().all(|b| b.is_ascii_graphic() && b != b'#')
        && words[2] == "HTTP/1.1";
    if fits { Ok(()) } else { Err(format!("the request line {line:?}")) }
}

fn strict_chunks(mut bytes: &[u8]) -> Result<&[u8], String> {
    loop {
        let end = position(bytes, b"\r\n").ok_or("a chunk size that does not end")?;
        let size = std::str::from_utf8(&bytes[..end]).map_err(|e| e.to_string())?;
        let size = usize::from_str_radix(size, 16).map_err(|_| format!("the chunk size {size:?}"))?;
        bytes = tail(&bytes[end + 2..], size)?;
        bytes = bytes.strip_prefix(b"\r\n").ok_or("a chunk without its CRLF (or a trailer)")?;
        if size == 0 {
            return Ok(bytes);
        }
    }
}

/// A forgiving server: bare line feeds end lines, white space around names is dropped, blank lines before a request are
/// skipped, `chunked` anywhere in Transfer-Encoding wins, of several lengths the first counts.
fn lenient(bytes: &[u8]) -> Result<usize, String> {
    let mut at = 0;
    let mut count = 0;
    let line = |at: &mut usize| -> Option<String> {
        let end = bytes[*at..].iter().position(|b| *b == b'\n')? + *at;
        let text = String::from_utf8_lossy(&bytes[*at..end]).trim_end_matches('\r').to_owned();
        *at = end + 1;
        Some(text)
    };
    loop {
        let Some(first) = line(&mut at) else {
            return if at == bytes.len() { Ok(count) } else { Err("left-over bytes".into()) };
        };
        if first.is_empty() {
            continue;
        }
        count += 1;
        let (mut length, mut chunked) = (None, false);
        loop {
            let field = line(&mut at).ok_or("a head that does not end")?;
            if field.is_empty() {
                break;
            }
            let Some((name, value)) = field.split_once(':') else { continue };
            match name.trim().to_ascii_lowercase().replace('_', "-").as_str() {
                "content-length" => {
                    length = length.or(value.trim().trim_start_matches('+').parse::<usize>().ok());
                }
                "transfer-encoding" => chunked |= value.to_ascii_lowercase().contains("chunked"),
                _ => {}
            }
        }
        if !chunked {
            at += length.unwrap_or(0);
            continue;
        }
        loop {
            let size = line(&mut at).ok_or("a chunk size that does not end")?;
            let digits: String = size.trim().chars().take_while(char::is_ascii_hexdigit).collect();
            let size = usize::from_str_radix(&digits, 16).map_err(|e| e.to_string())?;
            at += size;
            if size == 0 {
                while line(&mut at).is_some_and(|trailer| !trailer.is_empty()) {}
                break;
            }
            line(&mut at).ok_or("a chunk without its end")?;
        }
    }
}

/// A server from before chunked was everywhere: Content-Length comes first, and of several the last counts.
fn old(mut bytes: &[u8]) -> Result<usize, String> {
    let mut count = 0;
    while !bytes.is_empty() {
        let end = position(bytes, b"\r\n\r\n").ok_or("a head that does not end")?;
        let head = bytes[..end].to_ascii_lowercase();
        bytes = &bytes[end + 4..];
        count += 1;
        let value = |name: &[u8]| -> Option<Vec<u8>> {
            let lines = head.split(|b| *b == b'\n').filter(|l| l.starts_with(name));
            lines.map(|l| l[name.len()..].trim_ascii().to_vec()).next_back()
        };
        bytes = if let Some(length) = value(b"content-length:") {
            let text = String::from_utf8(length).map_err(|e| e.to_string())?;
            tail(bytes, text.parse().map_err(|_| format!("the length {text:?}"))?)?
        } else if value(b"transfer-encoding:").as_deref() == Some(b"chunked") {
            let empty = bytes.starts_with(b"0\r\n\r\n").then_some(5);
            let end = empty.or_else(|| position(bytes, b"\r\n0\r\n\r\n").map(|at| at + 7));
            let end = end.ok_or("chunks that do not end")?;
            &bytes[end..]
        } else {
            bytes
        };
    }
    Ok(count)
}

/// What servers in Rust see: httparse for heads and sizes, Transfer-Encoding before Content-Length.
fn by_httparse(mut bytes: &[u8]) -> Result<usize, String> {
    let mut count = 0;
    while !bytes.is_empty() {
        let mut fields = [httparse::EMPTY_HEADER; 128];
        let mut request = httparse::Request::new(&mut fields);
        let httparse::Status::Complete(end) = request.parse(bytes).map_err(|e| e.to_string())? else {
            return Err("a head that does not end".into());
        };
        count += 1;
        let value = |name: &str| {
            let field = request.headers.iter().find(|f| f.name.eq_ignore_ascii_case(name))?;
            Some(String::from_utf8_lossy(field.value).into_owned())
        };
        let (chunked, length) = (value("transfer-encoding").is_some(), value("content-length"));
        bytes = &bytes[end..];
        if !chunked {
            let length = length.map_or(Ok(0), |l| l.parse()).map_err(|_| "the length")?;
            bytes = tail(bytes, length)?;
            continue;
        }
        loop {
            let Ok(httparse::Status::Complete((start, size))) = httparse::parse_chunk_size(bytes) else {
                return Err("a chunk size that is none".into());
            };
            bytes = tail(bytes, start + usize::try_from(size).map_err(|e| e.to_string())?)?;
            bytes = bytes.strip_prefix(b"\r\n").ok_or("a chunk without its CRLF (or a trailer)")?;
            if size == 0 {
                break;
            }
        }
    }
    Ok(count)
}

fn tail(bytes: &[u8], from: usize) -> Result<&[u8], String> {
    bytes.get(from..).ok_or_else(|| format!("a body that is {} bytes short", from - bytes.len()))
}

fn position(hay: &[u8], needle: &[u8]) -> Option<usize> {
    hay.windows(needle.len()).position(|w| w == needle)
}

#[test]
fn the_readers_can_disagree() {
    let counts = |bytes: &[u8]| READERS.map(|(_, read)| read(bytes).ok());
    let plain =
        b"GET /a HTTP/1.1\r\nHost: a\r\n\r\nPOST /b HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi";
    assert_eq!(counts(plain), [Some(2); 4]);
    let chunked = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n";
    assert_eq!(counts(chunked), [Some(1); 4]);
    let smuggled = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 39\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /x HTTP/1.1\r\nHost: a\r\nA: b\r\n\r\n";
    assert_eq!(counts(smuggled), [None, Some(2), Some(1), Some(2)]);
}
