//! `stagedoor serve`: the gateway.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::Path;

use clap::Args;

use super::{failed, logging, surroundings};
use crate::app::Gateway;
use crate::config;

/// How to serve.
#[derive(Args, Debug)]
pub(super) struct ServeArgs {
    /// Take the listeners over from the process that runs, at `server.upgrade_socket`; it then ends by itself.
    #[arg(long)]
    upgrade: bool,
}

/// Loads, assembles, serves until a signal.
pub(super) fn run(path: &Path, args: &ServeArgs) -> i32 {
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
    let ready = |public: SocketAddr, admin: SocketAddr| {
        tracing::info!(listen = %public, admin_listen = %admin, public_url, "gateway is ready");
        // Not into the log: logs are collected, and this makes an admin.
        if let Some(link) = first {
            let text = "There is no administrator yet. Make the first one here, once:";
            // Nobody may be reading any more; that is no reason not to serve.
            let _ = writeln!(std::io::stdout(), "{text}\n  {}", link.expose());
        }
    };
    let served = if args.upgrade { gateway.take_over(ready) } else { gateway.run(ready) };
    match served {
        Ok(()) => 0,
        Err(e) => failed(&e),
    }
}
