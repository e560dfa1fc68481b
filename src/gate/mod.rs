//! The gate: a request head goes in, a [`Verdict`] comes out. Awaits nothing: all it needs is in one
//! immutable [`Snapshot`]. The proxy, the Tower layer and the forward-auth endpoint are thin fronts over it.
//!
//! - `decide`: the order of checks, from the raw path to the verdict; start reading there
//! - `again`: the same question about a request whose answer is still under way
//! - `credentials`: which token a request carries, and whether two of them contradict
//! - `verified`: a checked token with everything that can be prepared for it, and the cache of those
//! - `identity`: which headers a client may never set, and the ones set for the upstream
//! - `permit`: what an allowed verdict hands to the front; nothing reaches an upstream without one
//! - `refusal`: the only table from a refusal to status and words
//! - `cross_site`, `client_kind`, `return_target`: what the browser says about a request, and where to go after sign-in

#[cfg(feature = "gateway")]
mod again;
#[cfg(feature = "gateway")]
mod client_kind;
#[cfg(feature = "gateway")]
mod credentials;
#[cfg(feature = "gateway")]
mod cross_site;
#[cfg(feature = "gateway")]
mod decide;
mod identity;
#[cfg(feature = "gateway")]
mod permit;
mod principal;
#[cfg(feature = "gateway")]
mod refusal;
#[cfg(feature = "gateway")]
mod return_target;
mod settings;
#[cfg(feature = "gateway")]
mod snapshot;
#[cfg(feature = "gateway")]
mod verified;

#[cfg(feature = "gateway")]
pub use client_kind::ClientKind;
#[cfg(feature = "gateway")]
pub use credentials::{CookieNames, Credentials, Presented};
#[cfg(feature = "gateway")]
pub use cross_site::CrossSite;
#[cfg(feature = "gateway")]
pub use decide::{Gate, Own, Renewed, RequestHead, Verdict};
pub use identity::is_reserved_header;
#[cfg(feature = "gateway")]
pub use permit::Permit;
pub use principal::Principal;
#[cfg(feature = "gateway")]
pub use refusal::{HeadRefusal, Refusal, UpstreamFailure};
#[cfg(feature = "gateway")]
pub use return_target::ReturnTargets;
pub use settings::{AssertionMode, IdentityNames, Settings};
#[cfg(feature = "gateway")]
pub use snapshot::{Snapshot, SnapshotParts, UpstreamIdentity};
#[cfg(feature = "gateway")]
pub use verified::Verified;
