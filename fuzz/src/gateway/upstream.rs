//! The application behind the gateway: reads requests strictly, keeps them and their bytes, and answers with a
//! number, in the head and in the body.

use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// What arrived since it was asked last.
#[derive(Default)]
pub struct Log {
    pub requests: Vec<Received>,
    /// The bytes of each connection, the number of whole requests in them, and whether there is more in them.
    pub wires: Vec<Wire>,
    answered: usize,
}

/// Bytes of one connection.
#[derive(Default, Clone)]
pub struct Wire {
    pub bytes: Vec<u8>,
    pub served: usize,
    /// Broken off or upgraded: the bytes are not a whole number of requests.
    pub irregular: bool,
}

/// A request as it arrived.
#[derive(Clone)]
pub struct Received {
    pub number: usize,
    pub method: String,
    pub target: String,
    pub fields: Vec<(String, Vec<u8>)>,
    pub body: Vec<u8>,
    /// Whether the whole body came.
    pub complete: bool,
}

impl fmt::Debug for Received {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} (number {}, complete: {})", self.method, self.target, self.number, self.complete)?;
        self.fields.iter().try_for_each(|(n, v)| write!(f, "\n  {n}: {}", v.escape_ascii()))?;
        write!(f, "\n\n{}\n", self.body.escape_ascii())
    }
}

impl Received {
    pub fn all(&self, name: &str) -> Vec<&[u8]> {
        self.fields.iter().filter(|(n, _)| n == name).map(|(_, v)| v.as_slice()).collect()
    }

    pub fn text(&self, name: &str) -> Option<String> {
        self.all(name).first().map(|v| String::from_utf8_lossy(v).into_owned())
    }
}

/// The upstream, on the runtime of whoever started it.
#[derive(Clone, Default)]
pub struct Upstream(Arc<Mutex<(Log, usize)>>);

impl Upstream {
    /// Listens and serves from now on.
    pub async fn start() -> (Self, SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let upstream = Self::default();
        let server = upstream.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(server.clone().serve(stream));
            }
        });
        (upstream, address)
    }

    /// All that arrived since the last call; connections go on with nothing kept.
    pub fn take(&self) -> Log {
        let mut inner = self.0.lock().expect("nobody panics here");
        let log = &mut inner.0;
        let kept = log.wires.iter().map(|w| Wire { irregular: w.irregular, ..Wire::default() }).collect();
        Log {
            requests: std::mem::take(&mut log.requests),
            wires: std::mem::replace(&mut log.wires, kept),
            answered: std::mem::take(&mut log.answered),
        }
    }

    /// Whether every request that arrived has been answered.
    pub fn is_idle(&self) -> bool {
        let inner = self.0.lock().expect("nobody panics here");
        inner.0.requests.len() == inner.0.answered
    }

    async fn serve(self, stream: TcpStream) {
        let place = self.with(|log, _| {
            log.wires.push(Wire::default());
            log.wires.len() - 1
        });
        let _ = stream.set_nodelay(true);
        let mut connection = Connection { upstream: self, stream, place, buf: Vec::new() };
        while connection.one().await.is_some() {}
        connection.upstream.with(|log, _| log.wires[place].irregular |= !connection.buf.is_empty());
    }

    fn with<T>(&self, work: impl FnOnce(&mut Log, &mut usize) -> T) -> T {
        let mut inner = self.0.lock().expect("nobody panics here");
        let (log, next) = &mut *inner;
        work(log, next)
    }
}

struct Connection {
    upstream: Upstream,
    stream: TcpStream,
    place: usize,
    buf: Vec<u8>,
}

impl Connection {
    async fn one(&mut self) -> Option<()> {
        let end = self.until(b"\r\n\r\n").await?;
        let head: Vec<u8> = self.buf.drain(..end + 4).collect();
        let (place, mut request) = (self.place, parse(&head[..end]));
        let upgraded = request.text("upgrade").is_some_and(|u| u.eq_ignore_ascii_case("websocket"));
        let at = self.upstream.with(|log, next| {
            *next += 1;
            request.number = *next;
            log.requests.push(request.clone());
            log.wires[place].irregular |= upgraded;
            log.requests.len() - 1
        });
        let number = request.number;
        let body = self.body(&request).await;
        self.upstream.with(|log, _| {
            // It is gone when the conversation ended meanwhile.
            if let Some(kept) = log.requests.get_mut(at).filter(|r| r.number == number) {
                kept.complete = body.is_some();
                kept.body = body.clone().unwrap_or_default();
            }
            log.wires[place].irregular |= body.is_none();
            log.wires[place].served += usize::from(body.is_some());
        });
        body?;
        if upgraded {
            let head = format!(
                "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nX-Upstream: {number}\r\n\r\n"
            );
            self.answer(&head).await?;
            while self.more().await.is_some() {}
            return None;
        }
        let whole = format!("upstream {number}.");
        let (length, body) = (whole.len(), if request.method == "HEAD" { "" } else { &whole });
        self.answer(&format!(
            "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nX-Upstream: {number}\r\n\r\n{body}"
        ))
        .await
    }

    async fn answer(&mut self, text: &str) -> Option<()> {
        let sent = self.stream.write_all(text.as_bytes()).await;
        self.upstream.with(|log, _| log.answered += 1);
        sent.ok()
    }

    async fn body(&mut self, request: &Received) -> Option<Vec<u8>> {
        if request.text("expect").is_some() {
            self.stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await.ok()?;
        }
        if request.text("transfer-encoding").is_none() {
            let length = request.text("content-length").and_then(|l| l.parse().ok()).unwrap_or(0);
            return self.take(length).await;
        }
        let mut body = Vec::new();
        loop {
            let end = self.until(b"\r\n").await?;
            let line: Vec<u8> = self.buf.drain(..end + 2).collect();
            let size = usize::from_str_radix(std::str::from_utf8(&line[..end]).ok()?, 16).ok()?;
            body.extend(self.take(size).await?);
            self.take(2).await?;
            if size == 0 {
                return Some(body);
            }
        }
    }

    async fn take(&mut self, n: usize) -> Option<Vec<u8>> {
        while self.buf.len() < n {
            self.more().await?;
        }
        Some(self.buf.drain(..n).collect())
    }

    async fn until(&mut self, end: &[u8]) -> Option<usize> {
        loop {
            if let Some(at) = self.buf.windows(end.len()).position(|w| w == end) {
                return Some(at);
            }
            self.more().await?;
        }
    }

    async fn more(&mut self) -> Option<()> {
        let from = self.buf.len();
        let n = self.stream.read_buf(&mut self.buf).await.ok().filter(|n| *n > 0)?;
        let (place, bytes) = (self.place, &self.buf[from..from + n]);
        self.upstream.with(|log, _| log.wires[place].bytes.extend_from_slice(bytes));
        Some(())
    }
}

fn parse(head: &[u8]) -> Received {
    let mut lines = head.split(|b| *b == b'\n').map(|l| l.strip_suffix(b"\r").unwrap_or(l));
    let first = String::from_utf8_lossy(lines.next().unwrap_or_default()).into_owned();
    let mut words = first.split(' ').map(str::to_owned);
    let field = |line: &[u8]| {
        let colon = line.iter().position(|b| *b == b':')?;
        let name = String::from_utf8_lossy(&line[..colon]).to_ascii_lowercase();
        Some((name, line[colon + 1..].trim_ascii().to_vec()))
    };
    Received {
        number: 0,
        method: words.next().unwrap_or_default(),
        target: words.next().unwrap_or_default(),
        fields: lines.filter_map(field).collect(),
        body: Vec::new(),
        complete: false,
    }
}
