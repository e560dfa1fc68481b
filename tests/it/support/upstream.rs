//! The application behind the gateway: a raw TCP server on threads that keeps every byte it gets.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::parsers::READERS;
use super::websocket::websocket;
use super::wire::{Field, field, find};
use super::within_patience;

/// More bytes of one connection are not kept.
const KEPT: usize = 2 << 20;

/// A request as it arrived.
#[derive(Clone, Debug)]
pub struct Received {
    /// Which connection it came on, and the how-manieth there, from 0.
    pub connection: usize,
    pub in_connection: usize,
    /// Request line and fields as they came, with the empty line.
    pub head: Vec<u8>,
    pub method: String,
    pub target: String,
    pub fields: Vec<Field>,
    /// The body without its framing; the first 2 MiB of it.
    pub body: Vec<u8>,
    pub body_bytes: usize,
    /// SHA-256 of the whole body.
    pub body_hash: Vec<u8>,
    /// Whether the whole body came.
    pub complete: bool,
}

impl Received {
    /// Every value of a field, by its exact name in any case.
    pub fn all(&self, name: &str) -> Vec<String> {
        let same = self.fields.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name));
        same.map(|(_, v)| String::from_utf8_lossy(v).into_owned()).collect()
    }

    /// The only value of a field; panics when there are several.
    pub fn field(&self, name: &str) -> Option<String> {
        let mut all = self.all(name);
        assert!(all.len() < 2, "`{name}` came {} times: {all:?}", all.len());
        all.pop()
    }

    /// The path, as it came.
    pub fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    fn upgrade(&self) -> bool {
        self.field("upgrade").is_some_and(|v| v.eq_ignore_ascii_case("websocket"))
    }

    /// What the upstream answers when nobody told it otherwise.
    fn echo(&self) -> Vec<u8> {
        let fields: Vec<_> = self.fields.iter().map(|(n, v)| (n, String::from_utf8_lossy(v))).collect();
        let body = serde_json::json!({
            "connection": self.connection, "in_connection": self.in_connection, "method": self.method,
            "target": self.target, "fields": fields, "head": STANDARD.encode(&self.head),
            "body": STANDARD.encode(&self.body), "body_bytes": self.body_bytes,
            "body_sha256": STANDARD.encode(&self.body_hash),
        })
        .to_string();
        let length = body.len();
        let body = if self.method == "HEAD" { "" } else { &body };
        format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {length}\r\nX-Upstream: echo\r\n\r\n{body}")
            .into_bytes()
    }
}

/// Whether a connection goes on after a scripted answer.
#[derive(PartialEq, Eq, Clone, Copy)]
pub enum Next {
    KeepAlive,
    Close,
}

type Script = dyn Fn(&Received, &mut TcpStream) -> Next + Send + Sync;

#[derive(Default)]
struct Shared {
    log: Mutex<Vec<Received>>,
    wires: Mutex<Vec<Wire>>,
    scripts: Mutex<Vec<(String, Arc<Script>)>>,
    early: Mutex<Vec<(String, Vec<u8>)>>,
    connections: AtomicUsize,
    stop: AtomicBool,
}

/// All bytes of one connection.
#[derive(Default, Clone)]
struct Wire {
    bytes: Vec<u8>,
    /// Upgraded, broken off, or too long: the bytes are not a whole number of requests.
    irregular: bool,
}

/// The upstream; stops listening when dropped.
pub struct Upstream {
    address: SocketAddr,
    shared: Arc<Shared>,
}

impl Upstream {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let shared = Arc::new(Shared::default());
        let server = shared.clone();
        spawn(move || {
            for stream in listener.incoming() {
                if server.stop.load(Ordering::SeqCst) {
                    return;
                }
                let Ok(stream) = stream else { continue };
                let number = server.connections.fetch_add(1, Ordering::SeqCst);
                server.wires.lock().unwrap().push(Wire::default());
                let server = server.clone();
                spawn(move || Connection { number, server, stream, buf: Vec::new() }.serve());
            }
        });
        Self { address, shared }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on requests whose target starts with `prefix` are answered by `script`; the latest one counts.
    pub fn script(
        &self,
        prefix: &str,
        script: impl Fn(&Received, &mut TcpStream) -> Next + Send + Sync + 'static,
    ) -> &Self {
        self.shared.scripts.lock().unwrap().insert(0, (prefix.to_owned(), Arc::new(script)));
        self
    }

