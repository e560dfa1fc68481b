//! `stagedoor migrate`: brings the schema of the store up to date without starting the gateway.

use std::path::Path;

use clap::Args;

use super::failed;
use crate::app::{Migrated, migrate};
use crate::config;

/// Bring the schema of the store up to date. `serve` does so by itself; this is for those who want to see it done first.
/// Others that start at the same time wait.
///
/// Exit codes: 0 the schema is up to date, 2 it could not be done (nothing of the failed step remains, and a store of a
/// newer release is left alone). Example: stagedoor migrate --config config.yaml
#[derive(Args, Debug)]
pub(super) struct MigrateArgs {
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Migrates and says from where to where.
pub(super) fn run(config: &Path, args: &MigrateArgs) -> i32 {
    let settings = match config::load(config) {
        Ok(settings) => settings,
        Err(report) => return failed(&report),
    };
    match migrate(&settings) {
        Ok(Migrated { from, to }) if args.json => {
            println!("{}", serde_json::json!({ "from": from, "to": to }));
        }
        Ok(Migrated { from, to }) if from == to => println!("the schema is up to date: {to}"),
        Ok(Migrated { from, to }) => println!("the schema was {from} and is {to}"),
        Err(e) => return failed(&e),
    }
    0
}
