//! The commands. Each is a file: arguments in, text out, exit code back (0 done, 1 the answer is no, 2 it could not be
//! done).

mod backup;
pub mod check;
mod demo;
pub mod explain;
mod keys;
mod logging;
mod mail;
mod migrate;
mod serve;
mod user;

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;

use clap::{Parser, Subcommand};

use crate::app::Surroundings;
use crate::model::{SystemClock, SystemEntropy};

/// An authentication gateway: sign-up, sign-in, roles and rules in front of an application you already have.
#[derive(Parser, Debug)]
#[command(name = "stagedoor", version, max_term_width = 100)]
struct Cli {
    /// The configuration file.
    #[arg(long, global = true, value_name = "FILE", default_value = "config.yaml", env = "STAGEDOOR_CONFIG")]
    config: PathBuf,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Run the gateway.
    ///
    /// SIGTERM finishes the requests in flight, SIGINT stops at once. Example: stagedoor serve --config config.yaml
    Serve(serve::ServeArgs),
    Demo(demo::DemoArgs),
    Check(check::CheckArgs),
    Explain(explain::ExplainArgs),
    Migrate(migrate::MigrateArgs),
    Backup(backup::BackupArgs),
    #[command(subcommand)]
    User(user::UserCommand),
    #[command(subcommand)]
    Mail(mail::MailCommand),
    #[command(subcommand)]
    Keys(keys::KeysCommand),
}

/// Runs one command line; returns the exit code.
#[must_use]
pub fn run(args: impl IntoIterator<Item = OsString>) -> u8 {
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(e) => {
            let _ = e.print();
            return u8::try_from(e.exit_code()).unwrap_or(2);
        }
    };
    let code = match &cli.command {
        Command::Serve(args) => serve::run(&cli.config, args),
        Command::Demo(args) => demo::run(args),
        Command::Check(args) => check::run(&cli.config, args),
        Command::Explain(args) => explain::run(&cli.config, args),
        Command::Migrate(args) => migrate::run(&cli.config, args),
        Command::Backup(args) => backup::run(&cli.config, args),
        Command::User(user::UserCommand::Create(args)) => user::create(&cli.config, args),
        Command::Mail(mail::MailCommand::Test(args)) => mail::test(&cli.config, args),
        Command::Keys(command) => keys::run(&cli.config, command),
    };
    u8::try_from(code).unwrap_or(2)
}

/// The real clock and randomness.
fn surroundings(config: Option<PathBuf>) -> Surroundings {
    Surroundings { clock: Arc::new(SystemClock::new()), entropy: Arc::new(SystemEntropy), config }
}

/// Says on standard error why something could not be done.
fn failed(why: &dyn std::fmt::Display) -> i32 {
    eprintln!("stagedoor: {why}");
    2
}