    /// Requests below `prefix` get exactly these bytes, and the connection goes on.
    pub fn canned(&self, prefix: &str, bytes: impl AsRef<[u8]>) -> &Self {
        let bytes = bytes.as_ref().to_vec();
        self.script(prefix, move |_, stream| {
            let _ = stream.write_all(&bytes);
            Next::KeepAlive
        })
    }

    /// Requests below `prefix` are answered with these bytes as soon as their head is there, and the connection ends.
    pub fn early(&self, prefix: &str, bytes: impl AsRef<[u8]>) {
        self.shared.early.lock().unwrap().push((prefix.to_owned(), bytes.as_ref().to_vec()));
    }

    /// Requests whose head arrived, up to now.
    pub fn count(&self) -> usize {
        self.shared.log.lock().unwrap().len()
    }

    /// Requests whose body arrived as well: only those can have been answered.
    pub fn complete(&self) -> usize {
        self.shared.log.lock().unwrap().iter().filter(|r| r.complete).count()
    }

    /// Connections that were opened, up to now.
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }

    /// The requests from the `from`-th on.
    pub fn since(&self, from: usize) -> Vec<Received> {
        self.shared.log.lock().unwrap()[from..].to_vec()
    }

    pub fn last(&self) -> Received {
        self.since(0).pop().expect("a request has arrived")
    }

    /// INV-1: every reading of every connection's bytes counts the requests that were served there; with `outside`, those
    /// of other people's programs as well.
    pub fn assert_readings_agree(&self, outside: bool) {
        // What a client broke off is irregular as soon as the end of it has been seen here.
        let mut problem = String::new();
        let agreed = within_patience(|| self.read().map_err(|e| problem = e).ok());
        let Some((all, served)) = agreed else { panic!("INV-1: {problem}") };
        let counts: Vec<_> = served.into_iter().map(Ok).collect();
        let outsiders = if outside { super::outside::count(&all) } else { Vec::new() };
        for (name, counted) in outsiders {
            let wrong = counted.iter().zip(&counts).position(|(a, b)| a != b);
            assert_eq!(
                counted,
                counts,
                "INV-1: {name} of {}",
                wrong.map(|n| shown(&all[n])).unwrap_or_default()
            );
        }
    }

    /// The bytes of each regular connection and how many requests were served there, if all readers agree on it.
    fn read(&self) -> Result<(Vec<Vec<u8>>, Vec<usize>), String> {
        let (wires, log) = (self.shared.wires.lock().unwrap().clone(), self.since(0));
        let (mut all, mut counts) = (Vec::new(), Vec::new());
        for (number, wire) in wires.into_iter().enumerate().filter(|(_, w)| !w.irregular) {
            let served = log.iter().filter(|r| r.connection == number).count();
            for (name, read) in READERS {
                let count = read(&wire.bytes);
                if count != Ok(served) {
                    return Err(format!("{name} of {}: {count:?}, served {served}", shown(&wire.bytes)));
                }
            }
            all.push(wire.bytes);
            counts.push(served);
        }
        Ok((all, counts))
    }

    /// How many bytes have come, on all connections.
    pub fn bytes(&self) -> usize {
        self.shared.wires.lock().unwrap().iter().map(|wire| wire.bytes.len()).sum()
    }

    /// Every byte that came on one connection.
    pub fn bytes_of(&self, connection: usize) -> Vec<u8> {
        self.shared.wires.lock().unwrap()[connection].bytes.clone()
    }

    /// The heads that came on one connection, and nothing between or behind them.
    pub fn heads_of(&self, connection: usize) -> Vec<u8> {
        let log = self.shared.log.lock().unwrap();
        log.iter().filter(|r| r.connection == connection).flat_map(|r| r.head.clone()).collect()
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
    }
}

fn shown(bytes: &[u8]) -> String {
    String::from_utf8_lossy(&bytes[..bytes.len().min(4000)]).into_owned()
}

fn spawn(work: impl FnOnce() + Send + 'static) {
    std::thread::Builder::new().name("upstream".into()).spawn(work).expect("a thread");
}

struct Connection {
    number: usize,
    server: Arc<Shared>,
    stream: TcpStream,
    buf: Vec<u8>,
}

