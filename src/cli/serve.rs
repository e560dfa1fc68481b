//! `stagedoor serve`: the gateway.

use std::path::Path;

use super::{failed, logging, surroundings};
use crate::app::Gateway;
use crate::config;

/// Loads, assembles, serves until a signal.
pub(super) fn run(path: &Path) -> i32 {
    let (settings, report) = config::load_with_report(path);
    if !report.problems().is_empty() {
        eprintln!("{report}");
    }
    let Some(settings) = settings else { return 2 };
    logging::start(&settings.log);
    let public_url = settings.gate.public_url.clone();
    let gateway = match Gateway::assemble(settings, &surroundings(Some(path.to_owned()))) {
        Ok(gateway) => gateway,
        Err(e) => return failed(&e),
    };
    let first = match gateway.bootstrap_link() {
        Ok(link) => link,
        Err(e) => return failed(&e),
    };
    let served = gateway.run(|public, admin| {
        tracing::info!(listen = %public, admin_listen = %admin, public_url, "gateway is ready");
        // Not into the log: logs are collected, and this makes an admin.
        if let Some(link) = first {
            println!("There is no administrator yet. Make the first one here, once:\n  {}", link.expose());
        }
    });
    match served {
        Ok(()) => 0,
        Err(e) => failed(&e),
    }
}
