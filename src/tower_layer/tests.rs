//! The layer against real keys and a small key server on loopback.

use std::convert::Infallible;
use std::future::Future;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use arc_swap::ArcSwap;
use http::{Request, Response, StatusCode, header};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tower::ServiceExt;
use tower::util::BoxCloneSyncService;
use tower_layer::Layer;

use super::{GateLayer, require};
use crate::gate::Principal;
use crate::model::{
    AccountId, ClientIp, Clock, Entropy, ManualClock, RoleName, SessionId, SystemEntropy, Timestamp,
};
use crate::policy::RequirementSource;
use crate::token::{Algorithm, AssertionMint, KeyRing, Person, RequestBinding, Settings, SigningKey};

const NOW: Timestamp = Timestamp::from_secs(1_900_000_000);

fn ring(algorithms: &[Algorithm]) -> KeyRing {
    let key = |a: &Algorithm| SigningKey::generate(*a, NOW, &SystemEntropy).unwrap();
    KeyRing::from_keys(algorithms.iter().map(key).collect()).unwrap()
}

/// What the gateway does: signs and publishes.
struct Gateway {
    ring: Arc<ArcSwap<KeyRing>>,
    mint: AssertionMint,
    server: KeyServer,
    account: AccountId,
    session: SessionId,
}

impl Gateway {
    async fn start() -> Self {
        let ring = Arc::new(ArcSwap::from_pointee(ring(&[Algorithm::ES256])));
        let settings = Settings {
            algorithm: Algorithm::ES256,
            access_ttl: Duration::from_secs(600),
            assertion_ttl: Duration::from_secs(60),
            issuer: "https://gate.example".into(),
            audience: "stagedoor".into(),
            leeway: Duration::from_secs(5),
            cache_entries: 10,
        };
        let entropy: Arc<dyn Entropy> = Arc::new(SystemEntropy);
        let (account, session) = (AccountId::random(&*entropy), SessionId::random(&*entropy));
        let mint = AssertionMint::new(Arc::clone(&ring), &settings, entropy);
        let server = KeyServer::start().await;
        let gateway = Self { ring, mint, server, account, session };
        gateway.publish();
        gateway
    }

    fn publish(&self) {
        self.server.answer(200, &self.ring.load().jwks().to_string());
    }

    /// New keys, published at once.
    fn rotate(&self) {
        self.ring.store(Arc::new(ring(&[Algorithm::EdDSA])));
        self.publish();
    }

    fn assertion(&self, upstream: &str, bound: Option<&RequestBinding<'_>>, at: Timestamp) -> String {
        let roles = [RoleName::parse("organizer").unwrap()];
        let person = Person {
            account: self.account,
            session: self.session,
            email: "zoe@example.org",
            email_verified: true,
            name: "Zoë <b>",
            roles: &roles,
            permissions: &["events.*".into()],
            amr: &["pwd".into()],
            auth_time: NOW,
        };
        self.mint.mint(&person, upstream, bound, at).0
    }

    fn good(&self) -> String {
        self.assertion("events", None, NOW)
    }
}

/// Serves one document, counts how often, and can be held back.
struct KeyServer {
    url: String,
    hits: Arc<AtomicUsize>,
    document: Arc<Mutex<(u16, String)>>,
    gate: Arc<Semaphore>,
}

impl KeyServer {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/auth/.well-known/jwks.json", listener.local_addr().unwrap());
        let server = Self {
            url,
            hits: Arc::default(),
            document: Arc::new(Mutex::new((404, String::new()))),
            gate: Arc::new(Semaphore::new(Semaphore::MAX_PERMITS)),
        };
        let (hits, document, gate) =
            (Arc::clone(&server.hits), Arc::clone(&server.document), Arc::clone(&server.gate));
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    head.push(stream.read_u8().await.unwrap());
                }
                hits.fetch_add(1, Ordering::SeqCst);
                let _pass = gate.acquire().await.unwrap();
                let (status, body) = document.lock().unwrap().clone();
                let answer = format!(
                    "HTTP/1.1 {status} X\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                    body.len()
                );
                let _ = stream.write_all(answer.as_bytes()).await;
            }
        });
        server
    }

    fn answer(&self, status: u16, body: &str) {
        *self.document.lock().unwrap() = (status, body.to_owned());
    }

    fn hits(&self) -> usize {
        self.hits.load(Ordering::SeqCst)
    }
}

type Upstream = BoxCloneSyncService<Request<()>, Response<String>, Infallible>;

