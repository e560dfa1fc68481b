//! TLS towards upstreams: what is not proven is not spoken to.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::support::{TestApp, get, request};

/// An authority and certificates of every kind, made by the system's openssl.
struct Certificates(tempfile::TempDir);

impl Certificates {
    fn new() -> Self {
        let all = Self(tempfile::tempdir().expect("a folder"));
        for authority in ["ca", "stranger"] {
            all.openssl(&format!(
                "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 -subj /CN={authority} \
                 -keyout {authority}.key -out {authority}.pem"
            ));
        }
        all.leaf("good", "ca", "DNS:upstream.test", "-days 30");
        all.leaf("address", "ca", "IP:127.0.0.1", "-days 30");
        all.leaf("other", "ca", "DNS:other.test", "-days 30");
        all.leaf("foreign", "stranger", "DNS:upstream.test", "-days 30");
        all.leaf(
            "expired",
            "ca",
            "DNS:upstream.test",
            "-not_before 20200101000000Z -not_after 20200201000000Z",
        );
        all.openssl(
            "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 -subj /CN=self \
             -addext subjectAltName=DNS:upstream.test -keyout self.key -out self.pem",
        );
        all
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn openssl(&self, arguments: &str) {
        let done =
            Command::new("openssl").args(arguments.split_whitespace()).current_dir(self.path()).output();
        let done = done.expect("openssl is installed");
        assert!(done.status.success(), "openssl {arguments}: {}", String::from_utf8_lossy(&done.stderr));
    }

    fn leaf(&self, name: &str, authority: &str, san: &str, when: &str) {
        std::fs::write(
            self.path().join("leaf.cnf"),
            format!(
                "[ca]\ndefault_ca=d\n[d]\ndatabase=index.txt\nserial=serial\nnew_certs_dir=.\ndefault_md=sha256\n\
                 policy=p\nunique_subject=no\nrand_serial=yes\n[p]\ncommonName=supplied\n\
                 [v3]\nbasicConstraints=CA:FALSE\nsubjectAltName={san}\n"
            ),
        )
        .unwrap();
        std::fs::write(self.path().join("index.txt"), "").unwrap();
        let when = when.replace("-not_before", "-startdate").replace("-not_after", "-enddate");
        self.openssl(&format!(
            "req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN={name} -keyout {name}.key -out {name}.csr"
        ));
        self.openssl(&format!(
            "ca -batch -notext -config leaf.cnf -extensions v3 -cert {authority}.pem -keyfile {authority}.key {when} \
             -in {name}.csr -out {name}.pem"
        ));
    }

    fn server(&self, name: &str, alpn: &[&[u8]]) -> ServerConfig {
        let file = |kind: &str| self.path().join(format!("{name}.{kind}"));
        let chain = CertificateDer::pem_file_iter(file("pem")).unwrap().collect::<Result<_, _>>().unwrap();
        let key = PrivateKeyDer::from_pem_file(file("key")).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .unwrap();
        config.alpn_protocols = alpn.iter().map(|p| p.to_vec()).collect();
        config
    }
}

/// An HTTP/1.1 server with this certificate; counts requests.
fn serve(config: ServerConfig) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (config, seen) = (Arc::new(config), Arc::new(AtomicUsize::new(0)));
    let count = seen.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (config, count) = (config.clone(), count.clone());
            std::thread::spawn(move || {
                let mut tls = StreamOwned::new(ServerConnection::new(config).unwrap(), stream);
                let (mut buf, mut head) = ([0; 4096], Vec::new());
                while let Ok(n) = tls.read(&mut buf) {
                    if n == 0 {
                        return;
                    }
                    head.extend_from_slice(&buf[..n]);
                    if head.ends_with(b"\r\n\r\n") {
                        count.fetch_add(1, Ordering::SeqCst);
                        let name = tls.conn.server_name().unwrap_or("none").to_owned();
                        let _ =
                            write!(tls, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{name}", name.len());
                        head.clear();
                    }
                }
            });
        }
    });
    (address, seen)
}

