//! The key ring: made on the first start, opened on every other, rotated with overlap, and rid of a key in an emergency.
//!
//! A rotation is one row: the next key, which begins after `publish_before` and retires its predecessor at that
//! moment. Until then everybody can learn of it; after that the old key vouches for what it signed until that has
//! expired. An emergency removes the row, and with it all trust in the key.

use std::sync::Arc;

use crate::model::{Clock, Entropy, RequestId, Timestamp};
use crate::store::{AuditEntry, SYSTEM_ACTOR, SigningKeyRow, Store, StoreError, Tx};
use crate::token::{self, KeyError, KeyRing, ROTATION_SLACK, Rotation, SigningKey, StoredKey, Vault};

use super::StartError;

/// The actor of what was done at the command line.
const OPERATOR: &str = "operator";

/// One key, for people.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KeyStatus {
    /// Its name in token headers.
    pub kid: String,
    /// `ES256`, `EdDSA` or `RS256`.
    pub algorithm: String,
    /// `waiting` (published, not yet signing), `signing`, `retired` (still verifies) or `expired`.
    pub state: &'static str,
    /// From when on it signs.
    pub begins: Timestamp,
    /// From when on it signs nothing more.
    pub retires: Option<Timestamp>,
}

/// What came of a change to the keys.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum KeyChange {
    /// This key was made; it signs from then on.
    Next {
        /// Its name.
        kid: String,
        /// When it begins.
        begins: Timestamp,
    },
    /// Done, and no new key was needed.
    Removed,
    /// Nothing was changed: a key that has not begun waits already. Its name.
    Waiting(String),
    /// Nothing was changed: there is no such key, or another node was faster.
    Missed,
}

/// Makes, lists, rotates and removes signing keys.
pub struct KeyKeeper {
    pub(super) store: Store,
    pub(super) vault: Arc<Vault>,
    pub(super) settings: token::Settings,
    pub(super) rotation: Rotation,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) entropy: Arc<dyn Entropy>,
}

impl KeyKeeper {
    /// The keys in the store, after one was made if there was none. Of several nodes that start at once exactly one
    /// makes it, and all get the same.
    pub(super) async fn open(&self) -> Result<KeyRing, StartError> {
        if self.store.signing_keys().await?.is_empty() {
            let first = self.fresh(self.clock.now())?;
            self.store.add_signing_key(&first, None).await?;
        }
        let rows = self.needed().await?;
        Ok(self.ring(rows)?)
    }

    /// The ring as the store has it now, or `None` when it is the one in `current`.
    pub(super) async fn changed(&self, current: &KeyRing) -> Result<Option<KeyRing>, StartError> {
        let rows = self.needed().await?;
        let mut stored: Vec<_> = rows.iter().map(|r| (r.kid.as_str(), r.created_at, r.retired_at)).collect();
        let mut held: Vec<_> =
            current.keys().iter().map(|k| (k.kid.as_str(), k.created_at, k.retired_at)).collect();
        stored.sort_unstable();
        held.sort_unstable();
        if stored == held { Ok(None) } else { Ok(Some(self.ring(rows)?)) }
    }

    /// Every key that is kept, oldest first.
    ///
    /// # Errors
    /// [`StartError::Store`].
    pub async fn list(&self) -> Result<Vec<KeyStatus>, StartError> {
        let now = self.clock.now();
        let rows = self.store.signing_keys().await?;
        Ok(rows.into_iter().map(|row| self.status(row, now)).collect())
    }

    /// Makes the next key; it signs after `publish_before`.
    ///
    /// # Errors
    /// [`StartError::Store`] or [`StartError::Keys`].
    pub async fn rotate(&self) -> Result<KeyChange, StartError> {
        self.next_key(OPERATOR).await
    }

    /// Makes the next key when it is time for it, and forgets those whose last token has expired.
    pub(super) async fn rotate_if_due(&self) -> Result<u64, StartError> {
        let now = self.clock.now();
        let mut count = 0;
        if let Some(every) = self.rotation.every {
            let rows = self.store.signing_keys().await?;
            let newest = rows.iter().rfind(|r| r.retired_at.is_none());
            if newest.is_some_and(|k| now.after(self.rotation.publish_before) >= k.created_at.after(every)) {
                count += u64::from(matches!(self.next_key(SYSTEM_ACTOR).await?, KeyChange::Next { .. }));
            }
        }
        let gone = self.store.purge_signing_keys(now.before(ROTATION_SLACK).before(self.settings.access_ttl));
        Ok(count + gone.await? as u64)
    }

