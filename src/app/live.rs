//! The one place that puts a new snapshot in force. Rules and keys change on their own; whoever comes second must not
//! bring back what the first has replaced.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;

use super::StartError;
use super::keys::KeyKeeper;
use super::reload::Common;
use crate::config::Settings;
use crate::gate::Gate;
use crate::jobs::KeyCare;
use crate::policy::Policy;
use crate::proxy::Exchanges;
use crate::token::KeyRing;

/// What is in force.
pub(super) struct Live {
    pub(super) common: Common,
    pub(super) gate: Arc<Gate>,
    pub(super) exchanges: Arc<Exchanges>,
    pub(super) settings: Mutex<Settings>,
}

impl Live {
    /// From now on these rules.
    pub(super) fn follow(&self, policy: Arc<Policy>) -> Result<(), StartError> {
        let mut held = self.settings.lock().unwrap_or_else(PoisonError::into_inner);
        let wanted = Settings { policy, ..held.clone() };
        self.gate.swap(self.common.snapshot(&wanted, self.common.keys.load_full())?);
        self.exchanges.rules_changed();
        *held = wanted;
        Ok(())
    }

    /// From now on these keys. The new snapshot remembers no token, so that one of a removed key is looked at again.
    fn trust(&self, ring: KeyRing) -> Result<(), StartError> {
        let held = self.settings.lock().unwrap_or_else(PoisonError::into_inner);
        let ring = Arc::new(ring);
        self.gate.swap(self.common.snapshot(&held, ring.clone())?);
        self.common.keys.store(ring);
        Ok(())
    }
}

/// The keys of a running gateway.
pub(super) struct LiveKeys {
    pub(super) keeper: Arc<KeyKeeper>,
    pub(super) live: Arc<Live>,
}

#[async_trait]
impl KeyCare for LiveKeys {
    async fn rotate_if_due(&self) -> Result<u64, String> {
        self.keeper.rotate_if_due().await.map_err(|e| e.to_string())
    }

    async fn reread(&self) -> Result<u64, String> {
        let current = self.live.common.keys.load_full();
        match self.keeper.changed(&current).await.map_err(|e| e.to_string())? {
            None => Ok(0),
            Some(ring) => self.live.trust(ring).map(|()| 1).map_err(|e| e.to_string()),
        }
    }
}
