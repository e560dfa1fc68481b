//! Tells the proxy when tokens end, so that it cuts the streams they opened.

use std::sync::Arc;

use super::feed::Doubt;
use crate::proxy::Exchanges;
use crate::token::{Ended, Heard, Witness};

/// The exchanges as somebody who wants to know of every end.
pub(super) struct Cutting(pub(super) Arc<Exchanges>);

impl Witness for Cutting {
    fn ended(&self, _what: Ended, _heard: Heard) {
        self.0.tokens_ended();
    }
}

/// Cuts what may have ended unnoticed.
pub(super) fn on_doubt(exchanges: &Arc<Exchanges>) -> Doubt {
    let exchanges = exchanges.clone();
    Box::new(move || exchanges.doubt())
}
