//! `stagedoor keys`: the signing keys. A running gateway on the same store takes changes over within seconds.

use std::path::Path;

use clap::{Args, Subcommand};

use super::{failed, surroundings};
use crate::app::{KeyChange, KeyStatus, Office};
use crate::config;

/// List, rotate and revoke the keys that sign tokens.
#[derive(Subcommand, Debug)]
pub(super) enum KeysCommand {
    /// Show all keys, oldest first.
    ///
    /// Example: stagedoor keys list --config config.yaml
    List(Format),
    /// Make the next key. It is published at once and signs after `token.publish_before`; the old one verifies until its
    /// last token has expired. Nobody is signed out.
    ///
    /// Example: stagedoor keys rotate
    Rotate(Format),
    /// Take all trust from a key, at once: tokens it signed are refused, browsers get new ones on the way. For a key
    /// that somebody else may hold. Upstreams go on trusting it until they fetch the key set again.
    ///
    /// Example: stagedoor keys revoke 3f0c9a5e77d21b04
    Revoke(RevokeArgs),
}

#[derive(Args, Debug)]
pub(super) struct Format {
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Args, Debug)]
pub(super) struct RevokeArgs {
    /// The key's name, as `keys list` shows it.
    kid: String,
    #[command(flatten)]
    format: Format,
}

/// Runs one of them.
pub(super) fn run(config: &Path, command: &KeysCommand) -> i32 {
    let settings = match config::load(config) {
        Ok(settings) => settings,
        Err(report) => return failed(&report),
    };
    let office = match Office::open(&settings, &surroundings(None)) {
        Ok(office) => office,
        Err(e) => return failed(&e),
    };
    let keys = &office.keys;
    let done = match command {
        KeysCommand::List(format) => office.runtime.block_on(keys.list()).map(|all| list(&all, format.json)),
        KeysCommand::Rotate(format) => office.runtime.block_on(keys.rotate()).map(|c| told(&c, format.json)),
        KeysCommand::Revoke(args) => {
            office.runtime.block_on(keys.revoke(&args.kid)).map(|c| told(&c, args.format.json))
        }
    };
    done.unwrap_or_else(|e| failed(&e))
}

fn list(all: &[KeyStatus], json: bool) -> i32 {
    for key in all {
        let retires = key.retires.map(|t| t.to_string());
        if json {
            let line = serde_json::json!({ "kid": key.kid, "algorithm": key.algorithm, "state": key.state,
                                           "begins": key.begins.to_string(), "retires": retires });
            println!("{line}");
        } else {
            let retires = retires.unwrap_or_else(|| "-".into());
            println!("{}  {:5}  {:8}  {}  {retires}", key.kid, key.algorithm, key.state, key.begins);
        }
    }
    0
}

fn told(change: &KeyChange, json: bool) -> i32 {
    match change {
        KeyChange::Next { kid, begins } if json => {
            println!("{}", serde_json::json!({ "kid": kid, "begins": begins.to_string() }));
        }
        KeyChange::Next { kid, begins } => println!("{kid} signs from {begins} on"),
        KeyChange::Removed if json => println!("{{}}"),
        KeyChange::Removed => println!("done"),
        KeyChange::Waiting(kid) => {
            eprintln!("stagedoor: {kid} is the next key already and has not begun; nothing was changed");
            return 1;
        }
        KeyChange::Missed => {
            eprintln!("stagedoor: there is no such key (any more); nothing was changed");
            return 1;
        }
    }
    0
}
