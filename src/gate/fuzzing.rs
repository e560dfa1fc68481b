//! What the fuzz targets reach of this part; compiled for them alone (`cfg(fuzzing)`).

use std::sync::Arc;

use http::HeaderMap;

use super::{Snapshot, Verified, permit};
use crate::model::Timestamp;
use crate::token::Rejection;

/// Takes our cookies out of a request, as far as a route with or without `forward_token` does.
pub fn strip_cookies(headers: &mut HeaderMap, forward_token: bool) {
    permit::strip_our_cookies(headers, forward_token);
    permit::join_cookies(headers);
}

/// Who holds `token`, with the cache.
///
/// # Errors
/// Why nobody does.
pub fn verify(snapshot: &Snapshot, token: &str, now: Timestamp) -> Result<Arc<Verified>, Rejection> {
    snapshot.verify(token, now)
}
