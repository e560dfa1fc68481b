//! The bodies of the fuzz targets: plain functions from bytes, so that any program can drive them.
//!
//! - `rules`: `path` and `decision` · `raw_head`: the bytes of an HTTP/1 head · `forwarded`: who the client is
//! - `jwt`: which tokens are believed · `cookies`: which are read, and which are taken out
//! - `config`: the configuration file · `gateway`, `gateway_h2`: whole connections, up to what an upstream receives
//!
//! `scripts/fuzz` runs them. On a stable toolchain: `RUSTC_BOOTSTRAP=1 cargo fuzz run path`. The targets below
//! `cfg(fuzzing)` reach what is private in the crate and exist under `cargo fuzz` alone; `examples/drive.rs` drives the
//! others without it.

#[cfg(fuzzing)]
mod config;
#[cfg(fuzzing)]
mod cookies;
#[cfg(fuzzing)]
mod forwarded;
#[cfg(fuzzing)]
mod gateway;
#[cfg(fuzzing)]
mod jwt;
#[cfg(fuzzing)]
mod raw_head;
mod rules;

#[cfg(fuzzing)]
pub use self::{
    config::config, cookies::cookies, forwarded::forwarded, gateway::gateway, gateway::gateway_h2,
    gateway::start_gateway, jwt::jwt, raw_head::raw_head,
};
pub use rules::{decision, path};
