//! The key ring: made on the first start, opened on every other.

use crate::model::{Entropy, Timestamp};
use crate::store::{SigningKeyRow, Store};
use crate::token::{KeyRing, Settings, SigningKey, StoredKey, Vault};

use super::StartError;

/// The keys in the store, after one was made if there was none. Of several nodes that start at once exactly one makes
/// it, and all get the same.
pub(super) async fn open(
    store: &Store,
    vault: &Vault,
    settings: &Settings,
    now: Timestamp,
    entropy: &dyn Entropy,
) -> Result<KeyRing, StartError> {
    let mut rows = store.signing_keys().await?;
    if rows.is_empty() {
        let first = SigningKey::generate(settings.algorithm, now, entropy)?.sealed(vault, entropy);
        store.add_signing_key(&row(first), None).await?;
        rows = store.signing_keys().await?;
    }
    let keys = rows.into_iter().map(|r| SigningKey::open(vault, &stored(r)));
    let mut keys = keys.collect::<Result<Vec<_>, _>>()?;
    keys.retain(|key| key.is_needed(now, settings.access_ttl));
    Ok(KeyRing::from_keys(keys)?)
}

fn row(key: StoredKey) -> SigningKeyRow {
    let StoredKey { kid, algorithm, sealed_private, created_at, retired_at } = key;
    SigningKeyRow { kid, algorithm, sealed_private, created_at, retired_at }
}

fn stored(row: SigningKeyRow) -> StoredKey {
    let SigningKeyRow { kid, algorithm, sealed_private, created_at, retired_at } = row;
    StoredKey { kid, algorithm, sealed_private, created_at, retired_at }
}
