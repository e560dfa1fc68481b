//! The log: one line an event, JSON for machines or text for people. Never in it: passwords, tokens, codes, links,
//! cookies, the operator's secret.

use tracing_subscriber::EnvFilter;

use crate::config::LogSettings;

/// Starts logging to standard error; `RUST_LOG` overrides the level.
pub(super) fn start(settings: &LogSettings) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| {
        EnvFilter::new(format!(
            "{},pingora=warn,pingora_core=warn,pingora_proxy=warn,refinery_core=warn",
            settings.level
        ))
    });
    // Where nothing can be written there is nobody to tell; by default it would be told, there, and panic.
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .log_internal_errors(false)
        .with_writer(std::io::stderr);
    // A second start in one process (tests) keeps the first.
    let _ = if settings.json { log.json().flatten_event(true).try_init() } else { log.try_init() };
}
