//! Refreshing a sign-in. A refresh token is used once; its successor takes its place by compare-and-set.
//!
//! A token is `sdr_` and base64url of: session id (16 bytes), secret (32), tag (16). The tag is a MAC under the
//! operator's secret: a text that was never ours is refused without touching the store, and cannot end anybody's
//! session. The store keeps the SHA-256 of the secret. The successor's secret is a MAC of its parent, so for a short
//! while after the rotation the parent returns the *same* successor (two tabs, a lost answer) and nothing
//! readable has to be kept for that; longer only where the store's answer was lost (`unheard`). Any other authentic
//! token of the family has been used before: whoever holds it, somebody copied it, and the session ends.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::mailed::sha256;
use super::{Accounts, Error, Origin, SignedIn};
use crate::mail::Message;
use crate::model::{Secret, SessionId, Timestamp, constant_time_eq};
use crate::store::{AccountRow, Rotation, SessionRow, StoreError, Tx};
use crate::token::Vault;

/// So far clocks of nodes may be apart without a replaced token counting as one that was used long ago.
const SLIP: Duration = Duration::from_secs(300);
const PREFIX: &str = "sdr_";
const ID: usize = 16;
const SECRET: usize = 32;
const TAG: usize = 16;

/// A refresh token of ours.
#[derive(Clone)]
pub(super) struct RefreshToken {
    pub(super) session: SessionId,
    pub(super) secret: [u8; SECRET],
}

impl RefreshToken {
    /// Reads a token; `None` for whatever we have not issued.
    pub(super) fn read(text: &Secret, vault: &Vault) -> Option<Self> {
        let body = text.expose().strip_prefix(PREFIX)?;
        // Strict: no padding, no white space, no left-over bits, so a token has one spelling (T-05).
        let bytes: [u8; ID + SECRET + TAG] = URL_SAFE_NO_PAD.decode(body).ok()?.try_into().ok()?;
        let (id, rest) = bytes.split_first_chunk::<ID>()?;
        let (secret, tag) = rest.split_first_chunk::<SECRET>()?;
        let token = Self { session: SessionId::from_bytes(*id), secret: *secret };
        constant_time_eq(tag, &token.tag(vault)).then_some(token)
    }

    /// The token as it is handed out.
    pub(super) fn text(&self, vault: &Vault) -> Secret {
        let parts = [&self.session.as_bytes()[..], &self.secret, &self.tag(vault)];
        Secret::new(format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(parts.concat())))
    }

    fn hash(&self) -> [u8; 32] {
        sha256(&self.secret)
    }

    fn successor(&self, vault: &Vault) -> Self {
        let secret = vault.mac("refresh-successor", &[self.session.as_bytes(), &self.secret]);
        Self { session: self.session, secret }
    }

    fn tag(&self, vault: &Vault) -> [u8; TAG] {
        let mac = vault.mac("refresh-tag", &[self.session.as_bytes(), &self.secret]);
        let mut tag = [0; TAG];
        tag.copy_from_slice(&mac[..TAG]);
        tag
    }
}

/// What an authentic token is to its session.
pub(super) enum Standing {
    /// The live one.
    Current,
    /// The one before it, within the reuse window or while nobody may have heard of the live one.
    JustReplaced,
    /// Used before.
    Reused,
    /// The session has ended.
    Dead,
}

impl Accounts {
    /// Exchanges a refresh token for new tokens; roles are read anew.
    ///
    /// # Errors
    /// [`Error::InvalidToken`] when the token is unknown, replaced, or its session or account may not go on;
    /// [`Error::Limited`]; [`Error::Unavailable`].
    pub async fn refresh(&self, token: &Secret, origin: &Origin) -> Result<SignedIn, Error> {
        let result = self.try_refresh(token, origin).await;
        if matches!(result, Err(Error::InvalidToken)) {
            self.events.refresh("invalid");
        }
        result
    }

