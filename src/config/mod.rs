//! The configuration file: text -> `Settings` or a [`Report`] of everything that is wrong with it. The
//! only module that knows YAML.
//!
//! - `raw/`        what was written: the tree with its places, the table of keys, typed readers
//! - `build/`      what it means: one file for each group of settings; collects all problems
//! - `secrets`     `file:` and `${NAME}` references, and which secrets are refused
//! - `rules`        the rules alone, for services that enforce them by themselves (feature `yaml`)
//! - `problem`     a problem with file, line, column, path, message and help
//! - `suggest`     the closest word that would have been right
//! - `reference`   the key reference in Markdown
//!
//! A key is one row in `raw/sections*.rs` (kind, default, doc line) and one read in `build/`.

mod build;
mod problem;
#[cfg_attr(not(feature = "gateway"), expect(dead_code, reason = "the other tables are the gateway's"))]
mod raw;
#[cfg(feature = "gateway")]
mod reference;
mod rules;
#[cfg(feature = "gateway")]
mod secrets;
mod suggest;
#[cfg(all(test, feature = "gateway"))]
mod tests;

#[cfg(feature = "gateway")]
use std::{cell::RefCell, path::Path, sync::Arc};

#[cfg(feature = "gateway")]
pub use build::{Actor, RuleTest};
pub use problem::{Problem, Report, Severity};
#[cfg(feature = "gateway")]
pub use reference::{key_paths, reference};
pub use rules::rules;
#[cfg(feature = "gateway")]
pub use secrets::{SecretError, SecretSource};

#[cfg(feature = "gateway")]
use crate::policy::{Policy, PolicySource};
#[cfg(feature = "gateway")]
use crate::{account, gate, mail, proxy, shared, store, token, web};
#[cfg(feature = "gateway")]
use raw::table::Context;
use raw::table::Found;
use raw::tree;

/// Bytes of a configuration file; a thousand rules need a tenth of it.
pub const MAX_BYTES: usize = 1 << 20;

/// So many problems are reported; the rest would not be read.
const MAX_PROBLEMS: usize = 200;

/// Everything the parts need to know.
#[cfg(feature = "gateway")]
#[derive(Clone, Debug)]
pub struct Settings {
    /// Listeners, limits, upstreams.
    pub proxy: proxy::Settings,
    /// The gate.
    pub gate: gate::Settings,
    /// The pages.
    pub web: web::Settings,
    /// Where the data live.
    pub store: store::Settings,
    /// The Redis that the nodes share; `None`: everything is counted in this process.
    pub redis: Option<shared::Settings>,
    /// How mail leaves.
    pub mail: mail::Settings,
    /// Tokens.
    pub token: token::Settings,
    /// The keys that sign them.
    pub rotation: token::Rotation,
    /// The account system.
    pub account: account::Settings,
    /// Roles, routes and rules, ready for use.
    pub policy: Arc<Policy>,
    /// The same as written.
    pub policy_source: PolicySource,
    /// Decisions that must hold.
    pub rule_tests: Vec<RuleTest>,
    /// Where the operator's secret is.
    pub secret: SecretSource,
    /// The log.
    pub log: LogSettings,
}

/// The log on standard error.
#[cfg(feature = "gateway")]
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LogSettings {
    /// `error`, `warn`, `info`, `debug` or `trace`.
    pub level: String,
    /// One JSON object a line; else text.
    pub json: bool,
}

/// Reads a duration as the configuration writes it: `10s 15m 1h 30d`.
///
/// # Errors
/// The likely fix.
pub fn parse_duration(text: &str) -> Result<std::time::Duration, String> {
    raw::values::duration(text)
}

/// Reads a file, with the environment of this process. Relative paths in it start at its folder.
/// Warnings are dropped; [`load_with_report`] keeps them.
///
/// # Errors
/// The report, when it holds at least one error.
#[cfg(feature = "gateway")]
pub fn load(path: &Path) -> Result<Settings, Report> {
    match load_with_report(path) {
        (Some(settings), _) => Ok(settings),
        (None, report) => Err(report),
    }
}

/// Like [`load`], with the warnings.
#[cfg(feature = "gateway")]
#[must_use]
pub fn load_with_report(path: &Path) -> (Option<Settings>, Report) {
    let name = path.display().to_string();
    let base = path.parent().unwrap_or(Path::new(""));
    match read(path) {
        Ok(text) => parse(&text, &name, base, &|name| std::env::var(name).ok()),
        Err((line, message)) => (None, whole(&name, (line, 1), message)),
    }
}

#[cfg(feature = "gateway")]
fn read(path: &Path) -> Result<String, (usize, String)> {
    use std::io::Read as _;
    let failed = |e: std::io::Error| (1, format!("the file cannot be read: {}", e.kind()));
    let file = std::fs::File::open(path).map_err(failed)?;
    let mut bytes = Vec::new();
    file.take(MAX_BYTES as u64 + 1).read_to_end(&mut bytes).map_err(failed)?;
    String::from_utf8(bytes).map_err(|e| {
        let before = &e.as_bytes()[..e.utf8_error().valid_up_to()];
        (1 + before.split(|b| *b == b'\n').count() - 1, "the file is not UTF-8 text".to_owned())
    })
}

/// Reads a text. `name` stands in problems, relative paths start at `base`, and `env` is asked for
/// `${NAME}`. The settings are there if and only if the report holds no error.
#[cfg(feature = "gateway")]
#[must_use]
pub fn parse(
    text: &str,
    name: &str,
    base: &Path,
    env: &dyn Fn(&str) -> Option<String>,
) -> (Option<Settings>, Report) {
    let (root, faults) = match open(text, name) {
        Ok(opened) => opened,
        Err(report) => return (None, report),
    };
    let cx = Context { found: RefCell::new(faults), env, base };
    let settings = build::settings(&cx, &root);
    let report = report(text, name, cx.found.into_inner());
    debug_assert!(settings.is_some() || report.has_errors(), "no settings and no error");
    (settings.filter(|_| !report.has_errors()), report)
}

/// The tree of a text, and the mistakes in the tree itself.
fn open(text: &str, name: &str) -> Result<(tree::Node, Vec<Found>), Report> {
    if text.len() > MAX_BYTES {
        return Err(whole(name, (1, 1), format!("the file has more than {MAX_BYTES} bytes")));
    }
    let (root, faults) = tree::read(text).map_err(|broken| whole(name, broken.at, broken.message))?;
    if matches!(root.value, tree::Value::Null) {
        return Err(whole(name, (1, 1), "the file is empty".to_owned()));
    }
    let found = |fault: tree::Fault| {
        let tree::Fault { place, path, message, help } = fault;
        Found { severity: Severity::Error, place, path, message, help }
    };
    Ok((root, faults.into_iter().map(found).collect()))
}

fn report(text: &str, file: &str, mut found: Vec<Found>) -> Report {
    found.sort_by_key(|f| (f.severity, f.place));
    found.truncate(MAX_PROBLEMS);
    let problem = |f: Found| {
        let (line, column) = tree::locate(text, f.place).unwrap_or((1, 1));
        let Found { severity, path, message, help, .. } = f;
        Problem { severity, file: file.to_owned(), line, column, path, message, help }
    };
    Report::new(found.into_iter().map(problem).collect())
}

fn whole(file: &str, (line, column): (usize, usize), message: String) -> Report {
    let (file, path) = (file.to_owned(), String::new());
    Report::new(vec![Problem { severity: Severity::Error, file, line, column, path, message, help: None }])
}
