//! The stage: a gateway, an upstream, people and raw sockets.
//!
//! - `app`: [`TestApp`], the gateway under test · `setup`: what a test may choose about it
//! - `judge`: [`TestApp::case`] sends bytes and asserts the invariants of the security page · `reference`: how ten
//!   other programs might read a path, against the sample policy · `journal`: what the gateway logs meanwhile
//! - `people`: accounts and their tokens · `browser`: a cookie jar and Fetch Metadata
//! - `upstream`: the raw application behind, `websocket`: its frames · `parsers`: how other servers would cut the
//!   bytes it got into requests, `outside`: how programs that nobody here wrote do
//! - `flow`: answers that do not end by themselves
//! - `wire`: HTTP/1.1 without a library · `h2`: HTTP/2 frames by hand (`h2_bytes`)
//! - `node`: the gateway as a process, `postgres`, `redis`: the servers it needs, to be killed, stopped and started
//! - `fault_proxy`: what goes wrong on the way to them · `load`: honest people and others meanwhile, `load_report`:
//!   how they fared, `exchange`: a request that nobody waits for
//! - `steady`: requests that must all be answered while gateways come and go
//! - `crowd`: many connections that only sit there
//! - `front_proxy`, `haproxy`: other proxies in front

#![expect(dead_code, reason = "a kit; not every tool is in use at any time")]

mod app;
mod browser;
pub mod crowd;
pub mod exchange;
pub mod fault_proxy;
pub mod flow;
mod front_proxy;
pub mod h2;
mod h2_bytes;
mod haproxy;
pub mod journal;
mod judge;
mod load;
mod load_report;
mod node;
mod outside;
mod parsers;
mod people;
mod postgres;
mod redis;
mod reference;
mod setup;
mod steady;
mod upstream;
mod websocket;
mod wire;

use std::time::Duration;

pub use app::TestApp;
pub use browser::Browser;
pub use fault_proxy::{FaultProxy, Mode};
pub use front_proxy::FrontProxy;
pub use haproxy::Haproxy;
pub use judge::Seen;
pub use load::{Load, PROXIED_EVERY, Tokens, tokens_in};
pub use load_report::{Class, Outcome, Report};
pub use node::{Node, assert_sound_log};
pub use people::{PASSWORD, Person};
pub use postgres::{Database, PostgresServer};
pub use redis::RedisServer;
pub use setup::Setup;
pub use steady::{Ask, Fared, Steady};
pub use upstream::{Next, Received, Upstream};
pub use websocket::{client_frame, server_frame};
pub use wire::{Answer, RawClient, Silence, find, get, request};

/// Asks again and again until there is an answer; gives up after ten seconds.
pub fn until<T>(what: &str, look: impl FnMut() -> Option<T>) -> T {
    within_patience(look).unwrap_or_else(|| panic!("{what} did not come"))
}

/// The same where it is for the caller to say what is wrong.
pub fn within_patience<T>(mut look: impl FnMut() -> Option<T>) -> Option<T> {
    for _ in 0..2000 {
        let found = look();
        if found.is_some() {
            return found;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    None
}
