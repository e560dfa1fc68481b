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

/// What some files hold; `None`: one cannot be read.
pub(super) type Contents = Vec<Option<Vec<u8>>>;

/// Reads them.
pub(super) fn contents<'a>(files: impl Iterator<Item = &'a Path>) -> Contents {
    use std::io::Read as _;
    let read = |path: &Path| {
        let mut bytes = Vec::new();
        // What is longer than a configuration may be is refused when it is loaded; no need to hold it.
        let file = std::fs::File::open(path).ok()?;
        file.take(config::MAX_BYTES as u64 + 1).read_to_end(&mut bytes).ok()?;
        Some(bytes)
    };
    files.map(read).collect()
}

/// Reads a configuration file again and puts its rules in force.
pub(super) struct Reloader {
    pub(super) path: PathBuf,
    pub(super) running: Settings,
    /// One at a time: what was read first must not be put in force last.
    pub(super) turn: Mutex<()>,
    /// What the files held when they were read last.
    pub(super) read: Mutex<Contents>,
    pub(super) live: Arc<Live>,
    pub(super) tls: Option<Arc<Tls>>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) metrics: Arc<Metrics>,
}

impl Reloader {
    /// What the files of a reload hold now.
    pub(super) fn look(&self) -> Contents {
        let tls = self.tls.iter().flat_map(|tls| tls.files());
        contents(std::iter::once(self.path.as_path()).chain(tls))
    }

    /// Whether this is what was read last, whether it was good or not.
    pub(super) fn has_read(&self, contents: &Contents) -> bool {
        *self.read.lock().unwrap_or_else(PoisonError::into_inner) == *contents
    }

    /// Text for the operator in both cases; what it names as wrong has not changed.
    pub(super) fn reload(&self) -> Result<String, String> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        *self.read.lock().unwrap_or_else(PoisonError::into_inner) = self.look();
        let outcome = match (self.renew_certificate(), self.apply(&self.path)) {
            (Ok(()), outcome) => outcome,
            (Err(certificate), Ok(rules)) => Err(format!("{certificate}; {rules}")),
            (Err(certificate), Err(rules)) => Err(format!("{certificate}\n{rules}")),
        };
        self.metrics.reloaded(outcome.is_ok(), self.clock.now().secs());
        match &outcome {
            Ok(text) => tracing::info!(outcome = text, "configuration reloaded"),
            Err(problem) => tracing::error!(problem, "configuration not reloaded, the old one stays"),
        }
        outcome
    }

    /// Apart from the rules: a certificate that was renewed in time must not wait for somebody to mend them.
    fn renew_certificate(&self) -> Result<(), String> {
        let renewed = self.tls.as_ref().map_or(Ok(()), |tls| tls.reload());
        renewed.map_err(|e| format!("the certificate cannot be used, the old one stays: {e}"))
    }

    fn apply(&self, path: &Path) -> Result<String, String> {
        let fresh = config::load(path).map_err(|report| report.to_string())?;
        if format!("{:?}", fresh.proxy.upstreams) != format!("{:?}", self.running.proxy.upstreams) {
            return Err("upstreams have changed: that takes a restart; no rule was changed".into());
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
        // Only for parts without a secret in them: one looks like another.
        fn text(part: &dyn std::fmt::Debug) -> String {
            format!("{part:?}")
        }
        let (old, new) = (&self.running, fresh);
        let sections = [
            ("server", text(&old.proxy) != text(&new.proxy) || text(&old.gate) != text(&new.gate)),
            ("pages", text(&old.web) != text(&new.web)),
            ("store", old.store != new.store),
            ("redis", old.redis != new.redis),
            ("mail", old.mail != new.mail),
            ("token", text(&old.token) != text(&new.token) || old.rotation != new.rotation),
            ("secret", old.secret != new.secret),
            ("log", text(&old.log) != text(&new.log)),
            ("accounts", text(&old.account) != text(&new.account)),
        ];
        sections.into_iter().filter(|(_, changed)| *changed).map(|(name, _)| name).collect()
    }
}
