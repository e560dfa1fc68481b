//! What handlers take from a request: strictly read bodies, and what the gateway found out before.

mod body;
mod context;
mod params;
mod query;

pub use body::{Form, Hidden, Json, is_form};
pub use context::{Caller, ClientInfo, Member, Presented, Unsure, Visitor};
pub use params::{Limit, Params, cursor};
pub use query::Query;