/// A gateway whose `/public/tls/**` goes to `address` with these options of `tls`.
fn app(address: SocketAddr, tls: &str) -> TestApp {
    let yaml = format!("{{ servers: [\"https://{address}\"], tls: {{ {tls} }} }}");
    TestApp::with(|setup| {
        setup.upstream("tls", &yaml);
        setup.route("{ path: /public/tls/**, upstream: tls }");
    })
    .with_other_upstreams()
}

#[test]
fn case_5_31_a_certificate_that_holds_is_believed() {
    let all = Certificates::new();
    let ca = all.path().join("ca.pem");
    let (address, seen) = serve(all.server("good", &[]));
    let app_ = app(address, &format!("ca: {}, server_name: upstream.test", ca.display()));
    for _ in 0..3 {
        let answer = app_.ask(get("/public/tls/x", ""));
        assert_eq!((answer.status, answer.text().as_str()), (200, "upstream.test"), "{}", answer.text());
    }
    assert_eq!(seen.load(Ordering::SeqCst), 3);
    // The address itself may be what the certificate is for.
    let (address, _) = serve(all.server("address", &[]));
    let by_address = app(address, &format!("ca: {}", ca.display()));
    assert_eq!(by_address.ask(get("/public/tls/x", "")).status, 200);
}

#[test]
fn case_5_31_n_13_what_is_not_proven_is_a_502() {
    let all = Certificates::new();
    let path = |name: &str| all.path().join(name).display().to_string();
    let named = format!("ca: {}, server_name: upstream.test", path("ca.pem"));
    for (what, certificate, tls) in [
        ("expired", "expired", named.clone()),
        ("of another host", "other", named.clone()),
        ("not for the address", "good", format!("ca: {}", path("ca.pem"))),
        ("of a stranger", "foreign", named.clone()),
        ("self-signed", "self", named.clone()),
        // A certificate that is an authority is none for a server, even when it is trusted.
        ("its own authority", "self", format!("ca: {}, server_name: upstream.test", path("self.pem"))),
        // Without `ca` the system's authorities count, and they do not know ours.
        ("unknown to the system", "good", "server_name: upstream.test".to_owned()),
    ] {
        let (address, seen) = serve(all.server(certificate, &[]));
        let app = app(address, &tls);
        for bytes in [get("/public/tls/x", ""), request("POST", "/public/tls/x", "", b"secret")] {
            let answer = app.ask(bytes);
            assert_eq!((answer.status, &answer.json()["reason"]), (502, &"upstream_down".into()), "{what}");
        }
        assert_eq!(seen.load(Ordering::SeqCst), 0, "{what}: something was sent");
        assert_eq!(app.metric("stagedoor_upstream_errors_total", "kind=\"tls\""), 2, "{what}");
    }
}

/// Two upstreams at one address never share a connection: what one has verified says nothing for the other.
#[test]
fn n_13_upstreams_do_not_share_connections() {
    let all = Certificates::new();
    let path = |name: &str| all.path().join(name).display().to_string();
    let (address, seen) = serve(all.server("good", &[]));
    let upstream = |ca: &str| {
        format!(
            "{{ servers: [\"https://{address}\"], tls: {{ ca: {}, server_name: upstream.test }} }}",
            path(ca)
        )
    };
    let (trusting, wary) = (upstream("ca.pem"), upstream("stranger.pem"));
    let app = TestApp::with(|setup| {
        setup.upstream("trusting", &trusting);
        setup.upstream("wary", &wary);
        setup.route("{ path: /public/trusting/**, upstream: trusting }");
        setup.route("{ path: /public/wary/**, upstream: wary }");
    })
    .with_other_upstreams();
    for _ in 0..3 {
        assert_eq!(app.ask(get("/public/trusting/x", "")).status, 200);
        assert_eq!(app.ask(get("/public/wary/x", "")).status, 502);
    }
    assert_eq!(seen.load(Ordering::SeqCst), 3);
}

