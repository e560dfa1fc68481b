//! Plain values that every part may use. No I/O beyond the system clock and the system's random
//! source (each behind a trait), no async.

mod client_ip;
mod clock;
mod email;
mod entropy;
mod ids;
mod role;
mod secret;

pub use client_ip::ClientIp;
pub use clock::{Clock, ManualClock, SystemClock, Timestamp};
pub use email::{Email, InvalidEmail};
pub use entropy::{Entropy, SystemEntropy};
pub use ids::{AccountId, CodeId, DeviceId, InvalidId, RequestId, SessionId, TokenId};
pub use role::{InvalidName, Permission, RoleName};
pub use secret::{Secret, constant_time_eq};
