//! Every metric, in one place. Labels come from fixed sets: no person, path or address is ever one (D-12).

use std::time::Duration;

use prometheus::{Encoder, IntCounter, IntCounterVec, IntGauge, Opts, Registry, TextEncoder};

/// The counters of one process.
pub struct Metrics {
    registry: Registry,
    proxied: [IntCounter; 5],
    answered: [IntCounter; 5],
    refused: IntCounterVec,
    logins: IntCounterVec,
    registrations: IntCounterVec,
    verifications: IntCounterVec,
    refreshes: IntCounterVec,
    limited: IntCounterVec,
    mails: IntCounterVec,
    mail_queue: IntGauge,
    mail_age: IntGauge,
    lockouts: IntCounter,
    reload_ok: IntGauge,
}

const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

fn class(status: u16) -> usize {
    usize::from(status / 100).clamp(1, 5) - 1
}

fn counters(registry: &Registry, name: &str, help: &str, labels: &[&str]) -> IntCounterVec {
    let vec = IntCounterVec::new(Opts::new(name, help), labels).expect("a valid metric name");
    registry.register(Box::new(vec.clone())).expect("each name once");
    vec
}

fn gauge(registry: &Registry, name: &str, help: &str) -> IntGauge {
    let gauge = IntGauge::new(name, help).expect("a valid metric name");
    registry.register(Box::new(gauge.clone())).expect("each name once");
    gauge
}

fn by_class(registry: &Registry, name: &str, help: &str) -> [IntCounter; 5] {
    let vec = counters(registry, name, help, &["status"]);
    CLASSES.map(|c| vec.with_label_values(&[c]))
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// All counters at zero.
    #[must_use]
    pub fn new() -> Self {
        let r = Registry::new();
        let lockouts =
            IntCounter::new("stagedoor_lockouts_total", "Accounts locked.").expect("a valid metric name");
        r.register(Box::new(lockouts.clone())).expect("each name once");
        let reload_ok =
            gauge(&r, "stagedoor_config_reload_success", "Whether the last configuration took effect.");
        reload_ok.set(1);
        let build = counters(&r, "stagedoor_build_info", "The version that runs; always 1.", &["version"]);
        build.with_label_values(&[env!("CARGO_PKG_VERSION")]).inc();
        Self {
            proxied: by_class(&r, "stagedoor_proxied_requests_total", "Answers of upstreams passed on."),
            answered: by_class(&r, "stagedoor_own_responses_total", "Answers given by the gateway itself."),
            refused: counters(&r, "stagedoor_denials_total", "Requests refused.", &["reason"]),
            logins: counters(&r, "stagedoor_logins_total", "Sign-ins tried.", &["outcome", "reason"]),
            registrations: counters(&r, "stagedoor_registrations_total", "Registrations.", &["outcome"]),
            verifications: counters(&r, "stagedoor_verifications_total", "Addresses verified.", &["outcome"]),
            refreshes: counters(&r, "stagedoor_refreshes_total", "Refreshes.", &["outcome"]),
            limited: counters(&r, "stagedoor_rate_limited_total", "Tries over a limit.", &["policy"]),
            mails: counters(&r, "stagedoor_mails_total", "Mails handed over or not.", &["outcome"]),
            mail_queue: gauge(&r, "stagedoor_mail_queue", "Mails that wait."),
            mail_age: gauge(&r, "stagedoor_mail_oldest_seconds", "For how long the oldest mail has waited."),
            lockouts,
            reload_ok,
            registry: r,
        }
    }

    /// An upstream's answer was passed on.
    pub fn proxied(&self, status: u16) {
        self.proxied[class(status)].inc();
    }

    /// The gateway answered by itself.
    pub fn answered(&self, status: u16) {
        self.answered[class(status)].inc();
    }

    /// A request was refused.
    pub fn refused(&self, reason: &'static str) {
        self.refused.with_label_values(&[reason]).inc();
    }

    /// Somebody tried to sign in.
    pub fn login(&self, outcome: &'static str, reason: &'static str) {
        self.logins.with_label_values(&[outcome, reason]).inc();
    }

    /// Somebody registered.
    pub fn registration(&self, outcome: &'static str) {
        self.registrations.with_label_values(&[outcome]).inc();
    }

    /// Somebody used a link or code to prove an address.
    pub fn verification(&self, outcome: &'static str) {
        self.verifications.with_label_values(&[outcome]).inc();
    }

    /// A refresh token was used.
    pub fn refresh(&self, outcome: &'static str) {
        self.refreshes.with_label_values(&[outcome]).inc();
    }

    /// A rate limit was hit.
    pub fn limited(&self, policy: &'static str) {
        self.limited.with_label_values(&[policy]).inc();
    }

    /// An account was locked.
    pub fn lockout(&self) {
        self.lockouts.inc();
    }

    /// A mail was handed over or not: `sent`, `failed` (it is tried again), `given_up`, `expired`.
    pub fn mail(&self, outcome: &'static str) {
        self.mails.with_label_values(&[outcome]).inc();
    }

    /// How many mails wait, and for how long the oldest of them has.
    pub fn mail_queue(&self, waiting: u64, oldest: Duration) {
        self.mail_queue.set(i64::try_from(waiting).unwrap_or(i64::MAX));
        self.mail_age.set(i64::try_from(oldest.as_secs()).unwrap_or(i64::MAX));
    }

    /// A configuration took effect, or did not.
    pub fn reloaded(&self, ok: bool) {
        self.reload_ok.set(i64::from(ok));
    }

    /// The Prometheus text format, version 0.0.4.
    #[must_use]
    pub fn render(&self) -> String {
        let mut out = Vec::new();
        // Writing to memory cannot fail; a family that cannot be encoded would be a fault in a name above.
        if let Err(e) = TextEncoder::new().encode(&self.registry.gather(), &mut out) {
            tracing::error!(error = %e, "metrics cannot be rendered");
        }
        String::from_utf8(out).unwrap_or_default()
    }
}
