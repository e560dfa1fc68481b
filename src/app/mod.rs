//! The composition root: settings in, a running gateway out. The same constructor serves `main`, the demo and
//! the tests; only here do all parts meet.
//!
//! - `assemble`: opens the store and the keys, builds every part · `server`: listeners, start and stop
//! - `own`, `renew`: what the proxy calls back into · `operator`: the separate listener · `reload`: new rules
//! - `keys`: the key ring on its first start and after · `live`: what is in force · `gauges`: levels for the metrics

mod assemble;
mod error;
mod events;
mod gauges;
mod keys;
mod live;
mod operator;
mod own;
mod reload;
mod renew;
mod server;

pub use assemble::{Gateway, Office, Surroundings};
pub use error::StartError;
pub use keys::{KeyChange, KeyKeeper, KeyStatus};
pub use server::Running;
