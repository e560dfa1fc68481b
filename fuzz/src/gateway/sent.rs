//! What was sent on a connection of HTTP/1, read slowly: the requests that nobody can read in two ways, one after the
//! other.

use std::fmt;

use crate::raw_head::Head;

/// One request as it was sent.
pub struct Sent {
    pub method: String,
    pub path: String,
    pub query: Option<String>,
    /// Names in lower case.
    pub fields: Vec<(String, Vec<u8>)>,
    /// `None`: it does not end, or not in a way that everybody would agree on.
    pub body: Option<Vec<u8>>,
}

impl fmt::Debug for Sent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {:?}", self.method, self.path, self.query)?;
        self.fields.iter().try_for_each(|(n, v)| write!(f, "\n  {n}: {}", v.escape_ascii()))?;
        write!(f, "\n\n{:?}\n", self.body.as_ref().map(|b| b.escape_ascii().to_string()))
    }
}

impl Sent {
    /// The requests in `bytes`, up to the first that is none.
    pub fn all(mut bytes: &[u8]) -> Vec<Self> {
        let mut all = Vec::new();
        while let Some(end) = find(bytes, b"\r\n\r\n") {
            let Some(head) = Head::read(&bytes[..end]) else { break };
            bytes = &bytes[end + 4..];
            let mut sent = Self::of(&head);
            let body = sent.read_body(bytes);
            sent.body = body.map(|(body, _)| body);
            let rest = sent.read_body(bytes).map(|(_, rest)| rest);
            all.push(sent);
            let Some(rest) = rest else { break };
            bytes = rest;
        }
        all
    }

    /// Only the head.
    pub fn of(head: &Head<'_>) -> Self {
        let (path, query) = match head.target.split_once('?') {
            Some((path, query)) => (path, Some(query.to_owned())),
            None => (head.target, None),
        };
        let field = |(name, value): &(&str, &[u8])| (name.to_ascii_lowercase(), value.to_vec());
        Self {
            method: head.method.to_owned(),
            path: path.to_owned(),
            query,
            fields: head.fields.iter().map(field).collect(),
            body: None,
        }
    }

    /// All values of a field.
    pub fn values(&self, name: &str) -> Vec<&[u8]> {
        self.fields.iter().filter(|(n, _)| n == name).map(|(_, v)| v.as_slice()).collect()
    }

    /// The body and what is behind it.
    fn read_body<'b>(&self, bytes: &'b [u8]) -> Option<(Vec<u8>, &'b [u8])> {
        if !self.values("transfer-encoding").is_empty() {
            return chunks(bytes);
        }
        let length = match self.values("content-length").first() {
            Some(text) => std::str::from_utf8(text).ok()?.parse().ok()?,
            None => 0,
        };
        Some((bytes.get(..length)?.to_vec(), &bytes[length..]))
    }
}

/// RFC 9112 section 7.1, with extensions and trailers, which are dropped.
fn chunks(mut bytes: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut body = Vec::new();
    loop {
        let line = line(&mut bytes)?;
        let digits = line.iter().position(|b| !b.is_ascii_hexdigit()).unwrap_or(line.len());
        let size = usize::from_str_radix(std::str::from_utf8(&line[..digits]).ok()?, 16).ok()?;
        let extension = line[digits..].trim_ascii_start();
        if !(extension.is_empty() || extension.starts_with(b";")) {
            return None;
        }
        if size == 0 {
            while !self::line(&mut bytes)?.is_empty() {}
            return Some((body, bytes));
        }
        body.extend_from_slice(bytes.get(..size)?);
        bytes = bytes[size..].strip_prefix(b"\r\n")?;
    }
}

fn line<'b>(bytes: &mut &'b [u8]) -> Option<&'b [u8]> {
    let end = find(bytes, b"\r\n")?;
    let line = &bytes[..end];
    *bytes = &bytes[end + 2..];
    (!line.contains(&b'\n') && !line.contains(&b'\r')).then_some(line)
}

fn find(hay: &[u8], needle: &[u8]) -> Option<usize> {
    hay.windows(needle.len()).position(|w| w == needle)
}