impl Connection {
    fn serve(mut self) {
        let _ = self.stream.set_nodelay(true);
        for turn in 0.. {
            let Some(head) = self.through(b"\r\n\r\n") else { return };
            let mut request = self.parse(head, turn);
            if let Some(answer) = self.early_answer(&request.target) {
                self.irregular();
                self.server.log.lock().unwrap().push(request);
                self.write(&answer);
                return;
            }
            self.read_body(&mut request);
            let upgrade = request.upgrade();
            if upgrade || !request.complete {
                self.irregular();
            }
            let script = self.script_for(&request.target);
            self.server.log.lock().unwrap().push(request.clone());
            if !request.complete {
                return;
            }
            let next = match script {
                Some(script) => script(&request, &mut self.stream),
                None if upgrade => return websocket(&request, &mut self.stream),
                None => self.write(&request.echo()),
            };
            if next == Next::Close {
                return;
            }
        }
    }

    fn write(&mut self, bytes: &[u8]) -> Next {
        if self.stream.write_all(bytes).is_ok() { Next::KeepAlive } else { Next::Close }
    }

    fn early_answer(&self, target: &str) -> Option<Vec<u8>> {
        let early = self.server.early.lock().unwrap();
        early.iter().find(|(prefix, _)| target.starts_with(prefix)).map(|(_, answer)| answer.clone())
    }

    fn script_for(&self, target: &str) -> Option<Arc<Script>> {
        let scripts = self.server.scripts.lock().unwrap();
        scripts.iter().find(|(prefix, _)| target.starts_with(prefix)).map(|(_, s)| s.clone())
    }

    fn parse(&self, head: Vec<u8>, turn: usize) -> Received {
        let text = &head[..head.len() - 4];
        let mut lines = text.split(|b| *b == b'\n').map(|l| l.strip_suffix(b"\r").unwrap_or(l));
        let first = String::from_utf8_lossy(lines.next().unwrap_or_default()).into_owned();
        let mut words = first.split(' ').map(str::to_owned);
        Received {
            connection: self.number,
            in_connection: turn,
            method: words.next().unwrap_or_default(),
            target: words.next().unwrap_or_default(),
            fields: lines.filter_map(field).collect(),
            head,
            body: Vec::new(),
            body_bytes: 0,
            body_hash: Vec::new(),
            complete: false,
        }
    }

    fn read_body(&mut self, request: &mut Received) {
        if !request.all("expect").is_empty() {
            self.write(b"HTTP/1.1 100 Continue\r\n\r\n");
        }
        let mut hash = digest::Context::new(&digest::SHA256);
        let chunked = request.field("transfer-encoding").is_some();
        let length = request.field("content-length").and_then(|v| v.parse().ok()).unwrap_or(0);
        let done =
            if chunked { self.chunks(request, &mut hash) } else { self.take(length, request, &mut hash) };
        request.complete = done.is_some();
        request.body_hash = hash.finish().as_ref().to_vec();
    }

    fn chunks(&mut self, request: &mut Received, hash: &mut digest::Context) -> Option<()> {
        loop {
            let line = self.through(b"\r\n")?;
            let size = usize::from_str_radix(std::str::from_utf8(&line[..line.len() - 2]).ok()?, 16).ok()?;
            self.take(size, request, hash)?;
            self.through(b"\r\n")?;
            if size == 0 {
                return Some(());
            }
        }
    }

    fn take(&mut self, mut left: usize, request: &mut Received, hash: &mut digest::Context) -> Option<()> {
        while left > 0 {
            if self.buf.is_empty() {
                self.more()?;
            }
            let n = left.min(self.buf.len());
            let piece: Vec<u8> = self.buf.drain(..n).collect();
            hash.update(&piece);
            request.body_bytes += n;
            if request.body.len() < KEPT {
                request.body.extend_from_slice(&piece);
            }
            left -= n;
        }
        Some(())
    }

    fn through(&mut self, end: &[u8]) -> Option<Vec<u8>> {
        loop {
            if let Some(at) = find(&self.buf, end) {
                return Some(self.buf.drain(..at + end.len()).collect());
            }
            if self.more().is_none() {
                if !self.buf.is_empty() {
                    self.irregular();
                }
                return None;
            }
        }
    }

    fn more(&mut self) -> Option<()> {
        let mut chunk = vec![0; 64 * 1024];
        let n = self.stream.read(&mut chunk).ok().filter(|n| *n > 0)?;
        self.buf.extend_from_slice(&chunk[..n]);
        let wire = &mut self.server.wires.lock().unwrap()[self.number];
        if wire.bytes.len() < KEPT {
            wire.bytes.extend_from_slice(&chunk[..n]);
        } else {
            wire.irregular = true;
        }
        Some(())
    }

    fn irregular(&self) {
        self.server.wires.lock().unwrap()[self.number].irregular = true;
    }
}
