//! Bytes of HTTP/1.1 on a socket, read without any HTTP library: such a library would repair what these tests are about.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// How long a client waits for bytes that must come.
pub const PATIENCE: Duration = Duration::from_secs(8);

/// A field as it stood on the wire; the name in lower case.
pub type Field = (String, Vec<u8>);

/// Why no answer came.
#[derive(Debug, PartialEq, Eq, Clone)]
pub enum Silence {
    /// Closed or reset before a whole answer.
    Closed,
    /// Still open and silent after the time a client waits.
    TimedOut,
    /// Bytes that are no HTTP/1.1 answer.
    Garbage(Vec<u8>),
}

/// One answer.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub fields: Vec<Field>,
    pub body: Vec<u8>,
    /// The statuses of interim answers (1xx) before it.
    pub interim: Vec<u16>,
    /// Head and body as they came.
    pub raw: Vec<u8>,
}

impl Answer {
    /// The only value of a field; panics when there are several.
    pub fn field(&self, name: &str) -> Option<&str> {
        let mut all = self.all(name).into_iter();
        let first = all.next();
        assert!(all.next().is_none(), "the answer has `{name}` more than once");
        first
    }

    /// Every value of a field.
    pub fn all(&self, name: &str) -> Vec<&str> {
        let same = self.fields.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name));
        same.map(|(_, v)| std::str::from_utf8(v).expect("field values are text")).collect()
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("no JSON ({e}): {}", self.text()))
    }

    /// `name=value` of a `Set-Cookie` field.
    pub fn cookie(&self, name: &str) -> Option<String> {
        let pairs = self.all("set-cookie").into_iter().filter_map(|c| c.split(';').next()?.split_once('='));
        pairs.filter(|(n, _)| *n == name).map(|(_, v)| v.to_owned()).next_back()
    }
}

/// A client that sends exactly the bytes it is given.
pub struct RawClient {
    stream: TcpStream,
    pending: Vec<u8>,
}

impl RawClient {
    pub fn connect(to: SocketAddr) -> Self {
        Self::try_connect(to).expect("the gateway accepts")
    }

    /// The same where nobody may be there.
    pub fn try_connect(to: SocketAddr) -> std::io::Result<Self> {
        TcpStream::connect(to).map(Self::on)
    }

