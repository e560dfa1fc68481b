//! What nodes share: a Redis that may be away at any time. Nobody waits for it longer than the configured time-out, and
//! nothing that must not be lost is kept there; every caller knows what to do without it.
//!
//! - `settings`   where it is · `topology`   one server, sentinel or cluster, read from the URL
//! - `connect`    connections to each of them, TLS and sign-on included
//! - `client`     [`Redis`]: one call with its time-out; connects, drops and connects again
//! - `breaker`    leaves a Redis that does not answer alone for a moment
//! - `script`     Lua, sent as a hash and as a text where the hash is not known (any more)
//! - `subscribe`  a channel that is joined again whenever it is lost
//! - `eviction`   refuses a Redis that may throw counters away

mod breaker;
mod client;
mod connect;
#[cfg(test)]
mod deployment_tests;
mod eviction;
mod jitter;
mod script;
mod settings;
mod subscribe;
#[cfg(test)]
pub(crate) mod test_server;
#[cfg(test)]
mod tests;
mod topology;

pub use client::{Away, Redis};
pub use eviction::Evicts;
pub use jitter::jitter;
pub use script::Script;
pub use settings::{Settings, Unusable};
pub use subscribe::{Event, Subscription};
