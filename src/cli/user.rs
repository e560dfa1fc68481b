//! `stagedoor user`: accounts made by the operator.

use std::io::Read as _;
use std::path::Path;

use clap::{Args, Subcommand};

use super::{failed, surroundings};
use crate::account::{CreateUser, Error};
use crate::app::Office;
use crate::config;
use crate::model::Secret;

/// Make and change accounts.
#[derive(Subcommand, Debug)]
pub(super) enum UserCommand {
    /// Make an account that can sign in at once.
    ///
    /// Example: printf %s "$PASSWORD" | stagedoor user create --email ada@example.org --name "Ada" --role admin --password-stdin
    Create(CreateArgs),
}

#[derive(Args, Debug)]
pub(super) struct CreateArgs {
    /// E-mail address.
    #[arg(long)]
    email: String,
    /// Full name.
    #[arg(long)]
    name: String,
    /// A role; may be given several times.
    #[arg(long = "role", required = true)]
    roles: Vec<String>,
    /// Read the password from standard input (never from the command line, where others can see it).
    #[arg(long, required = true)]
    password_stdin: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Makes one account and prints its id.
pub(super) fn create(config: &Path, args: &CreateArgs) -> i32 {
    let settings = match config::load(config) {
        Ok(settings) => settings,
        Err(report) => return failed(&report),
    };
    let password = match password_from_stdin() {
        Ok(password) => password,
        Err(e) => return failed(&format!("the password cannot be read from standard input: {e}")),
    };
    let office = match Office::open(&settings, &surroundings(None)) {
        Ok(office) => office,
        Err(e) => return failed(&e),
    };
    let wanted = CreateUser {
        email: args.email.clone(),
        name: args.name.clone(),
        roles: args.roles.clone(),
        password,
    };
    match office.runtime.block_on(office.accounts.create_user(wanted)) {
        Ok(id) if args.json => println!("{}", serde_json::json!({ "id": id.to_string() })),
        Ok(id) => println!("{id}"),
        Err(Error::Invalid(errors)) => {
            for e in &errors.0 {
                eprintln!("stagedoor: {}: {}", e.field, e.message);
            }
            return 1;
        }
        Err(e) => return failed(&e),
    }
    0
}

/// One line or the whole input; the line end does not belong to the password.
fn password_from_stdin() -> std::io::Result<Secret> {
    let mut text = String::new();
    std::io::stdin().lock().take(4096).read_to_string(&mut text)?;
    let end = text.trim_end_matches(['\r', '\n']).len();
    text.truncate(end);
    Ok(Secret::new(text))
}
