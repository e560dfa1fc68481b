//! S-37: what real servers read of what clients send. Directly, they differ; behind the gateway, each reads exactly the
//! requests that the gateway says it has forwarded, and all of them the same (INV-1).

mod framing;
mod heads;
mod servers;

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use crate::support::{RawClient, Silence, TestApp, find};
use servers::{Reading, Server};

/// What stands behind many payloads.
const SECOND: &str = "GET /public/second HTTP/1.1\r\nHost: localhost\r\n\r\n";
/// How long a server may be silent before it is taken to wait for more.
const QUIET: Duration = Duration::from_millis(400);
/// How many connections are tried at the same time.
const AT_ONCE: usize = 40;

/// Bytes that a client sends on a connection of its own.
#[derive(Clone)]
struct Payload {
    what: String,
    bytes: Vec<u8>,
}

impl Payload {
    fn new(what: &str, bytes: impl AsRef<[u8]>) -> Self {
        Self { what: what.to_owned(), bytes: bytes.as_ref().to_vec() }
    }
}

fn payloads() -> Vec<Payload> {
    let all = [framing::all(), heads::all()].concat();
    assert!(all.len() >= 400, "only {} payloads", all.len());
    // Each path names its payload.
    let numbered = |(n, payload): (usize, Payload)| {
        let path = format!("/public/{n}/");
        let mut bytes = Vec::new();
        let mut rest = &payload.bytes[..];
        while let Some(at) = find(rest, b"/public/") {
            bytes.extend_from_slice(&rest[..at]);
            bytes.extend_from_slice(path.as_bytes());
            rest = &rest[at + b"/public/".len()..];
        }
        bytes.extend_from_slice(rest);
        Payload { bytes, ..payload }
    };
    all.into_iter().enumerate().map(numbered).collect()
}

/// What one server made of each payload: method, target, host and body of each request.
type Readings = Vec<Vec<Reading>>;

/// Sends it all, each on a connection of its own, to the server itself.
fn directly(server: &Server, payloads: &[Payload]) -> Readings {
    let mut ports = Vec::new();
    for some in payloads.chunks(AT_ONCE) {
        let mut open: Vec<TcpStream> = some.iter().map(|p| sent(server.address, &p.bytes)).collect();
        std::thread::sleep(QUIET);
        for stream in &mut open {
            ports.push(stream.local_addr().expect("an address").port());
            stream.set_nonblocking(true).expect("non-blocking");
            let _ = stream.read(&mut [0; 4096]);
        }
    }
    std::thread::sleep(QUIET);
    let mut by_port: BTreeMap<u16, Vec<Reading>> = BTreeMap::new();
    for reading in server.readings() {
        by_port.entry(reading.connection).or_default().push(reading);
    }
    assert_eq!(ports.len(), payloads.len());
    ports.iter().map(|port| by_port.remove(port).unwrap_or_default()).collect()
}

fn sent(to: SocketAddr, bytes: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(to).expect("a connection");
    // A server that has refused it already is no error.
    let _ = stream.write_all(bytes);
    stream
}

fn content(readings: &[Reading]) -> Vec<(&str, &str, &str, &[u8])> {
    readings.iter().map(Reading::content).collect()
}

/// The list would prove nothing if servers agreed on it by themselves.
#[test]
fn s_37_without_the_gateway_real_servers_differ() {
    let (payloads, servers) = (payloads(), Server::all());
    let all: Vec<Readings> = std::thread::scope(|scope| {
        let each: Vec<_> = servers.iter().map(|s| scope.spawn(|| directly(s, &payloads))).collect();
        each.into_iter().map(|one| one.join().expect("asked")).collect()
    });
    let (mut differ, mut in_number) = (0, 0);
    for (at, payload) in payloads.iter().enumerate() {
        let readings = || all.iter().map(|one| &one[at]);
        if readings().any(|one| content(one) != content(&all[0][at])) {
            differ += 1;
        }
        if readings().any(|one| one.len() != all[0][at].len()) {
            in_number += 1;
            let counts: Vec<String> =
                servers.iter().zip(readings()).map(|(s, one)| format!("{} {}", s.name, one.len())).collect();
            println!("{}: {}", payload.what, counts.join(", "));
        }
    }
    println!(
        "{} payloads: read differently {differ}, a different number of requests {in_number}",
        payloads.len()
    );
    for (server, readings) in servers.iter().zip(&all) {
        let read: usize = readings.iter().map(Vec::len).sum();
        assert!(read > 50, "{} has read {read} requests in all", server.name);
    }
    assert!(differ > 50 && in_number > 50, "{differ} {in_number}");
}

