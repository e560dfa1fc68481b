//! The layer that stands alone, and single requirements, with people from the test kit. What the rules say is in the one
//! table of all fronts (`tests/it/fronts.rs`); here is what only a layer does.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response, StatusCode, header};
use tower::ServiceExt as _;
use tower::util::BoxCloneSyncService;
use tower_layer::Layer;

use super::{Denied, GateLayer, PolicyLayer, RequireLayer, require, require_at};
use crate::gate::Principal;
use crate::model::{Clock, ManualClock, Timestamp};
use crate::policy::{Policy, PolicySource, RequirementSource as Req, RouteSource};
use crate::test_kit::{TestIssuer, TestPerson};

const NOW: Timestamp = Timestamp::from_secs(1_900_000_000);

type Inner = BoxCloneSyncService<Request<()>, Response<String>, Infallible>;

/// Tells what arrives: the target, who it is, and the fields.
fn echo() -> Inner {
    BoxCloneSyncService::new(tower::service_fn(|request: Request<()>| async move {
        let who = request.extensions().get::<Principal>().map_or("nobody", |p| &p.name).to_owned();
        let mut names: Vec<&str> = request.headers().keys().map(header::HeaderName::as_str).collect();
        names.sort_unstable();
        Ok(Response::new(format!("{} {who} {}", request.uri(), names.join(","))))
    }))
}

fn policy(admins: &str) -> Policy {
    let source = PolicySource::default().role("admin", ["*"]).role("user", ["events.view"]);
    let source = source.rule("/public/**", Req::Public).rule(admins, Req::role("admin"));
    source
        .rule("/api/**", Req::Authenticated)
        .rule("/near/**", Req::Network(vec!["10.0.0.0/8".parse().unwrap()]))
        .compile()
        .unwrap()
}

struct Stage {
    issuer: TestIssuer,
    layer: PolicyLayer,
    clock: Arc<ManualClock>,
}

impl Stage {
    fn set() -> Self {
        let clock = Arc::new(ManualClock::at(NOW));
        let issuer = TestIssuer::with_clock(Arc::clone(&clock) as Arc<dyn Clock>);
        let layer = GateLayer::from_policy(policy("/admin/**"), &issuer.verifier());
        let layer = layer.clock(Arc::clone(&clock) as Arc<dyn Clock>);
        Self { issuer, layer, clock }
    }

    async fn ask(&self, path: &str, fields: &[(&str, &str)]) -> Response<String> {
        let mut request = Request::get(path).header("host", "app.example");
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        self.layer.layer(echo()).oneshot(request.body(()).unwrap()).await.unwrap()
    }

    fn bearer(&self, who: &TestPerson) -> String {
        format!("Bearer {}", self.issuer.access(who))
    }
}

#[tokio::test]
async fn i_01_i_14_inside_a_request_is_as_behind_the_gateway() {
    let stage = Stage::set();
    let ada = TestPerson::new("Ada").role("admin");
    let token = stage.bearer(&ada);
    let sent = [
        ("authorization", &*token),
        ("x-auth-roles", "root"),
        ("x_auth_user_id", "1"),
        ("remote-user", "1"),
        ("dnt", "1"),
    ];
    let answer = stage.ask("/admin/%7ex?a=%61", &sent).await;
    assert_eq!(answer.status(), StatusCode::OK);
    let ours = "dnt,host,x-auth-amr,x-auth-email,x-auth-name,x-auth-permissions,x-auth-roles,x-auth-session,x-auth-time,x-auth-user-id";
    assert_eq!(
        *answer.body(),
        format!("/admin/~x?a=%61 Ada {ours}"),
        "the canonical path, our fields, no token"
    );
    let cookie = format!("theme=dark; __Host-stagedoor_access={}", stage.issuer.access(&ada));
    let answer = stage.ask("/api/x", &[("cookie", &cookie)]).await;
    assert!(answer.body().starts_with("/api/x Ada cookie,host"), "{}", answer.body());
    let answer = stage.ask("/public/x", &[("x-auth-roles", "admin")]).await;
    assert_eq!(*answer.body(), "/public/x nobody host");
}

