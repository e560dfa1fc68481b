//! The reverse proxy: Pingora in front, the gate in the middle. A request's way through here is
//! `guard` (is this HTTP at all?) → `filter` (whose is it, and may it?) → `upstream` (where to).
//!
//! - `doors`: the listeners, and what waits in their queues at the end
//! - `guard`: owns each connection: head deadline and size, strict bytes (`strict`) · `connections`: how many there may be
//! - `chunks`: the same strictness for chunked bodies, as they pass through a `watched` connection
//! - `http2`: runs an HTTP/2 connection, stream by stream · `frames`: counts what only costs us
//! - `exchange`: which answers are under way, and for whom · `sweep`: cuts those that are no longer allowed
//! - `tls`: the handshake and the certificate, where the gateway does TLS itself
//! - `filter`: Pingora's phases, each a few lines; start reading there
//! - `forward_auth`: the same question, asked by another proxy that forwards by itself
//! - `head`: what the gate gets to see of a request · `handshake`: of a WebSocket · `forwarded`: who the client really
//!   is, `rfc7239`: in the words of that standard · `proxy_protocol`: the same, said of a whole connection
//! - `renewal`: new tokens for a browser whose access token has ended
//! - `upstream`: servers of each upstream and their peers, made from a `Permit` only · `forward`: what is tried again
//! - `bridge`: serves our own axum router inside the proxy
//! - `failure`: what an error on the way means to the client
//! - `pace`: how slowly a client may send or take · `note`: what is logged of a refusal, also in a flood
//! - `respond`: writes refusals, as pages for people and problem documents for programs · `http10`: answers without chunks
//! - `ctx`: what one request carries from phase to phase · `drain`: stopping without cutting anybody off

mod bridge;
mod chunks;
mod connections;
mod ctx;
mod doors;
mod drain;
mod exchange;
mod failure;
mod filter;
mod forward;
mod forward_auth;
mod forwarded;
mod frames;
#[cfg(fuzzing)]
#[doc(hidden)]
pub mod fuzzing;
mod guard;
mod handshake;
mod head;
mod http10;
mod http2;
mod note;
mod pace;
mod proxy_protocol;
mod renewal;
mod respond;
mod rfc7239;
mod settings;
mod strict;
mod sweep;
mod tls;
mod upstream;
mod watched;

pub use bridge::OwnApp;
pub use doors::Doors;
pub use drain::Drain;
pub use exchange::Exchanges;
pub use filter::{Front, FrontParts};
pub use guard::Guard;
pub use head::Client;
pub use renewal::{Renew, Renewal};
pub use respond::Pages;
pub use settings::{
    Balance, ForwardedFamily, Health, Limits, Protocol, Server, Settings, TlsListener, Upstream, UpstreamTls,
};
pub use tls::{CertificateError, Tls};
pub use upstream::{BadAuthorities, Upstreams, WatchService};
