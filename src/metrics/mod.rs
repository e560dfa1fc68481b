//! Every metric, in one place: `stagedoor_…`, seconds and bytes, `_total` for what only grows. Labels come from fixed
//! sets or from the configuration: no person, path or address is ever one (D-12). What has to be asked for (sessions,
//! queues, memory) is a gauge that a task sets; a scrape asks nobody.
//!
//! - `level`: what is looked at from time to time · `panics`: faults of the program
//! - `make`: one line for each kind of metric · `process`: what the system says about this process
//! - `shared`: how the shared Redis does · `feed`: how news of ended sign-ins travels
//! - `upstream`: the counters of one upstream

mod doors;
mod feed;
mod level;
mod make;
mod panics;
mod process;
mod shared;
#[cfg(test)]
mod tests;
mod upstream;

pub use upstream::{Trouble, UpstreamMetrics};

use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use prometheus::{
    Counter, Encoder, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Registry, TextEncoder,
};

use doors::Doors;
use feed::Feed;
pub use level::Level;
use make::{Make, RARE, SHORT};
use panics::PANICS;
use shared::RedisMetrics;

/// The counters of one process.
pub struct Metrics {
    registry: Registry,
    proxied: IntCounterVec,
    at_hand: Box<[OnceLock<[IntCounter; CLASSES.len()]>]>,
    answered: [IntCounter; 5],
    refused: IntCounterVec,
    doors: Doors,
    streams: IntGauge,
    cut: IntCounterVec,
    logins: IntCounterVec,
    registrations: IntCounterVec,
    verifications: IntCounterVec,
    resets: IntCounterVec,
    factors: IntCounterVec,
    refreshes: IntCounterVec,
    limited: IntCounterVec,
    mails: IntCounterVec,
    limiter_errors: IntCounter,
    lockouts: IntCounter,
    hashing: HistogramVec,
    store: HistogramVec,
    store_errors: IntCounterVec,
    store_connections: IntGaugeVec,
    job_runs: IntCounterVec,
    job_time: HistogramVec,
    reload_ok: IntGauge,
    reload_at: IntGauge,
    upstreams: IntGaugeVec,
    redis: RedisMetrics,
    upstream_in_flight: IntGaugeVec,
    upstream_retries: IntCounterVec,
    upstream_errors: IntCounterVec,
    levels: Levels,
    feed: Feed,
    process: Process,
}

/// Gauges without labels, in the order of [`Level`].
struct Levels([IntGauge; Level::ALL.len()]);

struct Process {
    cpu: Counter,
    memory: IntGauge,
    files: IntGauge,
    started: IntGauge,
    seen: Mutex<f64>,
}

/// For so many rules the counters are found without a look-up: every proxied request counts.
const AT_HAND: usize = 1024;
const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