/// As behind the gateway, but that nothing is renewed: the token that came is all there is.
#[tokio::test]
async fn i_14_a_route_that_forwards_the_token_forwards_the_one_that_came() {
    let stage = Stage::set();
    let source = PolicySource::default().rule("/public/**", Req::Public).rule("/api/**", Req::Authenticated);
    let route = RouteSource {
        path: "/**".into(),
        upstream: "app".into(),
        forward_token: true,
        ..RouteSource::default()
    };
    let policy = PolicySource { routes: vec![route], ..source }.compile().unwrap();
    stage.layer.enforce(policy, &stage.issuer.verifier());
    let inner = tower::service_fn(|request: Request<()>| async move {
        let cookies = request.headers().get(header::COOKIE).map_or("", |c| c.to_str().unwrap());
        Ok::<_, Infallible>(Response::new(cookies.to_owned()))
    });
    let ada = TestPerson::new("Ada");
    let refresh = "__Host-stagedoor_refresh=r3fresh";
    let access = |token: String| format!("__Host-stagedoor_access={token}");
    let (good, ended) = (access(stage.issuer.access(&ada)), access(stage.issuer.ended_access(&ada)));
    for (sent, path, status, seen) in [
        (format!("{good}; {refresh}"), "/api/x", 200, &*good),
        (format!("{ended}; {refresh}"), "/public/x", 200, &*ended),
        (format!("{ended}; {refresh}"), "/api/x", 401, ""),
        (refresh.to_owned(), "/public/x", 200, ""),
        (refresh.to_owned(), "/api/x", 401, ""),
    ] {
        let request =
            Request::get(path).header("host", "app.example").header("cookie", &sent).body(()).unwrap();
        let answer = stage.layer.layer(inner).oneshot(request).await.unwrap();
        assert_eq!(answer.status(), status, "{path} {sent}");
        assert!(status != 200 || answer.body() == seen, "{path} {sent}: {}", answer.body());
    }
}

#[tokio::test]
async fn j_01_a_refusal_says_why_to_the_log_and_not_to_the_client() {
    let stage = Stage::set();
    let ended = format!("Bearer {}", stage.issuer.ended_access(&TestPerson::new("Ada")));
    let answer = stage.ask("/api/x", &[("authorization", &ended)]).await;
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(answer.extensions().get(), Some(&Denied { reason: "token_expired" }));
    assert_eq!(answer.headers()[header::WWW_AUTHENTICATE], "Bearer error=\"invalid_token\"");
    assert!(!answer.body().contains("expired"), "{}", answer.body());
    let answer = stage.ask("/admin/x", &[("authorization", &stage.bearer(&TestPerson::new("Pat")))]).await;
    let body: serde_json::Value = serde_json::from_str(answer.body()).unwrap();
    assert_eq!((body["status"].as_u64(), body["reason"].as_str()), (Some(403), Some("role_required")));
}

#[tokio::test]
async fn what_is_in_force_stays_when_the_public_address_is_named_later() {
    let mut stage = Stage::set();
    let ada = stage.bearer(&TestPerson::new("Ada").role("admin"));
    stage.layer.enforce(policy("/elsewhere/**"), &stage.issuer.verifier());
    stage.layer = stage.layer.clone().public_url("https://events.example");
    let status = async |path: &str| stage.ask(path, &[("authorization", &ada)]).await.status();
    assert_eq!(
        (status("/admin/x").await, status("/elsewhere/x").await),
        (StatusCode::FORBIDDEN, StatusCode::OK)
    );
}

#[tokio::test]
async fn j_19_revocations_keys_and_rules_change_while_it_runs() {
    let stage = Stage::set();
    let ada = TestPerson::new("Ada").role("admin");
    let token = stage.bearer(&ada);
    let status = async || stage.ask("/admin/x", &[("authorization", &token)]).await.status();
    assert_eq!(status().await, StatusCode::OK);
    stage.layer.enforce(policy("/elsewhere/**"), &stage.issuer.verifier());
    assert_eq!(status().await, StatusCode::FORBIDDEN);
    stage.layer.enforce(policy("/admin/**"), &TestIssuer::new().verifier());
    assert_eq!(status().await, StatusCode::UNAUTHORIZED, "another key");
    stage.layer.enforce(policy("/admin/**"), &stage.issuer.verifier());
    assert_eq!(status().await, StatusCode::OK);
    stage.layer.revocations().revoke_session(ada.session(), NOW.after(Duration::from_secs(3600)));
    assert_eq!(status().await, StatusCode::UNAUTHORIZED);
    let bob = stage.bearer(&TestPerson::new("Bob").role("admin"));
    stage.clock.advance(Duration::from_secs(700));
    assert_eq!(
        stage.ask("/api/x", &[("authorization", &bob)]).await.status(),
        StatusCode::UNAUTHORIZED,
        "ended"
    );
}

#[tokio::test]
async fn f_01_forwarded_fields_are_nobodys_address() {
    let stage = Stage::set();
    let answer = stage.ask("/near/x", &[("x-forwarded-for", "10.1.2.3")]).await;
    assert_eq!(answer.extensions().get(), Some(&Denied { reason: "network_denied" }));
}

#[cfg(feature = "axum")]
#[tokio::test]
async fn axum_finds_the_way_below_a_nested_path_and_the_address() {
    use axum::{Router, body::Body, extract::ConnectInfo, extract::Path, routing::get};
    let stage = Stage::set();
    let who = |Path(id): Path<String>, who: Option<Principal>| async move {
        format!("{id} {}", who.map_or("nobody".into(), |p| p.name))
    };
    let inner = Router::new().route("/{id}", get(who)).layer(stage.layer.clone());
    let app = Router::new().nest("/api", inner.clone()).nest("/public", inner.clone()).nest("/near", inner);
    let token = stage.bearer(&TestPerson::new("Ada"));
    let ask = |path: &str, from: [u8; 4]| {
        let request = Request::get(path).header("host", "app.example").header("authorization", &token);
        let mut request = request.body(Body::empty()).unwrap();
        request.extensions_mut().insert(ConnectInfo(std::net::SocketAddr::from((from, 4711))));
        app.clone().oneshot(request)
    };
    for (path, from, status) in [
        ("/api/7", [192, 0, 2, 1], 200),
        ("/api/%7e", [192, 0, 2, 1], 200),
        ("/public/7", [192, 0, 2, 1], 200),
        ("/near/7", [10, 0, 0, 1], 200),
        ("/near/7", [192, 0, 2, 1], 403),
        ("/api/a%2fb", [192, 0, 2, 1], 400),
    ] {
        assert_eq!(ask(path, from).await.unwrap().status(), status, "{path}");
    }
}