/// An upstream that says who asked and which headers arrived.
fn upstream(gateway: &Gateway, adapt: impl FnOnce(GateLayer) -> GateLayer) -> (Upstream, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::at(NOW));
    let layer = GateLayer::from_gateway(&gateway.server.url, "events").unwrap();
    let inner = tower::service_fn(|request: Request<()>| async move {
        let who = request.extensions().get::<Principal>();
        let name = who.map_or("nobody".into(), |p| format!("{} {} {:?}", p.id, p.name, p.roles));
        let names: Vec<_> = request.headers().keys().map(ToString::to_string).collect();
        Ok::<_, Infallible>(Response::new(format!("{name}|{}", names.join(","))))
    });
    let layer = adapt(layer.clock(Arc::clone(&clock) as Arc<dyn Clock>));
    (BoxCloneSyncService::new(layer.layer(inner)), clock)
}

async fn ask(service: &Upstream, headers: &[(&str, &str)]) -> Response<String> {
    let mut request = Request::get("/events/7?q=1").header("host", "events.example");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    service.clone().oneshot(request.body(()).unwrap()).await.unwrap()
}

fn reason(response: &Response<String>) -> String {
    let body: serde_json::Value = serde_json::from_str(response.body()).unwrap();
    body["reason"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_good_assertion_becomes_a_principal_and_nothing_else_is_left() {
    let gateway = Gateway::start().await;
    let (service, _) = upstream(&gateway, |l| l.issuer("https://gate.example"));
    let token = gateway.good();
    let said =
        [("x-auth-assertion", &*token), ("X-Auth-Roles", "admin"), ("x_auth_user_id", "1"), ("dnt", "1")];
    let answer = ask(&service, &said).await;
    assert_eq!(answer.status(), StatusCode::OK);
    let wanted = format!("{} Zoë <b> [RoleName(organizer)]|host,dnt", gateway.account);
    assert_eq!(*answer.body(), wanted);
    ask(&service, &said).await;
    assert_eq!(gateway.server.hits(), 1, "the keys are kept");
}

/// Behind the gateway every connection is the gateway's; who is in a network is what it says.
#[tokio::test]
async fn networks_are_about_the_address_that_the_gateway_names() {
    let gateway = Gateway::start().await;
    let requirement = RequirementSource::Network(vec!["10.0.0.0/8".parse().unwrap()]);
    let inner = require(requirement).unwrap().layer(tower::service_fn(|_: Request<()>| async {
        Ok::<_, Infallible>(Response::new(String::new()))
    }));
    let clock: Arc<dyn Clock> = Arc::new(ManualClock::at(NOW));
    let layer = GateLayer::from_gateway(&gateway.server.url, "events").unwrap().clock(clock);
    let service = BoxCloneSyncService::new(layer.layer(inner));
    let token = gateway.good();
    for (named, status) in [
        ("10.1.2.3", 200),
        ("203.0.113.9", 403),
        ("10.1.2.3, 203.0.113.9", 200),
        ("203.0.113.9, 10.1.2.3", 403),
        ("", 403),
    ] {
        let mut request =
            Request::get("/events/7").header("host", "events.example").header("x-auth-assertion", &token);
        if !named.is_empty() {
            request = request.header("x-forwarded-for", named);
        }
        // What a server's own middleware would say of the connection.
        let request = request.extension(ClientIp::new([10, 0, 0, 1].into())).body(()).unwrap();
        assert_eq!(service.clone().oneshot(request).await.unwrap().status().as_u16(), status, "{named:?}");
    }
    let nobody =
        Request::get("/events/7").header("host", "events.example").header("x-forwarded-for", "10.1.2.3");
    let nobody = nobody.extension(ClientIp::new([10, 0, 0, 1].into())).body(()).unwrap();
    assert_ne!(
        service.clone().oneshot(nobody).await.unwrap().status(),
        200,
        "nothing proves where it came from"
    );
}

#[tokio::test]
async fn without_identity_a_request_is_anonymous_and_no_key_is_fetched() {
    let gateway = Gateway::start().await;
    let (service, _) = upstream(&gateway, |l| l);
    let answer = ask(&service, &[("cookie", "a=b")]).await;
    assert_eq!(*answer.body(), "nobody|host,cookie");
    assert_eq!(gateway.server.hits(), 0);
}

#[tokio::test]
async fn i_10_spoofed_identity_is_refused_without_the_gateway() {
    let gateway = Gateway::start().await;
    let (service, _) = upstream(&gateway, |l| l);
    for name in ["x-auth-user-id", "X-AUTH-ROLES", "x_auth_roles", "x-auth.name", "x-auth-anything"] {
        let answer = ask(&service, &[(name, "admin")]).await;
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED, "{name}");
        assert_eq!(reason(&answer), "identity_unsigned");
        assert!(answer.headers().contains_key(header::WWW_AUTHENTICATE));
    }
}

#[tokio::test]
async fn i_09_bad_assertions_are_refused_by_reason() {
    let gateway = Gateway::start().await;
    let (service, clock) = upstream(&gateway, |l| l);
    let (strict, _) = upstream(&gateway, |l| l.issuer("https://other.example"));
    let good = gateway.good();
    let mut forged = good.clone();
    forged.replace_range(
        good.len() - 6..good.len() - 5,
        if good.as_bytes()[good.len() - 6] == b'A' { "B" } else { "A" },
    );

    let refused = |answer: Response<String>| {
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
        reason(&answer)
    };
    assert_eq!(refused(ask(&service, &[("x-auth-assertion", "")]).await), "token_malformed");
    assert_eq!(refused(ask(&service, &[("x-auth-assertion", "a.b.c")]).await), "token_malformed");
    assert_eq!(refused(ask(&service, &[("x-auth-assertion", &forged)]).await), "token_signature");
    let other = gateway.assertion("billing", None, NOW);
    assert_eq!(refused(ask(&service, &[("x-auth-assertion", &other)]).await), "token_audience");
    let twice = [("x-auth-assertion", &*good), ("x-auth-assertion", &*good)];
    assert_eq!(refused(ask(&service, &twice).await), "token_ambiguous");
    assert_eq!(refused(ask(&strict, &[("x-auth-assertion", &good)]).await), "token_issuer");

    clock.advance(Duration::from_secs(60));
    assert_eq!(ask(&service, &[("x-auth-assertion", &good)]).await.status(), StatusCode::OK, "leeway");
    clock.advance(Duration::from_secs(10));
    assert_eq!(refused(ask(&service, &[("x-auth-assertion", &good)]).await), "token_expired");
}

#[tokio::test]
async fn an_unknown_key_asks_once_for_all_and_then_not_for_ten_seconds() {
    let gateway = Gateway::start().await;
    let (service, clock) = upstream(&gateway, |l| l);
    let old = gateway.good();
    assert_eq!(ask(&service, &[("x-auth-assertion", &old)]).await.status(), StatusCode::OK);
    gateway.rotate();
    let new = gateway.good();
    let early = ask(&service, &[("x-auth-assertion", &new)]).await;
    assert_eq!((early.status(), gateway.server.hits()), (StatusCode::UNAUTHORIZED, 1), "too early");

    clock.advance(Duration::from_secs(11));
    let mut all = tokio::task::JoinSet::new();
    for _ in 0..16 {
        let (service, token) = (service.clone(), new.clone());
        all.spawn(async move { ask(&service, &[("x-auth-assertion", &token)]).await.status() });
    }
    assert!(all.join_all().await.iter().all(|s| *s == StatusCode::OK));
    assert_eq!(gateway.server.hits(), 2, "one fetch for sixteen requests");

    let gone = ask(&service, &[("x-auth-assertion", &old)]).await;
    assert_eq!(reason(&gone), "token_key_unknown");
    assert_eq!(gateway.server.hits(), 2, "the old key asks in vain");
}

#[tokio::test]
async fn without_keys_nobody_passes_and_everybody_is_told_when_to_come_back() {
    let gateway = Gateway::start().await;
    let (service, clock) = upstream(&gateway, |l| l);
    let token = gateway.good();
    let good = gateway.ring.load().jwks().to_string();
    let padded = format!("{good}{}", " ".repeat(70_000));
    let bad = [(503, ""), (302, ""), (200, "no json"), (200, r#"{"keys":[]}"#), (200, padded.as_str())];
    for (n, (status, body)) in bad.into_iter().enumerate() {
        gateway.server.answer(status, body);
        for _ in 0..2 {
            let answer = ask(&service, &[("x-auth-assertion", &token)]).await;
            assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE, "{status} {n}");
            assert_eq!(answer.headers()[header::RETRY_AFTER], "2");
            assert_eq!(reason(&answer), "keys_unavailable");
        }
        assert_eq!(gateway.server.hits(), n + 1, "a failure is not asked about again at once");
        assert_eq!(ask(&service, &[]).await.status(), StatusCode::OK, "anonymous people still pass");
        clock.advance(Duration::from_secs(3));
    }
    gateway.publish();
    assert_eq!(ask(&service, &[("x-auth-assertion", &token)]).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn nobody_listening_is_the_same_as_no_keys() {
    let gateway = Gateway::start().await;
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let layer = GateLayer::from_gateway(&format!("http://{closed}/jwks.json"), "events").unwrap();
    let inner =
        tower::service_fn(|_: Request<()>| async { Ok::<_, Infallible>(Response::new(String::new())) });
    let request = Request::get("/").header("x-auth-assertion", gateway.good()).body(()).unwrap();
    let answer = layer.layer(inner).oneshot(request).await.unwrap();
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn a_client_that_hangs_up_does_not_take_the_fetch_along() {
    let gateway = Gateway::start().await;
    let (service, _) = upstream(&gateway, |l| l);
    let token = gateway.good();
    let held = Arc::clone(&gateway.server.gate)
        .acquire_many_owned(u32::try_from(Semaphore::MAX_PERMITS).unwrap_or(u32::MAX))
        .await
        .unwrap();
    let headers = [("x-auth-assertion", &*token)];
    let mut first = Box::pin(ask(&service, &headers));
    while gateway.server.hits() == 0 {
        std::future::poll_fn(|cx| {
            assert!(first.as_mut().poll(cx).is_pending());
            std::task::Poll::Ready(())
        })
        .await;
        tokio::task::yield_now().await;
    }
    drop(first);
    drop(held);
    assert_eq!(ask(&service, &[("x-auth-assertion", &token)]).await.status(), StatusCode::OK);
    assert_eq!(gateway.server.hits(), 1);
}

#[tokio::test]
async fn old_keys_are_renewed_beside_the_request_and_never_used_when_too_old() {
    let gateway = Gateway::start().await;
    let (service, clock) = upstream(&gateway, |l| l);
    ask(&service, &[("x-auth-assertion", &gateway.good())]).await;
    clock.advance(Duration::from_secs(6 * 60));
    let fresh = gateway.assertion("events", None, clock.now());
    assert_eq!(ask(&service, &[("x-auth-assertion", &fresh)]).await.status(), StatusCode::OK);
    while gateway.server.hits() < 2 {
        tokio::task::yield_now().await;
    }
    gateway.server.answer(500, "");
    clock.advance(Duration::from_secs(14 * 60));
    let fresh = gateway.assertion("events", None, clock.now());
    assert_eq!(
        ask(&service, &[("x-auth-assertion", &fresh)]).await.status(),
        StatusCode::OK,
        "the renewed ones"
    );
    clock.advance(Duration::from_secs(2 * 60));
    let fresh = gateway.assertion("events", None, clock.now());
    let answer = ask(&service, &[("x-auth-assertion", &fresh)]).await;
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn a_bound_assertion_fits_its_own_request_only() {
    let gateway = Gateway::start().await;
    let (service, _) = upstream(&gateway, |l| l);
    let own = RequestBinding { method: "GET", host: "events.example", path: "/events/7" };
    let others = [
        RequestBinding { method: "POST", ..own },
        RequestBinding { host: "other.example", ..own },
        RequestBinding { path: "/events/8", ..own },
    ];
    let token = gateway.assertion("events", Some(&own), NOW);
    assert_eq!(ask(&service, &[("x-auth-assertion", &token)]).await.status(), StatusCode::OK);
    for other in others {
        let token = gateway.assertion("events", Some(&other), NOW);
        let answer = ask(&service, &[("x-auth-assertion", &token)]).await;
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED, "{other:?}");
        assert_eq!(reason(&answer), "assertion_other_request");
    }
}

#[cfg(feature = "axum")]
#[tokio::test]
async fn axum_knows_the_principal_also_below_a_nested_path() {
    use axum::{Router, body::Body, routing::get};
    let gateway = Gateway::start().await;
    let clock = Arc::new(ManualClock::at(NOW));
    let layer = GateLayer::from_gateway(&gateway.server.url, "events").unwrap().clock(clock);
    let inner = Router::new()
        .route("/7", get(|who: Principal| async move { who.name }))
        .route("/who", get(|who: Option<Principal>| async move { who.is_some().to_string() }))
        .layer(layer);
    let app = Router::new().nest("/events", inner);
    let ask = |path: &str, token: Option<&str>| {
        let mut request = Request::get(path).header("host", "events.example");
        if let Some(token) = token {
            request = request.header("x-auth-assertion", token);
        }
        app.clone().oneshot(request.body(Body::empty()).unwrap())
    };
    let own = RequestBinding { method: "GET", host: "events.example", path: "/events/7" };
    let token = gateway.assertion("events", Some(&own), NOW);
    assert_eq!(ask("/events/7", Some(&token)).await.unwrap().status(), StatusCode::OK);
    assert_eq!(ask("/events/7", None).await.unwrap().status(), StatusCode::UNAUTHORIZED);
    assert_eq!(ask("/events/who", None).await.unwrap().status(), StatusCode::OK);
}

#[test]
fn odd_urls_are_refused_when_the_layer_is_made() {
    for url in ["", "/auth/jwks.json", "ftp://gate/jwks", "gate:8080", "http://", "not a url"] {
        assert!(GateLayer::from_gateway(url, "events").is_err(), "{url:?}");
    }
}
