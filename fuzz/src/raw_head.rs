//! The strict reading of request heads against two others: `httparse` (as Pingora uses it, and as forgiving as it gets)
//! and a slow one written here from the rules alone.

use std::path::Path;
use std::sync::LazyLock;

use httparse::{EMPTY_HEADER, ParserConfig, Request, Status};
use stagedoor::config;
use stagedoor::proxy::Limits;
use stagedoor::proxy::fuzzing::check_head;

/// Fields of one request, by default.
pub const FIELDS: usize = 100;

/// The default limits.
static LIMITS: LazyLock<Limits> = LazyLock::new(|| {
    let text = "server: { public_url: 'http://localhost:1' }\nupstreams: { a: { servers: ['http://127.0.0.1:2'] } }\n\
        roles: { user: { permissions: [a.b], registration: open, default: true } }\nroutes: [{ path: /**, upstream: a }]\n\
        rules: [{ path: /**, allow: public }]\nsecret: file:secret\n";
    let (settings, report) = config::parse(text, "fuzz.yaml", Path::new(""), &|_| None);
    settings.unwrap_or_else(|| panic!("{report}")).proxy.limits
});

/// Any bytes as a head: accepted if and only if the slow reading accepts them, and then everybody reads the same.
pub fn raw_head(data: &[u8]) {
    // The guard looks for the empty line first; what stands behind it is not part of the head.
    let Some(end) = data.windows(4).position(|w| w == b"\r\n\r\n") else { return };
    let head = &data[..end + 4];
    let accepted = check_head(head, &LIMITS);
    let read = Head::read(&head[..end]);
    assert_eq!(accepted.is_ok(), read.is_some(), "{accepted:?} for {:?}", String::from_utf8_lossy(head));
    let Some(read) = read else { return };
    assert_lines(head);
    read.assert_same_for(head, &ParserConfig::default());
    let mut forgiving = ParserConfig::default();
    forgiving
        .allow_multiple_spaces_in_request_line_delimiters(true)
        .allow_space_before_first_header_name(true)
        .ignore_invalid_headers_in_requests(true);
    read.assert_same_for(head, &forgiving);
}

/// No control characters but tabs, and no line that does not end in CRLF.
fn assert_lines(head: &[u8]) {
    for (at, b) in head.iter().enumerate() {
        let fits = match b {
            b'\r' => head.get(at + 1) == Some(&b'\n'),
            b'\n' => at > 0 && head[at - 1] == b'\r',
            b'\t' => true,
            b => *b >= 0x20 && *b != 0x7f,
        };
        assert!(fits, "byte {at} of {:?}", String::from_utf8_lossy(head));
    }
}

/// A head as it is meant to be read.
pub struct Head<'a> {
    pub method: &'a str,
    pub target: &'a str,
    minor: u8,
    pub fields: Vec<(&'a str, &'a [u8])>,
}

impl<'a> Head<'a> {
    /// `None` for whatever might be read in two ways. `head` is without its empty line.
    pub fn read(head: &'a [u8]) -> Option<Self> {
        let mut lines = Vec::new();
        let mut rest = head;
        while let Some(at) = rest.windows(2).position(|w| w == b"\r\n") {
            lines.push(&rest[..at]);
            rest = &rest[at + 2..];
        }
        lines.push(rest);
        let first = std::str::from_utf8(lines.remove(0)).ok()?;
        let words: Vec<&str> = first.split(' ').collect();
        let [method, target, version] = words[..] else { return None };
        let minor = ["HTTP/1.0", "HTTP/1.1"].iter().position(|v| *v == version)?;
        let fields = lines.into_iter().map(field).collect::<Option<Vec<_>>>()?;
        let head = Self { method, target, minor: u8::try_from(minor).ok()?, fields };
        (head.fields.len() <= FIELDS && head.has_one_meaning()).then_some(head)
    }

    /// The same for what came in pieces, as on HTTP/2; the host is one of the fields.
    pub fn of(method: &'a str, target: &'a str, fields: Vec<(&'a str, &'a [u8])>) -> Option<Self> {
        let fit = fields.iter().all(|(name, value)| is_field(name, value));
        let head = Self { method, target, minor: 1, fields };
        (fit && head.has_one_meaning()).then_some(head)
    }

