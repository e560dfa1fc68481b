//! Secrets that go out by mail: a link and a short code for the same purpose. The link is random enough to be kept
//! as a plain SHA-256; the code is not, so what is kept of it is a MAC under the operator's secret.

use std::time::Duration;

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::Accounts;
use crate::model::{AccountId, CodeId, Secret, Timestamp};
use crate::store::CodeRow;

/// Life of the two halves, and how often the short one may be tried.
#[derive(Clone, Copy)]
pub(super) struct Lifetimes {
    pub(super) link_hours: u64,
    pub(super) code_minutes: u64,
    pub(super) tries: u32,
}

/// A fresh pair: what is mailed and what is stored.
pub(super) struct Mailed {
    pub(super) link_token: Secret,
    pub(super) code: Secret,
    pub(super) row: CodeRow,
}

impl Accounts {
    /// Draws a link token (32 bytes) and a code (six digits) for `account`.
    pub(super) fn draw_mailed(&self, account: AccountId, life: Lifetimes, now: Timestamp) -> Mailed {
        let token = self.entropy.bytes::<32>();
        let code = Secret::new(self.entropy.six_digits());
        let id = CodeId::random(&*self.entropy);
        let row = CodeRow {
            id,
            account,
            link_hash: sha256(&token),
            code_hash: self.code_mac(id, code.expose()),
            link_expires: now.after(Duration::from_hours(life.link_hours)),
            code_expires: now.after(Duration::from_mins(life.code_minutes)),
        };
        Mailed { link_token: Secret::new(URL_SAFE_NO_PAD.encode(token)), code, row }
    }

    /// What is stored of a short code; bound to its row, so that it fits no other.
    pub(super) fn code_mac(&self, id: CodeId, code: &str) -> [u8; 32] {
        self.vault.mac("mailed-code", &[id.as_bytes(), code.as_bytes()])
    }
}

/// What is stored of a link token as it came back; `None` if it cannot be one of ours.
pub(super) fn link_hash(token: &str) -> Option<[u8; 32]> {
    let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
    (bytes.len() == 32).then(|| sha256(&bytes))
}

/// SHA-256.
pub(super) fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(digest::digest(&digest::SHA256, bytes).as_ref());
    out
}
