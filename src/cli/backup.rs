//! `stagedoor backup`: a copy of a SQLite store that is in use.

use std::path::{Path, PathBuf};

use clap::Args;

use super::failed;
use crate::app::backup;
use crate::config;

/// Copy the SQLite store to a new file, whole and checked, also while the gateway runs. The secret is not in it: keep a
/// copy of that elsewhere. For PostgreSQL take pg_dump.
///
/// Exit codes: 0 the copy is there, 2 it could not be made (and there is no half one). Examples:
///   stagedoor backup /backups/stagedoor-2026-11-21.db
///   stagedoor backup --json "/backups/$(date +%F).db"
#[derive(Args, Debug)]
#[command(verbatim_doc_comment)]
pub(super) struct BackupArgs {
    /// The file to make; it must not be there yet.
    file: PathBuf,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Makes the copy and says how large it is.
pub(super) fn run(config: &Path, args: &BackupArgs) -> i32 {
    let settings = match config::load(config) {
        Ok(settings) => settings,
        Err(report) => return failed(&report),
    };
    let file = args.file.display().to_string();
    match backup(&settings, &args.file) {
        Ok(bytes) if args.json => println!("{}", serde_json::json!({ "file": file, "bytes": bytes })),
        Ok(bytes) => println!("{file}: {bytes} bytes"),
        Err(e) => return failed(&e),
    }
    0
}