    fn has_one_meaning(&self) -> bool {
        let known = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
        let visible = |c: char| c.is_ascii_graphic() && !"\"<>#".contains(c);
        // Libraries differ about a backtick in a path; browsers escape it there.
        let path = self.target.split('?').next().unwrap_or_default();
        known.contains(&self.method)
            && path.starts_with('/')
            && !path.contains('`')
            && self.target.chars().all(visible)
            && self.target.len() <= 16 * 1024
            && self.has_one_host()
            && self.has_one_length()
            && self.expects_little()
    }

    fn all(&self, name: &str) -> Vec<&'a [u8]> {
        self.fields.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| *v).collect()
    }

    fn has_one_host(&self) -> bool {
        let hosts = self.all("host");
        let host = hosts.first().and_then(|h| std::str::from_utf8(h).ok());
        hosts.len() == 1 && host.is_some_and(is_host)
    }

    fn has_one_length(&self) -> bool {
        let (lengths, codings) = (self.all("content-length"), self.all("transfer-encoding"));
        let number = |v: &[u8]| {
            let text = std::str::from_utf8(v).unwrap_or_default();
            // What a number prints is what was written: no signs, no zeros before it.
            text.parse::<u64>().is_ok_and(|n| n < 10u64.pow(18) && n.to_string() == text)
        };
        match (&lengths[..], &codings[..]) {
            ([], []) => true,
            ([length], []) => number(length),
            ([], [coding]) => self.minor == 1 && coding.eq_ignore_ascii_case(b"chunked"),
            _ => false,
        }
    }

    fn expects_little(&self) -> bool {
        let expected = self.all("expect");
        expected.iter().all(|e| e.eq_ignore_ascii_case(b"100-continue"))
            && (expected.is_empty() || self.minor == 1)
    }

    /// What `httparse` makes of the same bytes.
    fn assert_same_for(&self, head: &[u8], parser: &ParserConfig) {
        let mut fields = [EMPTY_HEADER; 128];
        let mut request = Request::new(&mut fields);
        let said = parser.parse_request(&mut request, head);
        assert_eq!(said, Ok(Status::Complete(head.len())), "{:?}", String::from_utf8_lossy(head));
        assert_eq!(request.method, Some(self.method));
        assert_eq!(request.path, Some(self.target));
        assert_eq!(request.version, Some(self.minor));
        let theirs: Vec<(&str, &[u8])> = request.headers.iter().map(|h| (h.name, trim(h.value))).collect();
        assert_eq!(theirs, self.fields);
    }
}

fn field(line: &[u8]) -> Option<(&str, &[u8])> {
    let colon = line.iter().position(|b| *b == b':')?;
    let name = std::str::from_utf8(&line[..colon]).ok()?;
    let value = trim(&line[colon + 1..]);
    is_field(name, value).then_some((name, value))
}

fn is_field(name: &str, value: &[u8]) -> bool {
    let token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    let plain = value.iter().all(|b| *b == b'\t' || (*b >= 0x20 && *b != 0x7f));
    // Longer names are nobody's.
    (1..=254).contains(&name.len()) && name.chars().all(token) && plain
}

fn trim(value: &[u8]) -> &[u8] {
    let blank = |b: &u8| *b == b' ' || *b == b'\t';
    let from = value.iter().position(|b| !blank(b)).unwrap_or(value.len());
    let to = value.iter().rposition(|b| !blank(b)).map_or(from, |at| at + 1);
    &value[from..to]
}

/// A name or an address, and perhaps a port.
fn is_host(text: &str) -> bool {
    let (name, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let Some((inner, port)) = rest.split_once(']') else { return false };
            if inner.parse::<std::net::Ipv6Addr>().is_err() {
                return false;
            }
            ("v6", port)
        }
        None => text.split_at(text.find(':').unwrap_or(text.len())),
    };
    let letters = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
    let name_fits = (1..=254).contains(&name.len()) && name.chars().all(letters);
    let port_fits = port.is_empty()
        || port.strip_prefix(':').is_some_and(|digits| {
            (1..=5).contains(&digits.len())
                && digits.chars().all(|c| c.is_ascii_digit())
                && digits.parse::<u32>().is_ok_and(|p| p < 65_536)
        });
    name_fits && port_fits
}