/// `auto` takes HTTP/1.1 where the server knows nothing else, `http2` does not.
#[test]
fn http_1_is_a_way_out_only_where_it_may_be() {
    let all = Certificates::new();
    let (address, seen) = serve(all.server("good", &[b"http/1.1"]));
    let ca = all.path().join("ca.pem").display().to_string();
    let upstream = |protocol: &str| {
        format!(
            "{{ servers: [\"https://{address}\"], protocol: {protocol}, tls: {{ ca: {ca}, server_name: upstream.test }} }}"
        )
    };
    let (either, only) = (upstream("auto"), upstream("http2"));
    let app = TestApp::with(|setup| {
        setup.upstream("either", &either);
        setup.upstream("only", &only);
        setup.route("{ path: /public/either/**, upstream: either }");
        setup.route("{ path: /public/only/**, upstream: only }");
    })
    .with_other_upstreams();
    assert_eq!(app.ask(get("/public/either/x", "")).status, 200);
    assert_eq!(app.ask(get("/public/only/x", "")).status, 502);
    assert_eq!(seen.load(Ordering::SeqCst), 1);
}

/// Answers every request on HTTP/2 streams with 200 and no body, frame by frame (RFC 9113).
fn serve_http_2(config: ServerConfig) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (config, seen) = (Arc::new(config), Arc::new(AtomicUsize::new(0)));
    let count = seen.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (config, count) = (config.clone(), count.clone());
            std::thread::spawn(move || {
                let tls = StreamOwned::new(ServerConnection::new(config).unwrap(), stream);
                let _ = frames(tls, &count);
            });
        }
    });
    (address, seen)
}

fn frames(
    mut tls: StreamOwned<ServerConnection, std::net::TcpStream>,
    count: &AtomicUsize,
) -> std::io::Result<()> {
    const SETTINGS: u8 = 4;
    let mut preface = [0; 24];
    tls.read_exact(&mut preface)?;
    assert!(preface.starts_with(b"PRI * HTTP/2.0"));
    tls.write_all(&[0, 0, 0, SETTINGS, 0, 0, 0, 0, 0])?;
    loop {
        let mut head = [0; 9];
        tls.read_exact(&mut head)?;
        let length = usize::from(head[1]) << 8 | usize::from(head[2]);
        let mut payload = vec![0; length];
        tls.read_exact(&mut payload)?;
        match head[3] {
            SETTINGS if head[4] & 1 == 0 => tls.write_all(&[0, 0, 0, SETTINGS, 1, 0, 0, 0, 0])?,
            1 => {
                count.fetch_add(1, Ordering::SeqCst);
                // HEADERS with END_STREAM and END_HEADERS; `:status: 200` is one indexed byte.
                let stream = &head[5..9];
                tls.write_all(&[&[0, 0, 1, 1, 5][..], stream, &[0x88]].concat())?;
            }
            _ => {}
        }
    }
}

#[test]
fn what_the_server_prefers_is_spoken() {
    let all = Certificates::new();
    let ca = all.path().join("ca.pem").display().to_string();
    for protocol in ["auto", "http2"] {
        let (address, seen) = serve_http_2(all.server("good", &[b"h2", b"http/1.1"]));
        let yaml = format!(
            "{{ servers: [\"https://{address}\"], protocol: {protocol}, tls: {{ ca: {ca}, server_name: upstream.test }} }}"
        );
        let app = TestApp::with(|setup| {
            setup.upstream("tls", &yaml);
            setup.route("{ path: /public/tls/**, upstream: tls }");
        })
        .with_other_upstreams();
        for _ in 0..3 {
            assert_eq!(app.ask(get("/public/tls/x", "")).status, 200, "{protocol}");
        }
        assert_eq!(seen.load(Ordering::SeqCst), 3, "{protocol}");
    }
}
