//! The whole gateway in this process: any bytes on one connection, as people of every kind, through guard, Pingora,
//! filter and gate to an upstream of ours; what arrives there is held against a slow reading of what was sent.
//!
//! - `stage`: the gateway, its people, and one connection after the other · `stream`: a connection in memory
//! - `upstream`: the application behind, which keeps every byte · `wish`: requests made of pieces that matter
//! - `wish_h2`: the same over HTTP/2 · `frames`: its frames
//! - `sent`: what was sent, read slowly · `streams`: the same for HTTP/2
//! - `judge`: the invariants · `parsers`, `reference`, `h2_bytes`: from the integration tests

mod frames;
#[path = "../../../tests/it/support/h2_bytes.rs"]
mod h2_bytes;
mod judge;
#[path = "../../../tests/it/support/parsers.rs"]
mod parsers;
#[path = "../../../tests/it/support/reference.rs"]
mod reference;
mod sent;
mod stage;
mod stream;
mod streams;
mod upstream;
mod wish;
mod wish_h2;

use std::cell::RefCell;

use arbitrary::Unstructured;

pub use stage::Person;
use stage::Stage;

/// The sample policy, as `reference` asks for it.
mod setup {
    /// Path and requirement of each rule.
    pub const RULES: &[(&str, &str)] = &[
        ("/public/**", "public"),
        ("/api/**", "authenticated"),
        ("/admin/**", "{ role: admin }"),
        ("/mfa/**", "{ mfa: true }"),
        ("/ws", "authenticated"),
    ];
}

thread_local! {
    static STAGE: RefCell<Stage> = RefCell::new(Stage::new());
}

/// Starts the gateway, which is no part of any input's time.
pub fn start_gateway() {
    STAGE.with_borrow(|_| {});
}

/// Any conversation over HTTP/1: what the upstream got is what was sent and allowed, under every reading.
pub fn gateway(data: &[u8]) {
    play(data, wish::chunks);
}

/// The same over HTTP/2, by prior knowledge.
pub fn gateway_h2(data: &[u8]) {
    play(data, wish_h2::chunks);
}

type Wish = fn(&mut Unstructured<'_>, &[Person]) -> arbitrary::Result<Vec<Vec<u8>>>;

fn play(data: &[u8], wish: Wish) {
    STAGE.with_borrow_mut(|stage| {
        // Too few bytes make no case.
        let Ok(chunks) = wish(&mut Unstructured::new(data), stage.people()) else { return };
        let seen = stage.converse(&chunks);
        judge::judge(stage.people(), &chunks.concat(), &seen);
    });
}
