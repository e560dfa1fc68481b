//! `stagedoor migrate`: brings the schema of the store up to date without starting the gateway, or moves a SQLite store
//! over to PostgreSQL.

use std::path::{Path, PathBuf};

use clap::Args;

use super::{failed, surroundings};
use crate::app::{Migrated, Moved, migrate, transfer};
use crate::config::{self, Settings};

/// Rows between two lines of progress.
const STEP: u64 = 100_000;

/// Bring the schema of the store up to date, or with --from copy a SQLite store into the configured PostgreSQL.
///
/// `serve` brings the schema up to date by itself; this is for those who want to see it done first. Others that start at
/// the same time wait.
///
/// --from copies every table in one transaction into an empty database: all of it or nothing. Keep `secret` as it was,
/// and everybody stays signed in. Stop the gateway first: what it writes after the copy has begun is not in it.
///
/// Exit codes: 0 done, 2 it could not be done (nothing of the failed step remains, and a store of a newer release is
/// left alone). Examples:
///   stagedoor migrate --config config.yaml
///   stagedoor migrate --config postgres.yaml --from sqlite:stagedoor.db
#[derive(Args, Debug)]
#[command(verbatim_doc_comment)]
pub(super) struct MigrateArgs {
    /// The store to copy from, `sqlite:PATH`; relative to the current folder.
    #[arg(long, value_name = "URL", value_parser = sqlite)]
    from: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

fn sqlite(url: &str) -> Result<PathBuf, String> {
    match url.strip_prefix("sqlite:") {
        Some(path) if !path.is_empty() && path != ":memory:" => Ok(path.into()),
        _ => Err("write sqlite:PATH; other stores cannot be copied from".to_owned()),
    }
}

/// Does one or the other and says what was done.
pub(super) fn run(config: &Path, args: &MigrateArgs) -> i32 {
    let settings = match config::load(config) {
        Ok(settings) => settings,
        Err(report) => return failed(&report),
    };
    if let Some(from) = &args.from {
        return copy(&settings, from, args.json);
    }
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

fn copy(settings: &Settings, from: &Path, json: bool) -> i32 {
    let clock = surroundings(None).clock;
    let begun = clock.monotonic();
    let mut told = |Moved { table, rows, of }| {
        if !json && of > 0 && (rows == of || rows % STEP == 0) {
            eprintln!("{table}: {rows} of {of}");
        }
    };
    let all = match transfer(settings, from, &mut told) {
        Ok(all) => all,
        Err(e) => return failed(&e),
    };
    let rows: u64 = all.iter().map(|moved| moved.rows).sum();
    let seconds = clock.monotonic().saturating_sub(begun).as_secs_f64();
    if json {
        let tables: serde_json::Map<_, _> =
            all.iter().map(|moved| (moved.table.to_owned(), moved.rows.into())).collect();
        println!("{}", serde_json::json!({ "tables": tables, "rows": rows, "seconds": seconds }));
    } else {
        println!("{rows} rows in {} tables were copied in {seconds:.1} s", all.len());
    }
    0
}