/// A gateway before this server that does not wait long for what never comes.
fn gateway(server: &Server) -> TestApp {
    let address = server.address;
    TestApp::with(move |setup| {
        setup.upstream_at(address);
        setup.tweak(|settings| {
            let limits = &mut settings.proxy.limits;
            (limits.head_timeout, limits.body_timeout) =
                (Duration::from_millis(400), Duration::from_millis(400));
        });
    })
    .with_other_upstreams()
}

/// Reads whatever comes until nothing more does.
fn exhaust(client: &mut RawClient) {
    loop {
        match client.some() {
            // The end of the connection.
            Ok(bytes) if bytes.is_empty() => return,
            // The answer is there; another one would follow at once.
            Ok(_) => client.patience(Duration::from_millis(40)),
            Err(Silence::Closed | Silence::TimedOut) => return,
            Err(other) => panic!("{other:?}"),
        };
    }
}

/// The number of the payload that a request came from: it stands in every path that may be forwarded.
fn number_of(reading: &Reading) -> usize {
    let number = reading.target.strip_prefix("/public/").and_then(|rest| rest.split('/').next());
    number.and_then(|n| n.parse().ok()).unwrap_or_else(|| panic!("INV-1: nobody sent {reading:?}"))
}

/// What the server read of each payload behind the gateway; how many requests came is held against the gateway's word.
fn behind_the_gateway(server: &Server, payloads: &[Payload]) -> Readings {
    let app = gateway(server);
    for some in payloads.chunks(AT_ONCE) {
        let mut clients: Vec<RawClient> = some
            .iter()
            .map(|payload| {
                let mut client = app.connect();
                client.send(&payload.bytes);
                client
            })
            .collect();
        clients.iter_mut().for_each(exhaust);
        // The server's word comes through a pipe, and may take a moment.
        let counts = || (app.forwards_said(), server.readings().len());
        let equal = (0..40).any(|_| {
            let (said, read) = counts();
            said == read || {
                std::thread::sleep(Duration::from_millis(50));
                false
            }
        });
        let ((said, read), last) = (counts(), some.last().expect("some"));
        assert!(equal, "INV-1: {} up to {:?}: forwarded {said}, read {read}", server.name, last.what);
    }
    app.assert_alive();
    let mut all = vec![Vec::new(); payloads.len()];
    for reading in server.readings() {
        assert_ne!(reading.connection, 0, "INV-1: {} did not see {reading:?}", server.name);
        all[number_of(&reading)].push(reading);
    }
    all
}

#[test]
fn s_37_behind_the_gateway_real_servers_read_what_was_forwarded() {
    let (payloads, servers) = (payloads(), Server::all());
    let all: Vec<Readings> = std::thread::scope(|scope| {
        let each: Vec<_> = servers.iter().map(|s| scope.spawn(|| behind_the_gateway(s, &payloads))).collect();
        each.into_iter().map(|one| one.join().expect("asked")).collect()
    });
    let mut wrong = Vec::new();
    for (at, payload) in payloads.iter().enumerate() {
        for (server, readings) in servers.iter().zip(&all).skip(1) {
            let (first, this) = (content(&all[0][at]), content(&readings[at]));
            if first != this {
                wrong.push(format!(
                    "{}: {} {first:?}, {} {this:?}",
                    payload.what, servers[0].name, server.name
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "INV-1: {}", wrong.join("\n"));
    let forwarded = all[0].iter().filter(|one| !one.is_empty()).count();
    println!("{} payloads, {forwarded} forwarded, to {} servers", payloads.len(), servers.len());
    assert!(forwarded > 50 && forwarded < payloads.len() / 2, "{forwarded} were forwarded");
    assert!(all[0].iter().all(|one| one.len() < 2), "one request for each connection that pipelines");
}
