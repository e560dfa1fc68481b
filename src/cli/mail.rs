//! `stagedoor mail`: does mail leave the house?

use std::path::Path;

use clap::{Args, Subcommand};

use super::{failed, surroundings};
use crate::app::{TestMail, TestMailError, test_mail};
use crate::config;
use crate::model::Email;

/// Try out how mail is sent.
#[derive(Subcommand, Debug)]
pub(super) enum MailCommand {
    /// Send one mail at once, past the outbox, and say what happened.
    ///
    /// Exit codes: 0 the mail was taken (whether it arrives, the mailbox will show), 1 nobody took it, 2 it could not be
    /// tried: the configuration does not load, the address is none, or mail is only kept in memory.
    ///
    /// Example: stagedoor mail test --to ada@example.org --config config.yaml
    Test(TestArgs),
}

#[derive(Args, Debug)]
pub(super) struct TestArgs {
    /// To whom.
    #[arg(long, value_name = "ADDRESS")]
    to: String,
}

/// Sends one mail and says what became of it.
pub(super) fn test(config: &Path, args: &TestArgs) -> i32 {
    let Ok(to) = Email::parse(&args.to) else {
        return failed(&"`--to` is no address: write for example ada@example.org");
    };
    let settings = match config::load(config) {
        Ok(settings) => settings,
        Err(report) => return failed(&report),
    };
    match test_mail(&settings, &surroundings(None), &to) {
        Ok(TestMail::Sent) => println!("The server took the mail for {to}."),
        Ok(TestMail::Filed) => {
            println!("The mail for {to} is a file in the folder `mail.dir` (mails are not sent).");
        }
        Err(TestMailError::Delivery(why)) => {
            eprintln!("stagedoor: nobody took the mail for {to}: {why}");
            return 1;
        }
        Err(e) => return failed(&e),
    }
    0
}