    /// From another address of this machine: all of 127.0.0.0/8 is.
    pub fn from(source: [u8; 4], to: SocketAddr) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().expect("a runtime");
        let stream = runtime.block_on(async {
            let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
            socket.bind((source, 0).into()).expect("an address of this machine");
            socket.connect(to).await.and_then(tokio::net::TcpStream::into_std)
        });
        let stream = stream.expect("somebody listens");
        stream.set_nonblocking(false).expect("blocking");
        Self::on(stream)
    }

    fn on(stream: TcpStream) -> Self {
        stream.set_nodelay(true).expect("no delay");
        stream.set_read_timeout(Some(PATIENCE)).expect("timeout");
        stream.set_write_timeout(Some(PATIENCE)).expect("timeout");
        Self { stream, pending: Vec::new() }
    }

    /// The socket itself, for what speaks TLS over it.
    pub fn into_stream(self) -> TcpStream {
        self.stream
    }

    /// Sends; a peer that has closed already is no error, its answer may still be read.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        let _ = self.try_send(bytes.as_ref());
        self
    }

    pub fn try_send(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// Resets the connection instead of closing it in an orderly way, where the system lets us: unread bytes make the
    /// kernel send RST.
    pub fn abort(self) {
        drop(self);
    }

    pub fn patience(&mut self, time: Duration) -> &mut Self {
        self.stream.set_read_timeout(Some(time)).expect("timeout");
        self
    }

    /// A second handle on the same connection, for a thread that reads while this one sends.
    pub fn split(&self) -> Self {
        Self { stream: self.stream.try_clone().expect("clone"), pending: Vec::new() }
    }

    /// Some bytes, whatever comes next; empty at the end.
    pub fn some(&mut self) -> Result<Vec<u8>, Silence> {
        if !self.pending.is_empty() {
            return Ok(std::mem::take(&mut self.pending));
        }
        let mut chunk = vec![0; 64 * 1024];
        let n = self.read(&mut chunk)?;
        chunk.truncate(n);
        Ok(chunk)
    }

    /// Exactly `n` bytes.
    pub fn exactly(&mut self, n: usize) -> Result<Vec<u8>, Silence> {
        while self.pending.len() < n {
            self.more()?;
        }
        Ok(self.pending.drain(..n).collect())
    }

    /// Bytes up to and with `end`.
    pub fn through(&mut self, end: &[u8]) -> Result<Vec<u8>, Silence> {
        let mut from = 0;
        loop {
            if let Some(at) = find(&self.pending[from..], end) {
                return Ok(self.pending.drain(..from + at + end.len()).collect());
            }
            from = self.pending.len().saturating_sub(end.len());
            self.more()?;
        }
    }

    /// The next final answer to a request with a method other than HEAD.
    pub fn answer(&mut self) -> Result<Answer, Silence> {
        self.answer_to("GET")
    }

    /// The next final answer to a request with this method.
    pub fn answer_to(&mut self, method: &str) -> Result<Answer, Silence> {
        let mut interim = Vec::new();
        loop {
            let mut answer = self.head()?;
            if (100..200).contains(&answer.status) && answer.status != 101 {
                interim.push(answer.status);
                continue;
            }
            answer.interim = interim;
            self.body_of(&mut answer, method)?;
            return Ok(answer);
        }
    }

    /// The next head alone, interim ones included; the body stays on the wire.
    pub fn head(&mut self) -> Result<Answer, Silence> {
        let raw = self.through(b"\r\n\r\n")?;
        parse_head(&raw).ok_or(Silence::Garbage(raw))
    }

    /// Whether the other side ends the connection without sending anything more.
    pub fn is_closed(&mut self) -> bool {
        if !self.pending.is_empty() {
            return false;
        }
        match self.more() {
            Err(Silence::Closed) => true,
            Err(_) | Ok(()) => false,
        }
    }

    /// Whether nothing has come and the connection is still open, right now.
    pub fn is_open_and_quiet(&mut self) -> bool {
        self.stream.set_nonblocking(true).expect("non-blocking");
        let mut one = [0; 1];
        let quiet = matches!(self.stream.peek(&mut one), Err(e) if e.kind() == ErrorKind::WouldBlock);
        self.stream.set_nonblocking(false).expect("blocking");
        quiet && self.pending.is_empty()
    }

    fn body_of(&mut self, answer: &mut Answer, method: &str) -> Result<(), Silence> {
        let bodiless = method == "HEAD" || matches!(answer.status, 101 | 204 | 304);
        if bodiless {
            return Ok(());
        }
        let chunked = answer.field("transfer-encoding").is_some_and(|v| v.eq_ignore_ascii_case("chunked"));
        let length = answer.field("content-length").map(|v| v.parse::<usize>().expect("a number"));
        assert!(!(chunked && length.is_some()), "an answer with two lengths");
        answer.body = match length {
            Some(n) => self.exactly(n)?,
            None if chunked => self.chunks()?,
            None => self.rest()?,
        };
        answer.raw.extend_from_slice(&answer.body);
        Ok(())
    }

    fn chunks(&mut self) -> Result<Vec<u8>, Silence> {
        let mut body = Vec::new();
        loop {
            let line = self.through(b"\r\n")?;
            let size =
                std::str::from_utf8(&line[..line.len() - 2]).ok().map(|l| l.split(';').next().unwrap_or(""));
            let Some(size) = size.and_then(|s| usize::from_str_radix(s, 16).ok()) else {
                return Err(Silence::Garbage(line));
            };
            if size == 0 {
                while self.through(b"\r\n")? != b"\r\n" {}
                return Ok(body);
            }
            body.extend(self.exactly(size)?);
            self.exactly(2)?;
        }
    }

    fn rest(&mut self) -> Result<Vec<u8>, Silence> {
        loop {
            match self.more() {
                Ok(()) => {}
                Err(Silence::Closed) => return Ok(std::mem::take(&mut self.pending)),
                Err(other) => return Err(other),
            }
        }
    }

    fn more(&mut self) -> Result<(), Silence> {
        let mut chunk = [0; 16 * 1024];
        let n = self.read(&mut chunk)?;
        if n == 0 {
            return Err(Silence::Closed);
        }
        self.pending.extend_from_slice(&chunk[..n]);
        Ok(())
    }

    fn read(&mut self, into: &mut [u8]) -> Result<usize, Silence> {
        match self.stream.read(into) {
            Ok(n) => Ok(n),
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                Err(Silence::TimedOut)
            }
            Err(_) => Err(Silence::Closed),
        }
    }
}

fn parse_head(raw: &[u8]) -> Option<Answer> {
    let text = raw.strip_suffix(b"\r\n\r\n")?;
    let mut lines = text.split(|b| *b == b'\n').map(|l| l.strip_suffix(b"\r").unwrap_or(l));
    let first = std::str::from_utf8(lines.next()?).ok()?;
    let status = first.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()?;
    let fields = lines.map(field).collect::<Option<Vec<_>>>()?;
    Some(Answer { status, fields, body: Vec::new(), interim: Vec::new(), raw: raw.to_vec() })
}

/// `name: value`.
pub fn field(line: &[u8]) -> Option<Field> {
    let colon = line.iter().position(|b| *b == b':')?;
    let name = std::str::from_utf8(&line[..colon]).ok()?.to_ascii_lowercase();
    Some((name, line[colon + 1..].trim_ascii().to_vec()))
}

/// Where `needle` begins.
pub fn find(hay: &[u8], needle: &[u8]) -> Option<usize> {
    hay.windows(needle.len()).position(|w| w == needle)
}

/// A request with `Host: localhost`, the extra field lines (each with its CRLF) and no body.
pub fn get(target: &str, extra: &str) -> Vec<u8> {
    request("GET", target, extra, b"")
}

/// A request with a body and its length; without a body there is no `Content-Length` on GET and HEAD.
pub fn request(method: &str, target: &str, extra: &str, body: &[u8]) -> Vec<u8> {
    let length = match method {
        "GET" | "HEAD" if body.is_empty() => String::new(),
        _ => format!("Content-Length: {}\r\n", body.len()),
    };
    let mut bytes =
        format!("{method} {target} HTTP/1.1\r\nHost: localhost\r\n{extra}{length}\r\n").into_bytes();
    bytes.extend_from_slice(body);
    bytes
}
