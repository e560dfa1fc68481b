//! The composition root: settings in, a running gateway out. The same constructor serves `main`, the demo and
//! the tests; only here do all parts meet.
//!
//! - `assemble`: opens the store and the keys, builds every part · `server`: listeners, start and stop ·
//!   `signals`: what ends the process · `listeners`: the sockets · `hand_over`: listeners for the next process
//! - `room`: how many connections there is room for
//! - `own`, `renew`: what the proxy calls back into · `in_force`: the running rules, for people
//! - `operator`: the separate listener · `reload`: new rules · `watch`: when their files change · `live`: what is in force
//! - `keys`: the key ring on its first start and after · `gauges`: levels for the metrics
//! - `feed`: what other nodes have ended
//! - `made`: a clock that cannot be right · `counters`: limits and turns, over the shared Redis if there is one
//! - `mail_test`: one mail, sent at once · `schema`: the store brought up to date ·
//!   `transfer`: the store moved or copied

mod assemble;
mod counters;
mod cutting;
mod error;
mod events;
mod feed;
#[cfg(fuzzing)]
mod fuzzing;
mod gauges;
mod hand_over;
mod in_force;
mod keys;
mod listeners;
mod live;
mod made;
mod mail_test;
mod operator;
mod own;
mod reload;
mod renew;
mod room;
mod schema;
mod server;
mod signals;
mod transfer;
mod watch;

pub use assemble::{Gateway, Office, Surroundings};
pub use error::StartError;
pub use hand_over::HandOverError;
pub use keys::{KeyChange, KeyKeeper, KeyStatus};
pub use mail_test::{TestMail, TestMailError, test_mail};
pub use schema::migrate;
pub use server::Running;
pub use transfer::{CopyError, backup, transfer};

pub use crate::store::{Migrated, Moved};
