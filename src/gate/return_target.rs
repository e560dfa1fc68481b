//! Where to go after sign-in: a path on this origin, signed so that nobody else can choose it.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::{Refusal, Snapshot};
use crate::model::constant_time_eq;
use crate::token::Vault;

const LABEL: &str = "return-target";
const QUERY: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'/');
/// Longer targets are dropped; people then land on the home page.
const MAX_TARGET: usize = 2048;

/// Signs and checks return targets.
#[derive(Clone)]
pub struct ReturnTargets {
    vault: Arc<Vault>,
}

impl ReturnTargets {
    /// Signs with a key derived from the operator's secret.
    #[must_use]
    pub fn new(vault: Arc<Vault>) -> Self {
        Self { vault }
    }

    /// The query string `next=…&mac=…` for the sign-in page; `None` when the target cannot be returned to.
    #[must_use]
    pub fn query(&self, target: &str) -> Option<String> {
        if target.len() > MAX_TARGET || !is_local(target) {
            return None;
        }
        Some(format!("next={}&mac={}", utf8_percent_encode(target, &QUERY), self.mac(target)))
    }

    /// Whether `mac` was made here for exactly this target.
    #[must_use]
    pub fn check(&self, target: &str, mac: &str) -> bool {
        is_local(target) && constant_time_eq(self.mac(target).as_bytes(), mac.as_bytes())
    }

    fn mac(&self, target: &str) -> String {
        let mac = self.vault.mac(LABEL, &[target.as_bytes()]);
        URL_SAFE_NO_PAD.encode(&mac[..16])
    }
}

impl Snapshot {
    /// The query for the sign-in page after `refusal`: back to `target`, where there is one that can be asked for once
    /// more. To somebody who is signed in the page shows only with a target; for them that is the account home then.
    #[must_use]
    pub fn way_back(&self, refusal: Refusal, target: Option<&str>) -> Option<String> {
        let returns = self.returns()?;
        let home =
            || matches!(refusal, Refusal::Elevate(_)).then(|| format!("{}/", self.settings().auth_prefix));
        target.and_then(|t| returns.query(t)).or_else(|| returns.query(&home()?))
    }
}

/// One leading slash and nothing that a browser reads as another origin (C-02).
fn is_local(target: &str) -> bool {
    let b = target.as_bytes();
    b.first() == Some(&b'/')
        && !matches!(b.get(1), Some(b'/' | b'\\'))
        && b.iter().all(|c| (0x21..0x7f).contains(c) && *c != b'\\')
}