    async fn try_refresh(&self, token: &Secret, origin: &Origin) -> Result<SignedIn, Error> {
        let token = RefreshToken::read(token, &self.vault).ok_or(Error::InvalidToken)?;
        self.throttle("refresh", &token.session.to_string(), self.settings.rate_limits.refresh).await?;
        // A parallel use of the same token may win the compare-and-set: then we are the one just replaced.
        for _ in 0..3 {
            let now = self.clock.now();
            let session = self.store.session(token.session).await?.ok_or(Error::InvalidToken)?;
            let account = self.store.account_by_id(session.account).await?.ok_or(Error::InvalidToken)?;
            let signed_in = match self.standing(&token, &session, &account, now) {
                Standing::Dead => return Err(Error::InvalidToken),
                Standing::Reused => return Err(self.end_family(&session, &account, origin).await?),
                Standing::JustReplaced => Some(self.repeat(&token, &session, &account, now)),
                Standing::Current => self.rotate(&token, session, &account, origin.seen(now)).await?,
            };
            if let Some(signed_in) = signed_in {
                return Ok(signed_in);
            }
        }
        Err(Error::Unavailable("the session is being changed by others".into()))
    }

    /// Whether a token was replaced a moment ago. The clock that said when may have been ahead a little, before somebody
    /// set it; one that was far ahead must not make everything that was ever replaced a moment old.
    fn is_just_after(&self, replaced: Timestamp, now: Timestamp) -> bool {
        let now = self.store.time(now);
        now.since(replaced) < self.settings.session.refresh_reuse_window && replaced.since(now) <= SLIP
    }

    pub(super) fn standing(
        &self,
        token: &RefreshToken,
        s: &SessionRow,
        account: &AccountRow,
        now: Timestamp,
    ) -> Standing {
        let hash = token.hash();
        let over = s.ended_at.is_some() || now >= s.idle_expires || now >= s.expires_at;
        if over || !account.may_sign_in() {
            Standing::Dead
        } else if constant_time_eq(&hash, &s.refresh_hash) {
            Standing::Current
        } else if s.previous_hash.is_some_and(|previous| constant_time_eq(&hash, &previous))
            && (s.unheard || self.is_just_after(s.rotated_at, now))
        {
            Standing::JustReplaced
        } else {
            Standing::Reused
        }
    }

    pub(super) async fn rotate(
        &self,
        token: &RefreshToken,
        mut session: SessionRow,
        account: &AccountRow,
        seen: crate::store::Seen<'_>,
    ) -> Result<Option<SignedIn>, Error> {
        let successor = token.successor(&self.vault);
        session.idle_expires = self.idle_end(session.keep, seen.at, session.expires_at);
        let step = Rotation {
            id: session.id,
            from: token.hash(),
            to: successor.hash(),
            at: self.store.time(seen.at),
            idle_expires: session.idle_expires,
        };
        let mut tx = Tx::new();
        tx.rotate_session(&step, seen);
        // From here on the step may have been made, whatever becomes of this call.
        let note = self.unheard.unless_heard(step);
        match self.store.commit(tx).await {
            Ok(Some(_)) => {}
            Err(unknown @ StoreError::Unavailable(_)) => return Err(unknown.into()),
            not_made => {
                note.heard();
                not_made?;
                return Ok(None);
            }
        }
        self.events.refresh("rotated");
        // Roles may have changed while this waited for its turn to write.
        let Some(account) = &self.store.account_by_id(account.id).await? else { return Ok(None) };
        note.heard();
        Ok(Some(self.hand_out(account, &session, &successor, seen.at)))
    }

    pub(super) fn repeat(
        &self,
        token: &RefreshToken,
        s: &SessionRow,
        account: &AccountRow,
        now: Timestamp,
    ) -> SignedIn {
        self.events.refresh("repeated");
        self.hand_out(account, s, &token.successor(&self.vault), now)
    }

    /// Somebody has copied a token. Who is who cannot be known, so nobody keeps the session.
    pub(super) async fn end_family(
        &self,
        s: &SessionRow,
        account: &AccountRow,
        origin: &Origin,
    ) -> Result<Error, Error> {
        let now = self.clock.now();
        let mut tx = Tx::new();
        tx.end_open_session(s.id, "reuse", now);
        self.revoke_session(&mut tx, s.id, now);
        self.audit_stranger(&mut tx, "session.reuse", &account.id.to_string(), origin);
        let mail = Message::RefreshReused { name: account.name.clone(), seen: origin.sighting(now) };
        self.post(&mut tx, &account.email, &mail);
        // In memory also when the store did not answer: it may have written it all the same.
        let written = self.store.commit(tx).await;
        self.forget_sessions(&[s.id], now);
        if written?.is_some() {
            self.events.refresh("reused");
        }
        Ok(Error::InvalidToken)
    }
}
