//! The gate: a request head goes in, a [`Verdict`] comes out. Awaits nothing: all it needs is in one
//! immutable [`Snapshot`]. The proxy, the Tower layer and the forward-auth endpoint are thin fronts over it.
//!
//! - `decide`: the order of checks, from the raw path to the verdict; start reading there
//! - `again`: the same question about a request whose answer is still under way
//! - `form`: what a request line has to look like, for every front
//! - `credentials`: which token a request carries, and whether two of them contradict
//! - `verified`: a checked token with everything that can be prepared for it, and the cache of those
//! - `identity`: which headers a client may never set, and the ones set for the upstream
//! - `permit`: what an allowed verdict hands to the front; nothing reaches an upstream without one
//! - `refusal`: the only table from a refusal to status and words
//! - `loggable`: what of a path may be written down
//! - `cross_site`, `client_kind`, `return_target`: what the browser says about a request, and where to go after sign-in

#[cfg(feature = "gateway")]
mod again;
mod client_kind;
mod credentials;
mod cross_site;
mod decide;
pub mod form;
#[cfg(fuzzing)]
#[doc(hidden)]
pub mod fuzzing;
mod identity;
mod loggable;
mod permit;
mod principal;
mod refusal;
mod return_target;
mod settings;
mod snapshot;
mod verified;

pub use client_kind::ClientKind;
pub use credentials::{CookieNames, Credentials, Presented};
pub use cross_site::CrossSite;
pub use decide::{Gate, Own, Renewed, RequestHead, Verdict};
pub use identity::is_reserved_header;
pub use permit::Permit;
pub use principal::Principal;
pub use refusal::{HeadRefusal, Refusal, UpstreamFailure};
pub use return_target::ReturnTargets;
pub use settings::{AssertionMode, IdentityNames, Settings};
pub use snapshot::{Snapshot, SnapshotParts, UnknownUpstream, UpstreamIdentity};
pub use verified::Verified;