fn class(status: u16) -> usize {
    usize::from(status / 100).clamp(1, 5) - 1
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
        let m = Make(Registry::new());
        m.adopt(PANICS.clone());
        m.gauges("stagedoor_build_info", "The version that runs; always 1.", &["version"])
            .with_label_values(&[env!("CARGO_PKG_VERSION")])
            .set(1);
        let answered =
            m.counters("stagedoor_own_responses_total", "Answers of the gateway itself.", &["status"]);
        let metrics = Self {
            proxied: m.counters(
                "stagedoor_proxied_requests_total",
                "Answers passed on.",
                &["rule", "status"],
            ),
            at_hand: (0..AT_HAND).map(|_| OnceLock::new()).collect(),
            answered: CLASSES.map(|c| answered.with_label_values(&[c])),
            refused: m.counters(
                "stagedoor_denials_total",
                "Requests refused.",
                &["reason", "rule", "status"],
            ),
            doors: Doors::new(&m),
            streams: m.gauge("stagedoor_streams_open", "Answers of upstreams that are under way."),
            cut: m.counters(
                "stagedoor_streams_cut_total",
                "Answers cut off because what had allowed them ended.",
                &["reason"],
            ),
            logins: m.counters("stagedoor_logins_total", "Sign-ins tried.", &["outcome", "reason", "factor"]),
            registrations: m.counters("stagedoor_registrations_total", "Registrations.", &["outcome"]),
            verifications: m.counters("stagedoor_verifications_total", "Addresses verified.", &["outcome"]),
            resets: m.counters("stagedoor_password_resets_total", "Password resets.", &["outcome"]),
            factors: m.counters("stagedoor_otp_total", "Second factors.", &["factor", "outcome"]),
            refreshes: m.counters("stagedoor_refreshes_total", "Refreshes.", &["outcome"]),
            limited: m.counters("stagedoor_rate_limited_total", "Tries over a limit.", &["policy"]),
            mails: m.counters("stagedoor_mails_total", "Mails handed over or not.", &["outcome"]),
            limiter_errors: m.counter("stagedoor_limiter_errors_total", "Limits that could not be counted."),
            lockouts: m.counter("stagedoor_lockouts_total", "Accounts locked."),
            hashing: m.times("stagedoor_hash_duration_seconds", "Time to hash a password.", &[], SHORT),
            store: m.times("stagedoor_store_duration_seconds", "Time of the store.", &["operation"], SHORT),
            store_errors: m.counters(
                "stagedoor_store_errors_total",
                "Failures of the store.",
                &["operation"],
            ),
            store_connections: m.gauges(
                "stagedoor_store_connections",
                "Connections to the store's server, and who waits for one.",
                &["state"],
            ),
            job_runs: m.counters("stagedoor_job_runs_total", "Runs of jobs.", &["job", "outcome"]),
            job_time: m.times("stagedoor_job_duration_seconds", "Time of jobs.", &["job"], RARE),
            reload_ok: m.gauge("stagedoor_config_reload_success", "Whether the last reload took effect."),
            reload_at: m
                .gauge("stagedoor_config_last_success_timestamp_seconds", "When one last took effect."),
            upstreams: m.gauges("stagedoor_upstream_healthy", "Servers that are well.", &["upstream"]),
            redis: RedisMetrics::new(&m),
            upstream_in_flight: m.gauges(
                "stagedoor_upstream_in_flight",
                "Requests under way.",
                &["upstream"],
            ),
            upstream_retries: m.counters(
                "stagedoor_upstream_retries_total",
                "Requests tried once more.",
                &["upstream"],
            ),
            upstream_errors: m.counters(
                "stagedoor_upstream_errors_total",
                "What went wrong towards upstreams.",
                &["upstream", "kind"],
            ),
            levels: Levels(Level::ALL.map(|(_, name, help)| m.gauge(name, help))),
            feed: Feed::new(&m),
            process: Process {
                cpu: m.seconds("process_cpu_seconds_total", "Time on processors, user and system."),
                memory: m.gauge("process_resident_memory_bytes", "Memory in use."),
                files: m.gauge("process_open_fds", "Open files and sockets."),
                started: m.gauge("process_start_time_seconds", "When the process began."),
                seen: Mutex::new(0.0),
            },
            registry: m.0,
        };
        metrics.reload_ok.set(1);
        metrics
    }

    /// From now on panics anywhere in this process are counted, and are one line in the log; where there is none, they
    /// are reported as before.
    pub fn count_panics() {
        panics::count();
    }

    /// An upstream's answer was passed on; `rule` is the place of the rule that let the request through, from 1.
    pub fn proxied(&self, rule: Option<usize>, status: u16) {
        match self.at_hand.get(rule.unwrap_or(0)) {
            Some(counters) => counters.get_or_init(|| self.proxied_by(rule))[class(status)].inc(),
            None => self.proxied_by(rule)[class(status)].inc(),
        }
    }

    fn proxied_by(&self, rule: Option<usize>) -> [IntCounter; CLASSES.len()] {
        CLASSES.map(|class| self.proxied.with_label_values(&[label(rule).as_str(), class]))
    }

    /// The gateway answered by itself.
    pub fn answered(&self, status: u16) {
        self.answered[class(status)].inc();
    }

    /// A request was refused; `rule` as for [`Self::proxied`], if it came to a rule.
    pub fn refused(&self, reason: &'static str, rule: Option<usize>, status: u16) {
        self.refused.with_label_values(&[reason, label(rule).as_str(), CLASSES[class(status)]]).inc();
    }

    /// An upstream's answer has begun.
    pub fn stream_opened(&self) {
        self.streams.inc();
    }

    /// It has ended, in whatever way.
    pub fn stream_closed(&self) {
        self.streams.dec();
    }

    /// It was cut off.
    pub fn stream_cut(&self, reason: &'static str) {
        self.cut.with_label_values(&[reason]).inc();
    }

    /// Somebody tried to sign in, with which factor last.
    pub fn login(&self, outcome: &'static str, reason: &'static str, factor: &'static str) {
        self.logins.with_label_values(&[outcome, reason, factor]).inc();
    }

    /// Somebody registered.
    pub fn registration(&self, outcome: &'static str) {
        self.registrations.with_label_values(&[outcome]).inc();
    }

    /// Somebody used a link or code to prove an address.
    pub fn verification(&self, outcome: &'static str) {
        self.verifications.with_label_values(&[outcome]).inc();
    }

    /// A password reset.
    pub fn reset(&self, outcome: &'static str) {
        self.resets.with_label_values(&[outcome]).inc();
    }

    /// A second factor was asked for or tried.
    pub fn factor(&self, factor: &'static str, outcome: &'static str) {
        self.factors.with_label_values(&[factor, outcome]).inc();
    }

    /// A refresh token was used.
    pub fn refresh(&self, outcome: &'static str) {
        self.refreshes.with_label_values(&[outcome]).inc();
    }

    /// A rate limit was hit.
    pub fn limited(&self, policy: &'static str) {
        self.limited.with_label_values(&[policy]).inc();
    }

    /// A rate limit could not be counted.
    pub fn limiter_error(&self) {
        self.limiter_errors.inc();
    }

    /// An account was locked.
    pub fn lockout(&self) {
        self.lockouts.inc();
    }

    /// A mail was handed over or not: `sent`, `failed` (it is tried again), `given_up`, `expired`.
    pub fn mail(&self, outcome: &'static str) {
        self.mails.with_label_values(&[outcome]).inc();
    }

    /// A password was hashed.
    pub fn hashed(&self, took: Duration) {
        self.hashing.with_label_values::<&str>(&[]).observe(took.as_secs_f64());
    }

    /// The store did something: `read` or `transaction`.
    pub fn stored(&self, operation: &'static str, took: Duration, ok: bool) {
        self.store.with_label_values(&[operation]).observe(took.as_secs_f64());
        if !ok {
            self.store_errors.with_label_values(&[operation]).inc();
        }
    }

    /// The connections to the store's server: `busy`, `idle`, `waiting` (for one), `most` (there may be).
    pub fn store_connections(&self, state: &'static str, count: usize) {
        self.store_connections.with_label_values(&[state]).set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// A job ran: `done`, `failed` or `panicked`.
    pub fn job(&self, name: &'static str, outcome: &'static str, took: Duration) {
        self.job_runs.with_label_values(&[name, outcome]).inc();
        self.job_time.with_label_values(&[name]).observe(took.as_secs_f64());
    }

    /// A configuration took effect, or did not; `at` in seconds since 1970.
    pub fn reloaded(&self, ok: bool, at: i64) {
        self.reload_ok.set(i64::from(ok));
        if ok {
            self.reload_at.set(at);
        }
    }

    /// How many servers of an upstream are well.
    pub fn upstream(&self, name: &str, well: usize) {
        self.upstreams.with_label_values(&[name]).set(i64::try_from(well).unwrap_or(i64::MAX));
    }

    /// A level was measured.
    pub fn level(&self, level: Level, value: u64) {
        self.levels.0[level as usize].set(i64::try_from(value).unwrap_or(i64::MAX));
    }

    /// Asks the system about this process. Reads a few small files of `/proc`; where there are none nothing changes.
    pub fn measure_process(&self) {
        let Some(usage) = process::usage() else { return };
        let mut seen = self.process.seen.lock().unwrap_or_else(PoisonError::into_inner);
        self.process.cpu.inc_by((usage.cpu_seconds - *seen).max(0.0));
        *seen = usage.cpu_seconds.max(*seen);
        self.process.memory.set(usage.memory_bytes);
        self.process.files.set(usage.open_files);
        self.process.started.set(usage.started_at);
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

fn label(rule: Option<usize>) -> String {
    rule.map_or_else(|| "none".to_owned(), |id| id.to_string())
}
