//! The servers that are asked what they read: nginx and HAProxy with a raw application of ours behind them, Node and
//! h11 as applications, hyper (with httparse) in this process.

use std::convert::Infallible;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use hyper::body::Incoming;
use serde_json::Value;

use crate::flows_process::{Ports, Server as Process};
use crate::support::{FrontProxy, Received, Upstream};

/// What a server made of a request that came whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    /// The port of whoever sent it; 0: nobody whom the server knows of.
    pub connection: u16,
    pub method: String,
    pub target: String,
    pub host: String,
    pub body: Vec<u8>,
}

impl Reading {
    /// What every reader has to agree on: all but where it came from.
    pub fn content(&self) -> (&str, &str, &str, &[u8]) {
        (&self.method, &self.target, &self.host, &self.body)
    }
}

type Log = Arc<Mutex<Vec<Reading>>>;

/// A server that runs until it is dropped.
pub struct Server {
    pub name: &'static str,
    pub address: SocketAddr,
    readings: Box<dyn Fn() -> Vec<Reading> + Send + Sync>,
    _kept: Box<dyn std::any::Any + Send + Sync>,
}

impl Server {
    /// All of them.
    pub fn all() -> Vec<Self> {
        vec![nginx(), haproxy(), node(), h11(), hyper_server()]
    }

    /// Everything it has read, in the order in which it came.
    pub fn readings(&self) -> Vec<Reading> {
        (self.readings)()
    }
}

/// What stands before the application writes the port it was asked from into this field.
const SEEN: &str = "x-seen-connection";

fn passed_on(request: &Received) -> Reading {
    Reading {
        // The server does not know of a request that was smuggled through it.
        connection: request.all(SEEN).iter().find_map(|port| port.parse().ok()).unwrap_or(0),
        method: request.method.clone(),
        target: request.target.clone(),
        host: request.all("host").join("|"),
        body: request.body.clone(),
    }
}

fn before_an_application(
    name: &'static str,
    start: impl FnOnce(SocketAddr) -> (SocketAddr, Box<dyn std::any::Any + Send + Sync>),
) -> Server {
    let application = Arc::new(Upstream::start());
    let (address, process) = start(application.address());
    let behind = application.clone();
    let readings = move || behind.since(0).iter().filter(|r| r.complete).map(passed_on).collect::<Vec<_>>();
    Server { name, address, readings: Box::new(readings), _kept: Box::new((process, application)) }
}

fn nginx() -> Server {
    before_an_application("nginx", |application| {
        let nginx = FrontProxy::nginx_with(Ports::lease(1), |address| {
            format!(
                "server {{ listen {address}; client_max_body_size 0; client_header_timeout 3; client_body_timeout 3;
                 proxy_ignore_client_abort on;
                 location / {{ proxy_pass http://{application}; proxy_http_version 1.1; proxy_set_header Connection \"\";
                 proxy_set_header Host $http_host; proxy_set_header {SEEN} $remote_port; }} }}\n"
            )
        });
        (nginx.address(), Box::new(nginx))
    })
}

fn haproxy() -> Server {
    before_an_application("haproxy", |application| {
        let ports = Ports::lease(1);
        let text = format!(
            "defaults\n  mode http\n  timeout connect 3s\n  timeout client 60s\n  timeout server 60s\n  timeout http-request 3s\n\
             frontend people\n  bind {}\n  http-request set-header {SEEN} %[src_port]\n  default_backend application\n\
             backend application\n  server one {application}\n",
            ports.address(0)
        );
        let haproxy = FrontProxy::haproxy_with(ports, &text);
        (haproxy.address(), Box::new(haproxy))
    })
}

fn node() -> Server {
    let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/servers/node_echo.js");
    telling("node", Command::new("node").arg(script))
}

fn h11() -> Server {
    let python = std::env::var("STAGEDOOR_TEST_PYTHON").unwrap_or_else(|_| "python3".into());
    let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/python/h11_upstream.py");
    telling("h11", Command::new(python).arg(script))
}

/// A program that prints its port, and then a line for each request.
fn telling(name: &'static str, command: &mut Command) -> Server {
    let piped = command.stdin(Stdio::null()).stdout(Stdio::piped());
    let child: Child = piped.spawn().unwrap_or_else(|e| panic!("{name}: {e}; scripts/test sees to it"));
    let mut process = Process(child);
    let port: u16 = process.first_line().parse().unwrap_or_else(|_| {
        panic!("{name} does not start; an environment with tests/python/requirements.txt is needed for h11")
    });
    let (output, log) = (process.0.stdout.take().expect("piped"), Log::default());
    let told = log.clone();
    std::thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            let said: Value = serde_json::from_str(&line).expect("a line of JSON");
            let text = |name: &str| said[name].as_str().expect("text").to_owned();
            told.lock().unwrap().push(Reading {
                connection: u16::try_from(said["connection"].as_u64().expect("a port")).expect("a port"),
                method: text("method"),
                target: text("target"),
                host: text("host"),
                // One character for each byte.
                body: text("body").chars().map(|c| u8::try_from(u32::from(c)).expect("a byte")).collect(),
            });
        }
    });
    Server {
        name,
        address: SocketAddr::from(([127, 0, 0, 1], port)),
        readings: Box::new(move || log.lock().unwrap().clone()),
        _kept: Box::new(process),
    }
}

fn hyper_server() -> Server {
    let log = Log::default();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.set_nonblocking(true).expect("non-blocking");
    let address = listener.local_addr().expect("an address");
    let (told, runtime) = (
        log.clone(),
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap(),
    );
    runtime.spawn(async move {
        let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
        loop {
            let Ok((stream, from)) = listener.accept().await else { return };
            let told = told.clone();
            let service = hyper::service::service_fn(move |request| note(request, from.port(), told.clone()));
            let stream = hyper_util::rt::TokioIo::new(stream);
            let connection =
                hyper::server::conn::http1::Builder::new().half_close(true).serve_connection(stream, service);
            tokio::spawn(async move { drop(connection.await) });
        }
    });
    Server {
        name: "hyper",
        address,
        readings: Box::new(move || log.lock().unwrap().clone()),
        _kept: Box::new(Background(Some(runtime))),
    }
}

async fn note(
    request: hyper::Request<Incoming>,
    connection: u16,
    log: Log,
) -> Result<hyper::Response<String>, Infallible> {
    let (head, body) = request.into_parts();
    let hosts =
        head.headers.get_all("host").iter().map(|h| String::from_utf8_lossy(h.as_bytes()).into_owned());
    let hosts: Vec<String> = hosts.collect();
    let Ok(body) = http_body_util::BodyExt::collect(body).await else {
        return Ok(hyper::Response::new("half a body".into()));
    };
    log.lock().unwrap().push(Reading {
        connection,
        method: head.method.to_string(),
        target: head.uri.to_string(),
        host: hosts.join("|"),
        body: body.to_bytes().to_vec(),
    });
    Ok(hyper::Response::new("read".into()))
}

/// A runtime must not be dropped where another one waits for it.
struct Background(Option<tokio::runtime::Runtime>);

impl Drop for Background {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}
