//! Secrets that go out by mail: a link and a short code for the same purpose. The link is random enough to be kept
//! as a plain SHA-256; the code is not, so what is kept of it is a MAC under the operator's secret.

use std::time::Duration;

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::{Accounts, Error, Origin};
use crate::model::{AccountId, CodeId, Email, Secret, Timestamp, constant_time_eq};
use crate::store::{AccountRow, CodeRow, Tx};

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

/// A short code as it came back, and what it is to be good for.
pub(super) struct Guess<'a> {
    pub(super) purpose: &'static str,
    pub(super) email: &'a Email,
    pub(super) code: &'a str,
    /// Which accounts may use it.
    pub(super) usable: fn(&AccountRow) -> bool,
}

impl Accounts {
    /// Draws a link token (32 bytes) and a code (six digits) for `account`.
    pub(super) fn draw_mailed(&self, account: AccountId, life: Lifetimes, now: Timestamp) -> Mailed {
        let ends = (Duration::from_hours(life.link_hours), Duration::from_mins(life.code_minutes));
        self.draw_pair(account, ends, now)
    }

    /// The same for lives of any length: of the link and of the code.
    pub(super) fn draw_pair(
        &self,
        account: AccountId,
        (link, code_life): (Duration, Duration),
        now: Timestamp,
    ) -> Mailed {
        let token = self.entropy.bytes::<32>();
        let code = Secret::new(self.entropy.six_digits());
        let id = CodeId::random(&*self.entropy);
        let row = CodeRow {
            id,
            account,
            link_hash: sha256(&token),
            code_hash: self.code_mac(id, code.expose()),
            link_expires: now.after(link),
            code_expires: now.after(code_life),
            payload: String::new(),
        };
        Mailed { link_token: Secret::new(URL_SAFE_NO_PAD.encode(token)), code, row }
    }

    /// What is stored of a short code; bound to its row, so that it fits no other.
    pub(super) fn code_mac(&self, id: CodeId, code: &str) -> [u8; 32] {
        self.vault.mac("mailed-code", &[id.as_bytes(), code.as_bytes()])
    }

    /// The account and the secret behind a link that is good now. Changes nothing.
    ///
    /// # Errors
    /// [`Error::InvalidToken`] when it is unknown, used, replaced or too old; [`Error::Unavailable`].
    pub(super) async fn find_link(
        &self,
        purpose: &'static str,
        uid: &str,
        token: &str,
    ) -> Result<(AccountRow, CodeRow), Error> {
        let id: AccountId = uid.parse().map_err(|_| Error::InvalidToken)?;
        let hash = link_hash(token).ok_or(Error::InvalidToken)?;
        let row = self.store.live_code(id, purpose).await?.ok_or(Error::InvalidToken)?;
        let live = self.clock.now() < row.link_expires && constant_time_eq(&row.link_hash, &hash);
        let account = self.store.account_by_id(id).await?.ok_or(Error::InvalidToken)?;
        if live { Ok((account, row)) } else { Err(Error::InvalidToken) }
    }

    /// The account and the secret behind a short code. One try is gone and written down before the comparison, so that
    /// parallel guesses get no more of them than single ones. The work is the same for an address without an account
    /// (L-02).
    ///
    /// # Errors
    /// [`Error::InvalidToken`] when the code is wrong, used, replaced or too old, or the address unknown;
    /// [`Error::Unavailable`].
    pub(super) async fn find_code(
        &self,
        guess: Guess<'_>,
        origin: &Origin,
    ) -> Result<(AccountRow, CodeRow), Error> {
        let Guess { purpose, email, code, usable } = guess;
        let account = self.store.account_by_email(email).await?.filter(usable);
        let id = account.as_ref().map_or_else(|| AccountId::random(&*self.entropy), |a| a.id);
        let row = self.store.live_code(id, purpose).await?;
        let row_id = row.as_ref().map_or_else(|| CodeId::random(&*self.entropy), |r| r.id);
        let mut tx = Tx::new();
        let taken = tx.take_code_try(row_id, self.clock.now());
        let target = account.as_ref().map_or_else(|| email.to_string(), |a| a.id.to_string());
        self.audit_stranger(&mut tx, "code.tried", &target, origin);
        let answer = self.store.commit(tx).await?.unwrap_or_default();
        let tried = answer.get(taken).is_some_and(|rows| !rows.is_empty());
        let mac = self.code_mac(row_id, code);
        match (account, row) {
            (Some(account), Some(row)) if tried && constant_time_eq(&row.code_hash, &mac) => {
                Ok((account, row))
            }
            _ => Err(Error::InvalidToken),
        }
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
