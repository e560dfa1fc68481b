//! The listeners of a gateway with TLS over PostgreSQL, handed over (5.14).

use std::net::TcpStream;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use rustls::StreamOwned;
use serde_json::{Value, json};

use super::{Plan, Stage};
use crate::flows_process::{Ports, eventually};
use crate::smtp_stage::certificates;
use crate::support::exchange::bytes;
use crate::support::{PASSWORD, assert_sound_log};
use crate::tls::{answer, client};

const EMAIL: &str = "robin@example.org";
const CLIENTS: usize = 3;

/// People who come by TLS, each request with a handshake of its own.
struct Clients<'a> {
    port: u16,
    certificates: &'a Path,
    over: AtomicBool,
    answered: AtomicUsize,
}

impl Clients<'_> {
    /// One request; the status and the JSON of the answer.
    fn ask(&self, request: &[u8]) -> (u16, Value) {
        let mut socket = TcpStream::connect(("127.0.0.1", self.port)).expect("a connection");
        let mut tls = client(self.certificates, &[b"http/1.1"]);
        while tls.is_handshaking() {
            tls.complete_io(&mut socket).expect("a handshake");
        }
        let (status, text) = answer(&mut StreamOwned::new(tls, socket), request);
        self.answered.fetch_add(1, Ordering::SeqCst);
        let body = text.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        (status, serde_json::from_str(body).unwrap_or_default())
    }

    fn post(&self, path: &str, body: &Value) -> Value {
        let (status, answer) = self.ask(&bytes("POST", path, "", Some(body)));
        assert_eq!(status, 200, "{path}: {answer}");
        answer
    }

    /// Signs in, then asks for pages and refreshes by turns until it is over.
    fn live(&self) {
        let mut tokens = self.post("/auth/token/", &json!({ "email": EMAIL, "password": PASSWORD }));
        while !self.over.load(Ordering::SeqCst) {
            let bearer = format!("Authorization: Bearer {}\r\n", tokens["access"].as_str().expect("a token"));
            for (fields, status) in [(bearer.as_str(), 200), ("", 401)] {
                let (is, answer) = self.ask(&bytes("GET", "/api/x", fields, None));
                assert_eq!(is, status, "{answer}");
            }
            tokens = self.post("/auth/token/refresh/", &json!({ "refresh": tokens["refresh"] }));
        }
    }
}

#[test]
fn case_5_14_a_gateway_with_tls_over_postgres_hands_its_listeners_over() {
    let (ports, certificates) = (Ports::lease(1), certificates());
    let [pem, key] =
        ["good.pem", "good.key"].map(|name| certificates.path().join(name).display().to_string());
    let port = ports.first;
    let server = format!(
        "  tls: {{ listen: \"127.0.0.1:{port}\", certificate: \"{pem}\", key: \"{key}\" }}\n  upgrade_socket: run/upgrade.sock\n"
    );
    let stage = Stage::set(&Plan {
        server,
        public_url: Some(format!("https://localhost:{port}")),
        ..Plan::default()
    });
    let node = &stage.nodes[0];
    let args =
        ["user", "create", "--email", EMAIL, "--name", "Robin Roe", "--role", "user", "--password-stdin"];
    assert!(node.run(&args, PASSWORD).status.success());
    let run = node.file("yaml").with_file_name("run");
    std::fs::DirBuilder::new().mode(0o700).create(run).expect("a folder that nobody else may enter");
    node.launch();
    eventually("it listens", || TcpStream::connect(("127.0.0.1", port)).ok());

    let people = Clients {
        port,
        certificates: certificates.path(),
        over: AtomicBool::default(),
        answered: AtomicUsize::default(),
    };
    let more = |n| {
        let wanted = people.answered.load(Ordering::SeqCst) + n;
        eventually("more answers", || (people.answered.load(Ordering::SeqCst) >= wanted).then_some(()));
    };
    let failed = std::thread::scope(|scope| {
        let all = [(); CLIENTS].map(|()| scope.spawn(|| people.live()));
        more(30);
        for turn in 0..3 {
            assert_eq!(node.upgrade().exit_code(), Some(0), "{turn}: the former process ends by itself");
            more(30);
        }
        people.over.store(true, Ordering::SeqCst);
        all.into_iter().filter_map(|one| one.join().err()).count()
    });
    assert_eq!(failed, 0, "somebody has noticed");
    println!(
        "{}",
        json!({ "fault": "5.14 listeners with TLS over PostgreSQL handed over", "times": 3, "failed": failed,
                "requests": people.answered.load(Ordering::SeqCst) })
    );
    let database = stage.database();
    assert_eq!(
        database.count("sessions"),
        i64::try_from(CLIENTS).expect("few"),
        "nobody had to sign in again"
    );
    assert_eq!(database.count("sessions WHERE ended_at IS NOT NULL"), 0);
    assert!(node.ask_admin("/readyz").is_some_and(|a| a.status == 200));
    assert_sound_log("first", &node.log(), &stage.secrets());
}
