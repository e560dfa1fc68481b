//! A service in axum that carries the rules itself: no gateway forwards to it, but the tokens are a gateway's.
//!
//! ```text
//! curl http://localhost:8080/auth/.well-known/jwks.json > jwks.json
//! cargo run --no-default-features --features axum,yaml,test-kit --example tower-axum -- jwks.json http://localhost:8080
//! curl -H "Authorization: Bearer $ACCESS" http://127.0.0.1:3001/notes/
//! ```
//!
//! `test-kit` is for the tests below; a service has it among its dev-dependencies only.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::routing::{delete, get};
use stagedoor::config;
use stagedoor::gate::Principal;
use stagedoor::policy::RequirementSource as Req;
use stagedoor::token::Verifier;
use stagedoor::tower_layer::{GateLayer, require};

/// The same words as in the gateway's `config.yaml`, which would do as well.
const RULES: &str = "
roles:
  admin: { permissions: ['*'] }
  author: { permissions: [notes.view, notes.edit] }
  reader: { permissions: [notes.view] }
rules:
  - { path: /, allow: public }
  - { path: /notes/**, methods: [GET], allow: { permission: notes.view } }
  - { path: /notes/**, allow: { permission: notes.edit } }
  - { path: '/people/{person}/**', allow: { any_of: [{ owner: person }, { role: admin }] } }
";

type Fault = Box<dyn std::error::Error>;

/// Everything is behind the rules; one route asks for more.
fn app(keys: Verifier) -> Result<Router, Fault> {
    let gate = GateLayer::from_policy(config::rules(RULES, "rules.yaml")?, &keys);
    let careful = require(Req::all_of([Req::Mfa, Req::MaxAge(Duration::from_secs(600))]))?;
    Ok(Router::new()
        .route("/", get(hello))
        .route("/notes/{id}", get(show))
        .route("/notes/{id}", delete(gone).layer(careful))
        .route("/people/{person}/", get(show))
        .layer(gate))
}

async fn hello(who: Option<Principal>) -> String {
    who.map_or_else(|| "hello, stranger".to_owned(), |who| format!("hello, {}", who.name))
}

async fn show(who: Principal) -> String {
    format!("for {}", who.name)
}

async fn gone() -> &'static str {
    "gone"
}

fn main() -> Result<(), Fault> {
    let mut arguments = std::env::args().skip(1);
    let (Some(keys), Some(issuer)) = (arguments.next(), arguments.next()) else {
        return Err("usage: tower-axum JWKS-FILE ISSUER".into());
    };
    let keys = Verifier::from_jwks(&std::fs::read_to_string(keys)?, &issuer, "stagedoor")?;
    let app = app(keys)?.into_make_service_with_connect_info::<SocketAddr>();
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:3001").await?;
        Ok(axum::serve(listener, app).await?)
    })
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use http::{Request, StatusCode};
    use stagedoor::test_kit::{TestIssuer, TestPerson};
    use tower::ServiceExt as _;

    use super::*;

    async fn ask(issuer: &TestIssuer, method: &str, path: &str, who: Option<&TestPerson>) -> StatusCode {
        let mut request = Request::builder().method(method).uri(path).header("host", "notes.example");
        if let Some(who) = who {
            request = request.header("authorization", format!("Bearer {}", issuer.access(who)));
        }
        let app = app(issuer.verifier()).unwrap();
        app.oneshot(request.body(Body::empty()).unwrap()).await.unwrap().status()
    }

    #[tokio::test]
    async fn the_rules_hold() {
        let issuer = TestIssuer::new();
        let (reader, author) = (TestPerson::new("Rea").role("reader"), TestPerson::new("Ada").role("author"));
        let careful = author.clone().mfa();
        let own = format!("/people/{}/", reader.id());
        for (method, path, who, status) in [
            ("GET", "/", None, StatusCode::OK),
            ("GET", "/notes/1", None, StatusCode::UNAUTHORIZED),
            ("GET", "/notes/1", Some(&reader), StatusCode::OK),
            ("DELETE", "/notes/1", Some(&reader), StatusCode::FORBIDDEN),
            ("DELETE", "/notes/1", Some(&author), StatusCode::UNAUTHORIZED),
            ("DELETE", "/notes/1", Some(&careful), StatusCode::OK),
            ("GET", &own, Some(&reader), StatusCode::OK),
            ("GET", &own, Some(&author), StatusCode::FORBIDDEN),
            ("GET", "/nothing", Some(&author), StatusCode::FORBIDDEN),
            ("GET", "/notes/%2e%2e/x", Some(&author), StatusCode::BAD_REQUEST),
        ] {
            assert_eq!(ask(&issuer, method, path, who).await, status, "{method} {path}");
        }
    }
}
