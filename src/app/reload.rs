//! New rules without a restart: read, check, compile, then swap the one snapshot. On any problem the old one stays.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;

use super::StartError;
use super::live::Live;
use crate::config::{self, Settings};
use crate::gate::{self, ReturnTargets, Snapshot, SnapshotParts, UpstreamIdentity};
use crate::metrics::Metrics;
use crate::model::{Clock, Entropy};
use crate::proxy::Tls;
use crate::token::{AssertionMint, KeyRing, Revocations, Vault, Verifier};

/// What every snapshot of a running gateway has in common.
pub(super) struct Common {
    pub(super) keys: Arc<ArcSwap<KeyRing>>,
    pub(super) revocations: Arc<Revocations>,
    /// When reading them from the store began, by the monotonic clock.
    pub(super) read_at: Duration,
    pub(super) vault: Arc<Vault>,
    pub(super) entropy: Arc<dyn Entropy>,
}

impl Common {
    /// The snapshot that `settings` ask for.
    pub(super) fn snapshot(&self, settings: &Settings, keys: Arc<KeyRing>) -> Result<Snapshot, StartError> {
        let upstreams = settings.proxy.upstreams.iter();
        let identities = upstreams.map(|u| UpstreamIdentity::new(&u.name, &u.identity, u.assertion));
        let parts = SnapshotParts {
            policy: settings.policy.clone(),
            verifier: Verifier::new(keys, &settings.token),
            assertions: Some(AssertionMint::new(self.keys.clone(), &settings.token, self.entropy.clone())),
            revocations: self.revocations.clone(),
            returns: Some(ReturnTargets::new(self.vault.clone())),
            upstreams: identities.collect::<Result<_, _>>().map_err(|e| StartError::snapshot(&e))?,
            cache_entries: settings.token.cache_entries,
            leeway: settings.token.leeway,
            settings: gate::Settings::clone(&settings.gate),
        };
        Snapshot::new(parts).map_err(|e| StartError::snapshot(&e))
    }
}

/// Reads a configuration file again and puts its rules in force.
pub(super) struct Reloader {
    pub(super) path: PathBuf,
    pub(super) running: Settings,
    /// One at a time: what was read first must not be put in force last.
    pub(super) turn: Mutex<()>,
    pub(super) live: Arc<Live>,
    pub(super) tls: Option<Arc<Tls>>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) metrics: Arc<Metrics>,
}

impl Reloader {
    /// The files a reload reads.
    pub(super) fn files(&self) -> Vec<PathBuf> {
        let tls = self.tls.iter().flat_map(|tls| tls.files());
        std::iter::once(self.path.as_path()).chain(tls).map(Path::to_owned).collect()
    }

    /// Text for the operator in both cases; after an error nothing has changed.
    pub(super) fn reload(&self) -> Result<String, String> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let outcome = self.apply(&self.path);
        self.metrics.reloaded(outcome.is_ok(), self.clock.now().secs());
        match &outcome {
            Ok(text) => tracing::info!(outcome = text, "configuration reloaded"),
            Err(problem) => tracing::error!(problem, "configuration not reloaded, the old one stays"),
        }
        outcome
    }

    fn apply(&self, path: &Path) -> Result<String, String> {
        let fresh = config::load(path).map_err(|report| report.to_string())?;
        if format!("{:?}", fresh.proxy.upstreams) != format!("{:?}", self.running.proxy.upstreams) {
            return Err("upstreams have changed: that takes a restart; nothing was changed".into());
        }
        if let Some(tls) = &self.tls {
            tls.reload().map_err(|e| format!("the certificate cannot be used: {e}; nothing was changed"))?;
        }
        // Only rules, routes and roles come from the new file; the rest is as it was at the start.
        self.live.follow(fresh.policy.clone()).map_err(|e| e.to_string())?;
        let waits = self.waiting_for_restart(&fresh);
        Ok(match waits.as_slice() {
            [] => "rules, routes and roles are in force".into(),
            _ => format!(
                "rules, routes and roles are in force; these wait for a restart: {}",
                waits.join(", ")
            ),
        })
    }

    fn waiting_for_restart(&self, fresh: &Settings) -> Vec<&'static str> {
        fn text(part: &dyn std::fmt::Debug) -> String {
            format!("{part:?}")
        }
        let (old, new) = (&self.running, fresh);
        let sections = [
            ("server", text(&old.proxy) != text(&new.proxy) || text(&old.gate) != text(&new.gate)),
            ("pages", text(&old.web) != text(&new.web)),
            ("store", old.store != new.store),
            ("redis", old.redis != new.redis),
            ("mail", text(&old.mail) != text(&new.mail)),
            ("token", text(&old.token) != text(&new.token) || old.rotation != new.rotation),
            ("secret", text(&old.secret) != text(&new.secret)),
            ("log", text(&old.log) != text(&new.log)),
            ("accounts", text(&old.account) != text(&new.account)),
        ];
        sections.into_iter().filter(|(_, changed)| *changed).map(|(name, _)| name).collect()
    }
}