/// The status for a principal, and the reason.
async fn required(layer: &RequireLayer, path: &str, who: Option<&TestPerson>) -> (u16, &'static str) {
    let mut request = Request::get(path).body(()).unwrap();
    if let Some(who) = who {
        request.extensions_mut().insert(who.principal(NOW));
    }
    let layer = layer.clone().clock(Arc::new(ManualClock::at(NOW)));
    let answer = layer.layer(echo()).oneshot(request).await.unwrap();
    (answer.status().as_u16(), answer.extensions().get::<Denied>().map_or("", |d| d.reason))
}

#[tokio::test]
async fn one_requirement_for_one_route() {
    let ada = TestPerson::new("Ada").role("admin").permission("events.*");
    let strong = ada.clone().mfa();
    let stale = strong.clone().signed_in_ago(Duration::from_secs(3600));
    let careful = Req::all_of([Req::role("admin"), Req::Mfa, Req::MaxAge(Duration::from_secs(600))]);
    let refused = |status, reason| (status, reason);
    let cases = [
        (Req::Public, None, (200, "")),
        (Req::Authenticated, None, (401, "unauthenticated")),
        (Req::role("admin"), Some(&ada), (200, "")),
        (Req::role("owner"), Some(&ada), refused(403, "role_required")),
        (Req::all_roles(["admin", "owner"]), Some(&ada), refused(403, "role_required")),
        (Req::permission("events.view"), Some(&ada), (200, "")),
        (Req::any_permission(["users.view", "events.edit"]), Some(&ada), (200, "")),
        (Req::permission("users.view"), Some(&ada), refused(403, "permission_required")),
        (Req::any_of([Req::role("owner"), Req::permission("events.view")]), Some(&ada), (200, "")),
        (Req::none_of(Req::role("admin")), Some(&ada), refused(403, "excluded")),
        (Req::none_of(Req::role("admin")), None, refused(401, "unauthenticated")),
        (careful.clone(), Some(&ada), refused(401, "mfa_required")),
        (careful.clone(), Some(&stale), refused(401, "step_up_required")),
        (careful, Some(&strong), (200, "")),
        (Req::Network(vec!["10.0.0.0/8".parse().unwrap()]), Some(&ada), refused(403, "network_denied")),
        (Req::Deny, Some(&strong), refused(403, "denied_by_rule")),
    ];
    for (requirement, who, wanted) in cases {
        let layer = require(requirement.clone()).unwrap();
        assert_eq!(required(&layer, "/x", who).await, wanted, "{requirement}");
    }
    let own = require_at("/users/{user}/**", Req::owner("user")).unwrap();
    assert_eq!(required(&own, &format!("/users/{}/x", ada.id()), Some(&ada)).await, (200, ""));
    assert_eq!(required(&own, "/users/me", Some(&ada)).await, (200, ""));
    assert_eq!(required(&own, "/users/1/x", Some(&ada)).await, (403, "not_owner"));
    assert_eq!(required(&own, "/other", Some(&ada)).await, (403, "no_rule"));
    for wrong in
        [Req::any_of([]), Req::owner("user"), Req::role("A B"), Req::permission(""), Req::named("staff")]
    {
        assert!(require(wrong.clone()).is_err(), "{wrong}");
    }
}

#[tokio::test]
async fn the_kit_makes_what_the_gateway_makes() {
    let issuer = TestIssuer::new();
    let ada = TestPerson::new("Ada").role("admin").permission("events.*");
    let ask = |token: String| {
        let request =
            Request::get("/").header("host", "a").header("x-auth-assertion", token).body(()).unwrap();
        issuer.gate_layer("events").layer(echo()).oneshot(request)
    };
    let answer = ask(issuer.assertion(&ada, "events")).await.unwrap();
    assert_eq!(*answer.body(), "/ Ada host");
    assert_eq!(ask(issuer.assertion(&ada, "billing")).await.unwrap().status(), StatusCode::UNAUTHORIZED);
    let stranger = TestIssuer::new().assertion(&ada, "events");
    assert_eq!(
        ask(stranger).await.unwrap().status(),
        StatusCode::UNAUTHORIZED,
        "given keys are all there are"
    );
    let bound = crate::token::RequestBinding { method: "GET", host: "a", path: "/" };
    assert_eq!(ask(issuer.assertion_for(&ada, "events", &bound)).await.unwrap().status(), StatusCode::OK);
}
