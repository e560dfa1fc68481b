//! Stagedoor: an authentication gateway. One binary in front of an existing application serves the account system,
//! checks a JWT on every request, enforces role rules and tells the application who is asking.
//!
//! The map of the house (docs/ARCHITECTURE.md has the tour):
//!
//! - [`model`]: plain values · [`policy`]: rules to decisions · [`token`]: keys, access tokens, assertions
//! - [`gate`]: a request head in, a verdict out
//! - `proxy`: the Pingora front over the gate · [`tower_layer`]: the same identity, and the same rules, for Rust services
//! - `account`: the use cases, one file each · `web`: their two doors, JSON and pages
//! - `store`, `mail`, `limiter`, `jobs`, `metrics`: what the use cases stand on · `shared`: the Redis that nodes share
//! - `config`: the only reader of YAML · `app`: puts everything together · `cli`: the commands
//!
//! As a library (`default-features = false, features = ["tower"]`) this is the Tower layer and what it
//! needs; `axum` adds extractors, `yaml` reads rules, `test-kit` makes people for tests. The rest belongs to the
//! feature `gateway`.

// The event app of the demo is also an example, where it knows this crate by its name.
#[cfg(feature = "gateway")]
extern crate self as stagedoor;

#[cfg(feature = "yaml")]
pub mod config;
pub mod gate;
pub mod model;
pub mod policy;
#[cfg(any(feature = "test-kit", all(test, feature = "tower")))]
pub mod test_kit;
pub mod token;
#[cfg(feature = "tower")]
pub mod tower_layer;

#[cfg(feature = "gateway")]
pub mod account;
#[cfg(feature = "gateway")]
pub mod app;
#[cfg(feature = "gateway")]
pub mod cli;
#[cfg(feature = "gateway")]
pub mod jobs;
#[cfg(feature = "gateway")]
pub mod limiter;
#[cfg(feature = "gateway")]
pub mod mail;
#[cfg(feature = "gateway")]
pub mod metrics;
#[cfg(feature = "gateway")]
pub mod proxy;
#[cfg(feature = "gateway")]
pub mod shared;
#[cfg(feature = "gateway")]
pub mod store;
#[cfg(feature = "gateway")]
pub mod web;
