//! The TLS listener: what it speaks, what it refuses (Z-12, Z-13, C-10), and certificates that are renewed while
//! it runs (5.31).

use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use tempfile::TempDir;

use crate::flows_process::{Server, Site, eventually};
use crate::smtp_stage::certificates;
use crate::support::{RawClient, get};

pub const CONFIG: &str = r#"
server:
  listen: 127.0.0.1:PUBLIC
  admin_listen: 127.0.0.1:ADMIN
  public_url: https://localhost:UPSTREAM
  tls: { listen: "127.0.0.1:UPSTREAM", certificate: shown.pem, key: shown.key }
  threads: 1
  limits: { head_timeout: PATIENCE }
store: { url: "sqlite:site.db" }
roles:
  admin: { permissions: ["*"] }
  user: { permissions: [things.view], registration: open, default: true }
upstreams:
  things: { servers: ["http://127.0.0.1:1"] }
routes:
  - { path: /**, upstream: things }
rules:
  - { path: /public/**, allow: public }
  - { path: /public/**, host: admin.example.com, allow: { role: admin } }
"#;

/// A gateway with TLS where other sites have their upstream, and the authority its certificates come from.
pub struct Stage {
    pub site: Site,
    certificates: TempDir,
    _server: Server,
}

pub type Tls = StreamOwned<ClientConnection, TcpStream>;

impl Stage {
    pub fn new() -> Self {
        Self::patient("10s")
    }

    /// Waits so long for handshakes and heads.
    fn patient(time: &str) -> Self {
        Self::on(&CONFIG.replace("PATIENCE", time))
    }

    pub fn on(config: &str) -> Self {
        let (site, certificates) = (Site::with(&config.replace("PATIENCE", "10s")), certificates());
        show(&site, certificates.path(), "good");
        let mut command = site.command(&["serve"]);
        let log = std::fs::File::create(site.path("log")).unwrap();
        let server = Server(command.stderr(log).spawn().unwrap());
        let stage = Self { site, certificates, _server: server };
        eventually("it listens", || TcpStream::connect(stage.site.upstream()).ok());
        stage
    }

    /// A finished handshake with a client that speaks these protocols.
    fn connect(&self, alpn: &[&[u8]]) -> Result<Tls, String> {
        self.handshake(TcpStream::connect(self.tls_address()).map_err(|e| e.to_string())?, alpn)
    }

    /// The same over a connection that is there.
    pub fn handshake(&self, mut socket: TcpStream, alpn: &[&[u8]]) -> Result<Tls, String> {
        let mut client = client(self.certificates.path(), alpn);
        socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        while client.is_handshaking() {
            client.complete_io(&mut socket).map_err(|e| e.to_string())?;
        }
        Ok(StreamOwned::new(client, socket))
    }

    /// The same where the first packet begins with other bytes.
    pub fn handshake_after(&self, bytes: &[u8]) -> Result<Tls, String> {
        let mut client = client(self.certificates.path(), &[b"http/1.1"]);
        let mut first = bytes.to_vec();
        client.write_tls(&mut first).map_err(|e| e.to_string())?;
        let mut socket = TcpStream::connect(self.tls_address()).map_err(|e| e.to_string())?;
        socket.write_all(&first).map_err(|e| e.to_string())?;
        while client.is_handshaking() {
            client.complete_io(&mut socket).map_err(|e| e.to_string())?;
        }
        Ok(StreamOwned::new(client, socket))
    }

    pub fn tls_address(&self) -> SocketAddr {
        self.site.upstream()
    }

    pub fn plain_address(&self) -> SocketAddr {
        self.site.public()
    }

    /// One request on a connection of its own; status and the whole answer.
    fn ask(&self, request: &[u8]) -> (u16, String) {
        answer(&mut self.connect(&[b"http/1.1"]).expect("a handshake"), request)
    }

    /// The serial number, or what else is unique, of the certificate that is shown.
    fn shown(&self) -> Result<Vec<u8>, String> {
        let tls = self.connect(&[])?;
        Ok(tls.conn.peer_certificates().expect("one")[0].to_vec())
    }

    fn metrics(&self) -> String {
        let mut client = RawClient::connect(self.site.ports.address(1));
        client.send(get("/metrics", "Connection: close\r\n"));
        client.answer().expect("metrics").text()
    }
}

/// Puts the certificate called `name` in the place of the one that is shown.
fn show(site: &Site, certificates: &Path, name: &str) {
    for end in ["pem", "key"] {
        std::fs::copy(certificates.join(format!("{name}.{end}")), site.path(&format!("shown.{end}")))
            .unwrap();
    }
}

pub fn client(certificates: &Path, alpn: &[&[u8]]) -> ClientConnection {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(certificates.join("ca.pem")).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    ClientConnection::new(Arc::new(config), ServerName::try_from("localhost").unwrap()).unwrap()
}

pub fn answer(tls: &mut Tls, request: &[u8]) -> (u16, String) {
    tls.write_all(request).unwrap();
    let mut bytes = Vec::new();
    // The server closes after `Connection: close`.
    let _ = tls.read_to_end(&mut bytes);
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let status = text.split(' ').nth(1).and_then(|s| s.parse().ok()).unwrap_or_else(|| panic!("{text}"));
    (status, text)
}

fn page(path: &str, extra: &str) -> Vec<u8> {
    get(path, &format!("Connection: close\r\n{extra}"))
}

#[test]
fn people_come_by_http_1_and_2_over_tls() {
    let stage = Stage::new();
    let (status, text) = stage.ask(&page("/auth/login/", ""));
    assert_eq!(status, 200, "{text}");
    assert!(text.contains("strict-transport-security: max-age="), "{text}");
    assert_eq!(stage.ask(&page("/public/x", "")).0, 502, "allowed, and there is no upstream");
    assert_eq!(stage.ask(&page("/other", "")).0, 403);

    let mut tls = stage.connect(&[b"h2", b"http/1.1"]).unwrap();
    assert_eq!(tls.conn.alpn_protocol(), Some(&b"h2"[..]));
    // :method GET, :scheme https, :path, :authority; literals without Huffman coding (RFC 7541).
    let block = [&[0x82, 0x87, 0x44, 12][..], b"/auth/login/", &[0x41, 9], b"localhost"].concat();
    let head = [0, 0, u8::try_from(block.len()).unwrap(), 1, 5, 0, 0, 0, 1];
    let hello = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
    tls.write_all(&[&hello[..], &head, &block].concat()).unwrap();
    let first = loop {
        let mut head = [0; 9];
        tls.read_exact(&mut head).unwrap();
        let length = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
        let mut payload = vec![0; length];
        tls.read_exact(&mut payload).unwrap();
        if head[3] == 1 {
            break payload[0];
        }
    };
    assert_eq!(first, 0x88, "`:status 200` as it stands in the static table");
    let expires = stage.metrics();
    let value = expires.lines().find(|l| l.starts_with("stagedoor_certificate_expires_seconds ")).unwrap();
    assert!(value.rsplit(' ').next().unwrap().parse::<f64>().unwrap() > 1_700_000_000.0, "{value}");
}

/// There is one certificate and one set of rules: the name a client asks for in the handshake (SNI) decides nothing.
#[test]
fn h_06_h_07_host_decides_whatever_the_handshake_named() {
    let stage = Stage::new();
    for (host, status) in [
        ("localhost", 502),
        ("admin.example.com", 401),
        ("ADMIN.example.com.", 401),
        ("admin.example.com:443", 401),
    ] {
        let request = format!("GET /public/x HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        assert_eq!(stage.ask(request.as_bytes()).0, status, "{host}");
    }
}

#[test]
fn c_10_without_tls_browsers_are_led_on_and_programs_are_told() {
    let stage = Stage::new();
    let https = format!("https://localhost:{}", stage.site.upstream().port());
    let ask = |bytes: &[u8]| {
        let mut client = RawClient::connect(stage.site.public());
        client.send(bytes);
        client.answer().expect("an answer")
    };
    let navigation = "Sec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: document\r\nAccept: text/html\r\n";
    let led = ask(&page("/public/x?a=b&c=%2F", navigation));
    assert_eq!((led.status, led.field("location")), (308, Some(&*format!("{https}/public/x?a=b&c=%2F"))));
    let twisted = ask(&page("//evil.example/", navigation));
    assert!(
        twisted.status == 400
            || twisted.field("location").is_some_and(|to| to.starts_with(&format!("{https}/"))),
        "{twisted:?}"
    );
    let broken = b"GET /public/x HTTP/1.1\r\nConnection: close\r\n\r\n";
    let refused = ask(broken);
    assert_eq!((refused.status, refused.field("strict-transport-security")), (400, None), "no Host");
    let (status, text) = stage.ask(broken);
    assert!(status == 400 && text.contains("strict-transport-security"), "{text}");
    let body = br#"{"email":"ada@example.org","password":"Curtain-Up-42!"}"#;
    let mut post =
        "POST /auth/token/ HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n".to_owned();
    let _ = write!(post, "Content-Length: {}\r\n\r\n", body.len());
    for (what, bytes) in [
        ("a sign-in", [post.as_bytes(), &body[..]].concat()),
        ("a form", [post.replace("application/json", "text/plain").as_bytes(), &body[..]].concat()),
        ("a program's GET", page("/public/x", "")),
        ("a token", page("/public/x", "Authorization: Bearer abc\r\n")),
    ] {
        let told = ask(&bytes);
        assert_eq!((told.status, told.field("location")), (403, None), "{what}: {told:?}");
        assert_eq!(told.json()["type"], "urn:stagedoor:problem:https-required", "{what}");
        assert_eq!(told.json()["reason"], "unencrypted", "{what}");
        assert_eq!(told.field("strict-transport-security"), None, "{what}");
        assert!(!told.text().contains("Curtain-Up"), "{what}");
    }
}

/// A proxy of ours may speak plain to us, if it says that people spoke TLS to it, or says nothing.
#[test]
fn c_10_f_07_what_a_trusted_proxy_got_without_tls_is_led_on_as_well() {
    let stage = Stage::on(&CONFIG.replace("threads: 1", "threads: 1\n  trusted_proxies: [127.0.0.1]"));
    for (proto, status) in [
        ("", 502),
        ("X-Forwarded-Proto: https\r\n", 502),
        ("X-Forwarded-Proto: http\r\n", 403),
        ("X-Forwarded-Proto: javascript\r\n", 403),
        ("X-Forwarded-Proto: evil\r\n", 403),
        ("X-Forwarded-Proto: https, http\r\n", 403),
        ("X-Forwarded-Proto: https\r\nX-Forwarded-Proto: http\r\n", 403),
        ("X_Forwarded_Proto: https\r\nX-Forwarded-Proto: http\r\n", 403),
    ] {
        let mut client = RawClient::connect(stage.site.public());
        client.send(page("/public/x", proto));
        assert_eq!(client.answer().expect("an answer").status, status, "{proto}");
    }
}

#[test]
fn case_5_31_a_renewed_certificate_is_shown_and_a_broken_one_is_not() {
    let stage = Stage::new();
    let first = stage.shown().unwrap();
    let mut open = stage.connect(&[b"http/1.1"]).unwrap();
    open.write_all(&get("/auth/.well-known/jwks.json", "")).unwrap();
    assert!(open.read(&mut [0; 8192]).unwrap() > 0, "the connection is in use");
    // A key that belongs to another certificate, and half a file.
    std::fs::copy(stage.certificates.path().join("wrong.key"), stage.site.path("shown.key")).unwrap();
    eventually("it is noticed", || {
        stage.metrics().contains("stagedoor_config_reload_success 0").then_some(())
    });
    assert_eq!(stage.shown().unwrap(), first);
    std::fs::write(stage.site.path("shown.pem"), "-----BEGIN CERTIFICATE-----\nMIIB").unwrap();
    eventually("it is tried", || {
        let log = std::fs::read_to_string(stage.site.path("log")).unwrap();
        (log.matches("configuration not reloaded").count() >= 2).then_some(())
    });
    assert_eq!(stage.shown().unwrap(), first);
    // From another host's name on, clients that check refuse; whoever is connected already stays.
    show(&stage.site, stage.certificates.path(), "wrong");
    eventually("the new one is shown", || stage.shown().err().filter(|e| e.contains("certificate")));
    assert_eq!(answer(&mut open, &page("/auth/login/", "")).0, 200, "an open connection goes on");
    show(&stage.site, stage.certificates.path(), "good");
    eventually("the good one is back", || stage.shown().ok().filter(|shown| *shown == first));
}

/// Whoever renews certificates does not wait for whoever writes rules.
#[test]
fn case_5_31_a_certificate_is_renewed_whatever_is_wrong_with_the_rules() {
    let stage = Stage::new();
    assert!(stage.shown().is_ok());
    let path = stage.site.path("config.yaml");
    let good = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, &good[..good.len() / 2]).unwrap();
    eventually("it is noticed", || {
        stage.metrics().contains("stagedoor_config_reload_success 0").then_some(())
    });
    show(&stage.site, stage.certificates.path(), "wrong");
    eventually("the new one is shown", || stage.shown().err().filter(|e| e.contains("certificate")));
    std::fs::write(&path, &good).unwrap();
    eventually("all is well", || stage.metrics().contains("stagedoor_config_reload_success 1").then_some(()));
}

/// The first flight of a client, as records.
fn client_hello(stage: &Stage) -> Vec<u8> {
    let mut bytes = Vec::new();
    client(stage.certificates.path(), &[b"http/1.1"]).write_tls(&mut bytes).unwrap();
    bytes
}

/// Everything that comes until the server closes.
fn rest(socket: &mut TcpStream) -> Vec<u8> {
    socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let mut bytes = Vec::new();
    match socket.read_to_end(&mut bytes) {
        Ok(_) => bytes,
        Err(e) if e.kind() == std::io::ErrorKind::ConnectionReset => bytes,
        Err(e) => panic!("it is not closed: {e}"),
    }
}

#[test]
fn z_12_torn_and_foreign_hellos_close_and_harm_nobody() {
    let stage = Stage::patient("2s");
    let hello = client_hello(&stage);
    let (head, body) = (&hello[..5], &hello[5..]);
    let torn: Vec<u8> = body.iter().flat_map(|byte| [head[0], head[1], head[2], 0, 1, *byte]).collect();
    // A hello for TLS 1.1 (RFC 4346), without the extension that names newer versions.
    let suites = [0xc0, 0x13, 0x00, 0x2f];
    let mut old = vec![3, 2];
    old.extend_from_slice(&[7; 32]);
    old.extend_from_slice(&[0, 0, 4]);
    old.extend_from_slice(&suites);
    old.extend_from_slice(&[1, 0]);
    let length = u8::try_from(old.len()).unwrap();
    let old = [&[22, 3, 1, 0, length + 4, 1, 0, 0, length][..], &old].concat();
    let huge = [&[22, 3, 1, 0xff, 0xff][..], &vec![0; 0xffff]].concat();
    for (what, bytes) in [
        ("plain HTTP", page("/auth/login/", "")),
        ("TLS 1.1", old),
        ("a record that is too long", huge),
        ("noise", (0..4000u32).map(|n| u8::try_from(n * 7 % 251).unwrap()).collect()),
    ] {
        let mut socket = TcpStream::connect(stage.site.upstream()).unwrap();
        let _ = socket.write_all(&bytes);
        let said = rest(&mut socket);
        let text = String::from_utf8_lossy(&said);
        assert!(!text.contains("HTTP/1.1 2"), "{what}: {text}");
        assert!(
            said.len() < 200 && said.first().is_none_or(|first| *first == 21),
            "{what}: an alert, or nothing"
        );
    }
    // Records of one byte each are allowed (RFC 8446 section 5.1); whether it answers or closes, it does so soon.
    let mut socket = TcpStream::connect(stage.site.upstream()).unwrap();
    let _ = socket.write_all(&torn);
    rest(&mut socket);
    assert_eq!(stage.ask(&page("/auth/login/", "")).0, 200, "INV-5");
}

#[test]
fn z_13_handshakes_that_stall_are_ended_and_others_are_served() {
    let stage = Stage::patient("3s");
    let hello = client_hello(&stage);
    let stalled: Vec<TcpStream> = (0..300)
        .map(|_| {
            let mut socket = TcpStream::connect(stage.site.upstream()).unwrap();
            socket.write_all(&hello[..5]).unwrap();
            socket
        })
        .collect();
    assert_eq!(stage.ask(&page("/auth/login/", "")).0, 200, "meanwhile");
    for mut socket in stalled {
        assert!(rest(&mut socket).len() < 200);
    }
    assert_eq!(stage.ask(&page("/auth/login/", "")).0, 200, "afterwards");
}
