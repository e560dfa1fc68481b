//! Stagedoor's identity as a Tower layer, for Rust services behind the gateway.
//!
//! The gateway adds a signed assertion (`X-Auth-Assertion`) to what it forwards. [`GateLayer`] verifies it
//! with the gateway's published keys and puts a [`Principal`](crate::gate::Principal) into the request's
//! extensions:
//!
//! | the request brings | what happens |
//! |---|---|
//! | one assertion that holds | passes, with a `Principal` |
//! | no identity header at all | passes, anonymous, without a `Principal` |
//! | plain identity headers (`X-Auth-Roles` …) without an assertion | 401 |
//! | an assertion that does not hold, or more than one | 401 |
//! | an assertion while the gateway's keys cannot be had | 503 with `Retry-After` |
//!
//! Refusals are problem documents (RFC 9457) with a stable `reason`. The layer does not decide who may do
//! what: the rules of the gateway do that before, and your handlers where it depends on the object.
//!
//! Every header of the `X-Auth-` family is removed before the service inside sees the request, in the
//! spellings with `_` and `.` as well. What is left to believe is the `Principal`.
//!
//! The keys are fetched with the first assertion, kept, and fetched again when an assertion names a key
//! that is not among them, at most every ten seconds and one fetch at a time. After five minutes they are
//! renewed beside the requests. With keys at hand a request neither waits nor allocates a future.
//!
//! # With axum
//!
//! Feature `axum` makes `Principal` an extractor; `Option<Principal>` where anonymous people are welcome.
//!
//! ```
//! # #[cfg(feature = "axum")] {
//! use axum::{Router, body::Body, http::{Request, StatusCode}, routing::get};
//! use stagedoor::gate::Principal;
//! use stagedoor::tower_layer::GateLayer;
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
//! let mut app = Router::new().route("/", get(hello)).route("/mine", get(mine)).layer(layer);
//!
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
//! let anonymous = app.call(Request::get("/").body(Body::empty()).unwrap()).await.unwrap();
//! assert_eq!(anonymous.status(), StatusCode::OK);
//!
//! let nobody = app.call(Request::get("/mine").body(Body::empty()).unwrap()).await.unwrap();
//! assert_eq!(nobody.status(), StatusCode::UNAUTHORIZED);
//!
//! // Somebody who reached the service around the gateway and made up a role:
//! let spoofed = Request::get("/").header("x-auth-roles", "admin").body(Body::empty()).unwrap();
//! assert_eq!(app.call(spoofed).await.unwrap().status(), StatusCode::UNAUTHORIZED);
//! # }); }
//! ```
//!
//! # With any other Tower service
//!
//! Any `Service<http::Request<B>> + Clone` will do whose response body can be made from a `String`, which
//! is how refusals get their text: `String` itself, `http_body_util::Full<Bytes>`, `axum::body::Body`. Map
//! the body of other services first (`tower_http::map_response_body`).
//!
//! ```
//! use std::{convert::Infallible, future::{Ready, ready}, task::{Context, Poll}};
//! use http::{Request, Response, StatusCode};
//! use stagedoor::gate::Principal;
//! use stagedoor::tower_layer::GateLayer;
//! use tower_layer::Layer;
//! use tower_service::Service;
//!
//! #[derive(Clone)]
//! struct Hello;
//!
//! impl<B> Service<Request<B>> for Hello {
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
//! let layer = GateLayer::from_gateway("http://127.0.0.1:8080/auth/.well-known/jwks.json", "events").unwrap();
//! let mut service = layer.layer(Hello);
//!
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
//! let answer = service.call(Request::new(())).await.unwrap();
//! assert_eq!(answer.body(), "hello, stranger");
//!
//! let garbage = Request::builder().header("x-auth-assertion", "a.b.c").header("x-auth-assertion", "d.e.f");
//! let answer = service.call(garbage.body(()).unwrap()).await.unwrap();
//! assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
//! # });
//! ```
//!
//! For hyper, wrap it in `hyper_util::service::TowerToHyperService` and serve that.
//!
//! # Deployment
//!
//! - **Nobody but the gateway should reach the service**: listen on loopback or in a private network. If
//!   somebody does get around the gateway, the layer still lets nobody claim to be somebody else, because
//!   nobody else can sign; but such a request is not held against the gateway's rules, and an anonymous one
//!   passes.
//! - Fetch the keys over a way you trust: loopback, a private network, or `https`.
//! - The layer needs a Tokio runtime with timers and I/O enabled.
//! - Put it outside of layers that rewrite the path when the gateway binds assertions to the request
//!   (`assertion: request`); a path prefix that axum's `nest` cuts off is known to it.
//! - The clocks of both machines may differ by a few seconds, not more.

mod admit;
#[cfg(feature = "axum")]
mod extract;
mod future;
mod identity;
mod jwks;
mod layer;
mod refusal;
mod service;
#[cfg(all(test, feature = "gateway"))]
mod tests;

#[cfg(feature = "axum")]
pub use extract::SignInRequired;
pub use future::ResponseFuture;
pub use jwks::KeySourceError;
pub use layer::GateLayer;
pub use service::GateService;
