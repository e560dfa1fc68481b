//! Stagedoor as a Tower layer, for Rust services: behind the gateway, or with the gateway's rules in their own process.
//!
//! | | who decides | what the request brings | what is asked |
//! |---|---|---|---|
//! | [`GateLayer::from_gateway`] | the gateway, before | its signed assertion | nothing more: who it is |
//! | [`GateLayer::from_policy`] | this layer | an access token, as a bearer or in our cookie | the same rules as in the gateway |
//! | [`require`] | one route | the `Principal` of one of the two | one requirement in the words of the rules |
//!
//! All of them leave a [`Principal`](crate::gate::Principal) in the request's extensions, or nothing for an anonymous
//! request; feature `axum` makes it an extractor. They work with any `Service<http::Request<B>>` whose response body can
//! be made from a `String`, which is how refusals get their text: `String` itself, `http_body_util::Full<Bytes>`,
//! `axum::body::Body`. Map the body of other services first (`tower_http::map_response_body`). Behind `from_gateway` it
//! must be `Clone` as well: a request that waits for keys takes the service along that was ready for it. The futures have
//! names, and a request that passes boxes nothing.
//!
//! Refusals are problem documents (RFC 9457). What is asked by the gate (`from_policy`, `require`) says what the gateway
//! would say, and has [`Denied`] with the stable reason in the response's extensions, for logs.
//!
//! # Behind the gateway
//!
//! The gateway adds a signed assertion (`X-Auth-Assertion`) to what it forwards. [`GateLayer`] verifies it with the
//! gateway's published keys:
//!
//! | the request brings | what happens |
//! |---|---|
//! | one assertion that holds | passes, with a `Principal` |
//! | no identity header at all | passes, anonymous, without a `Principal` |
//! | plain identity headers (`X-Auth-Roles` …) without an assertion | 401 |
//! | an assertion that does not hold, or more than one | 401 |
//! | an assertion while the gateway's keys cannot be had | 503 with `Retry-After` |
//!
//! Every header of the `X-Auth-` family is removed before the service inside sees the request, in the
//! spellings with `_` and `.` as well. What is left to believe is the `Principal`.
//!
//! The keys are fetched with the first assertion, kept, and fetched again when an assertion names a key
//! that is not among them, at most every ten seconds and one fetch at a time. After five minutes they are
//! renewed beside the requests. With keys at hand a request neither waits nor allocates a future.
//!
//! ```
//! # #[cfg(feature = "axum")] {
//! use axum::{Router, body::Body, http::{Request, StatusCode}, routing::get};
//! use stagedoor::gate::Principal;
//! use stagedoor::policy::RequirementSource as Req;
//! use stagedoor::tower_layer::{GateLayer, require};
//! use tower_service::Service;
//!
//! async fn hello(who: Option<Principal>) -> String {
//!     who.map_or("hello, stranger".into(), |p| format!("hello, {}", p.name))
//! }
//!
//! async fn mine(who: Principal) -> String {
//!     format!("the things of {}", who.id)
//! }
//!
//! let layer = GateLayer::from_gateway("http://127.0.0.1:8080/auth/.well-known/jwks.json", "events").unwrap();
//! let staff = require(Req::any_role(["admin", "organizer"])).unwrap();
//! let mut app = Router::new()
//!     .route("/", get(hello))
//!     .route("/mine", get(mine))
//!     .route("/all", get(mine).layer(staff))
//!     .layer(layer);
//!
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
//! let anonymous = app.call(Request::get("/").body(Body::empty()).unwrap()).await.unwrap();
//! assert_eq!(anonymous.status(), StatusCode::OK);
//!
//! for path in ["/mine", "/all"] {
//!     let nobody = app.call(Request::get(path).body(Body::empty()).unwrap()).await.unwrap();
//!     assert_eq!(nobody.status(), StatusCode::UNAUTHORIZED);
//! }
//!
//! // Somebody who reached the service around the gateway and made up a role:
//! let spoofed = Request::get("/").header("x-auth-roles", "admin").body(Body::empty()).unwrap();
//! assert_eq!(app.call(spoofed).await.unwrap().status(), StatusCode::UNAUTHORIZED);
//! # }); }
//! ```
//!
//! # Standing alone
//!
//! [`GateLayer::from_policy`] enforces rules and tokens itself. The same path spellings are refused and the same readings
//! judged as in the gateway, because it is the same code; one table of cases runs through both. Inside, the request is
//! as it would be behind the gateway: the path in its canonical form, the `X-Auth-` headers ours, access token, our
//! cookies and whatever else clients may not set (`X-Forwarded-*`, `X-Request-Id` …) removed. Nobody signs in here and
//! nothing is refreshed; the tokens come from a gateway somewhere else.
//!
//! Here on plain hyper; in a server, `serve_connection` of hyper takes the wrapped service.
//!
//! ```
//! use std::{convert::Infallible, future::{Ready, ready}, task::{Context, Poll}};
//! use http::{Request, Response, StatusCode};
//! use hyper_util::service::TowerToHyperService;
//! use stagedoor::gate::Principal;
//! use stagedoor::policy::{PolicySource, RequirementSource as Req};
//! use stagedoor::token::Verifier;
//! use stagedoor::tower_layer::GateLayer;
//! use tower_layer::Layer;
//!
//! #[derive(Clone)]
//! struct Hello;
//!
//! impl<B> tower_service::Service<Request<B>> for Hello {
//!     type Response = Response<String>;
//!     type Error = Infallible;
//!     type Future = Ready<Result<Response<String>, Infallible>>;
//!
//!     fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
//!         Poll::Ready(Ok(()))
//!     }
//!
//!     fn call(&mut self, request: Request<B>) -> Self::Future {
//!         let name = request.extensions().get::<Principal>().map_or("stranger", |p| &p.name);
//!         ready(Ok(Response::new(format!("hello, {name}"))))
//!     }
//! }
//!
//! // `config::rules` (feature `yaml`) reads the same from the gateway's configuration.
//! let policy = PolicySource::default()
//!     .role("admin", ["*"])
//!     .rule("/", Req::Public)
//!     .rule("/admin/**", Req::role("admin"))
//!     .compile()
//!     .unwrap();
//! // What the gateway publishes at /auth/.well-known/jwks.json:
//! let jwks = r#"{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"1","alg":"EdDSA","use":"sig",
//!     "x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;
//! let keys = Verifier::from_jwks(jwks, "https://app.example.org", "stagedoor").unwrap();
//! let service = TowerToHyperService::new(GateLayer::from_policy(policy, &keys).layer(Hello));
//!
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
//! use hyper::service::Service;
//! let ask = |path: &str| service.call(Request::get(path).header("host", "app.example.org").body(()).unwrap());
//! assert_eq!(ask("/").await.unwrap().body(), "hello, stranger");
//! assert_eq!(ask("/admin/x").await.unwrap().status(), StatusCode::UNAUTHORIZED);
//! assert_eq!(ask("/admin/..%2fx").await.unwrap().status(), StatusCode::BAD_REQUEST);
//! assert_eq!(ask("/elsewhere").await.unwrap().status(), StatusCode::FORBIDDEN, "what no rule allows");
//! # });
//! ```
//!
//! # Deployment
//!
//! - **Nobody but the gateway should reach a service behind it**: listen on loopback or in a private network. If
//!   somebody does get around the gateway, the layer still lets nobody claim to be somebody else, because
//!   nobody else can sign; but such a request is not held against the gateway's rules, and an anonymous one
//!   passes.
//! - Fetch the keys over a way you trust: loopback, a private network, or `https`. `from_gateway` needs a Tokio runtime
//!   with timers and I/O enabled.
//! - `from_policy` reads its keys once: give new ones to [`PolicyLayer::enforce`] before the gateway signs with them
//!   (`token.publish_before`), and the same for new rules. It does not hear of sign-outs elsewhere: access tokens live until
//!   they end, 10 minutes by default, unless you tell [`PolicyLayer::revocations`].
//! - `from_policy` knows a client's address from a [`ClientIp`](crate::model::ClientIp) in the extensions, or from axum's
//!   `ConnectInfo<SocketAddr>`. Without either, no `network` requirement holds. It reads no `X-Forwarded-For`: behind a
//!   load balancer, a layer of yours outside has to.
//! - Put `from_gateway` outside of layers that rewrite the path when the gateway binds assertions to the request
//!   (`assertion: request`), and `from_policy` outside of everything that looks at the path: around the whole router. A
//!   prefix that axum's `nest` cuts off is known to both.
//! - The clocks of all machines may differ by a few seconds, not more.
//!
//! For tests of services there is `test_kit` (feature `test-kit`). `examples/tower-axum.rs` and `examples/tower-hyper.rs`
//! are whole services.

mod admit;
mod enforce;
#[cfg(test)]
mod enforce_tests;
#[cfg(feature = "axum")]
mod extract;
mod future;
mod guarded;
mod identity;
mod jwks;
mod layer;
mod refusal;
mod request;
mod require;
mod service;
#[cfg(all(test, feature = "gateway"))]
mod tests;

pub use enforce::{PolicyLayer, PolicyService};
#[cfg(feature = "axum")]
pub use extract::SignInRequired;
pub use future::ResponseFuture;
pub use guarded::Guarded;
pub use jwks::KeySourceError;
pub use layer::GateLayer;
pub use refusal::Denied;
pub use require::{RequireLayer, RequireService, require, require_at};
pub use service::GateService;