    /// Takes all trust from a key at once. Where nothing could sign after that, a new key takes over.
    ///
    /// # Errors
    /// [`StartError::Store`] or [`StartError::Keys`].
    pub async fn revoke(&self, kid: &str) -> Result<KeyChange, StartError> {
        // A rotation may come between the look and the change: look again, for the key must go.
        for _ in 0..5 {
            match self.try_revoke(kid).await? {
                KeyChange::Missed if self.store.signing_keys().await?.iter().any(|r| r.kid == kid) => {}
                change => return Ok(change),
            }
        }
        Err(StartError::Store(StoreError::Busy))
    }

    async fn try_revoke(&self, kid: &str) -> Result<KeyChange, StartError> {
        let now = self.clock.now();
        let rows = self.store.signing_keys().await?;
        let Some(gone) = rows.iter().find(|r| r.kid == kid) else { return Ok(KeyChange::Missed) };
        let mut tx = Tx::new();
        tx.remove_signing_key(kid);
        self.audit(&mut tx, (OPERATOR, "key.revoked"), kid);
        let mut change = KeyChange::Removed;
        if gone.retired_at.is_none() {
            // It was the last of the chain. Its predecessor may have some time left; the new one begins after that.
            let rest = rows.iter().filter(|r| r.kid != kid).filter_map(|r| r.retired_at).max();
            let key = self.fresh(rest.unwrap_or(now).max(now))?;
            tx.add_signing_key(&key, Some(kid));
            self.audit(&mut tx, (OPERATOR, "key.made"), &key.kid);
            change = KeyChange::Next { kid: key.kid, begins: key.created_at };
        }
        Ok(self.store.commit(tx).await?.map_or(KeyChange::Missed, |_| change))
    }

    async fn next_key(&self, actor: &'static str) -> Result<KeyChange, StartError> {
        let now = self.clock.now();
        let rows = self.store.signing_keys().await?;
        let newest = rows.iter().rfind(|r| r.retired_at.is_none());
        if let Some(waiting) = newest.filter(|r| r.created_at > now) {
            return Ok(KeyChange::Waiting(waiting.kid.clone()));
        }
        let key = self.fresh(now.after(self.rotation.publish_before))?;
        let mut tx = Tx::new();
        tx.add_signing_key(&key, newest.map(|r| r.kid.as_str()));
        self.audit(&mut tx, (actor, "key.made"), &key.kid);
        let done = KeyChange::Next { kid: key.kid, begins: key.created_at };
        Ok(self.store.commit(tx).await?.map_or(KeyChange::Missed, |_| done))
    }

    fn fresh(&self, begins: Timestamp) -> Result<SigningKeyRow, KeyError> {
        let key = SigningKey::generate(self.settings.algorithm, begins, &*self.entropy)?;
        Ok(row(key.sealed(&self.vault, &*self.entropy)))
    }

    async fn needed(&self) -> Result<Vec<SigningKeyRow>, StartError> {
        let now = self.clock.now();
        let mut rows = self.store.signing_keys().await?;
        rows.retain(|r| !self.is_over(r, now));
        Ok(rows)
    }

    fn is_over(&self, row: &SigningKeyRow, now: Timestamp) -> bool {
        let life = self.settings.access_ttl;
        row.retired_at.is_some_and(|at| now > at.after(ROTATION_SLACK).after(life))
    }

    fn ring(&self, rows: Vec<SigningKeyRow>) -> Result<KeyRing, KeyError> {
        let keys = rows.into_iter().map(|r| SigningKey::open(&self.vault, &stored(r)));
        KeyRing::from_keys(keys.collect::<Result<_, _>>()?)
    }

    fn status(&self, row: SigningKeyRow, now: Timestamp) -> KeyStatus {
        let state = match row.retired_at {
            _ if self.is_over(&row, now) => "expired",
            Some(at) if at <= now => "retired",
            _ if row.created_at > now => "waiting",
            _ => "signing",
        };
        let SigningKeyRow { kid, algorithm, created_at, retired_at, .. } = row;
        KeyStatus { kid, algorithm, state, begins: created_at, retires: retired_at }
    }

    fn audit(&self, tx: &mut Tx, (actor, action): (&str, &'static str), kid: &str) {
        let entry = AuditEntry {
            at: self.clock.now(),
            actor: actor.to_owned(),
            action,
            target: kid.to_owned(),
            ip: None,
            request_id: None::<RequestId>,
            detail: "",
        };
        tx.audit(&entry, &*self.entropy);
    }
}

fn row(key: StoredKey) -> SigningKeyRow {
    let StoredKey { kid, algorithm, sealed_private, created_at, retired_at } = key;
    SigningKeyRow { kid, algorithm, sealed_private, created_at, retired_at }
}

pub(super) fn stored(row: SigningKeyRow) -> StoredKey {
    let SigningKeyRow { kid, algorithm, sealed_private, created_at, retired_at } = row;
    StoredKey { kid, algorithm, sealed_private, created_at, retired_at }
}
