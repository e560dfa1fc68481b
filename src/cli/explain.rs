//! `stagedoor explain`: what the rules of a configuration say to one request, and why.

use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use clap::Args;
use http::Method;
use serde_json::{Value, json};

use crate::config;
use crate::model::{AccountId, ClientIp};
use crate::policy::{
    Candidate, Described, Explanation, Ingredient, Question, State, Verdict, WhenUnknown, explain,
};

/// Explain a decision.
///
/// Example: stagedoor explain --method GET --path /admin/x --role organizer --mfa --age 3m
#[derive(Args, Clone, Debug)]
pub struct ExplainArgs {
    /// The method.
    #[arg(long, default_value = "GET")]
    pub method: Method,
    /// The path; a query is ignored.
    #[arg(long)]
    pub path: String,
    /// The host; by default that of `server.public_url`.
    #[arg(long)]
    pub host: Option<String>,
    /// A role of the person who asks; may be given several times.
    #[arg(long = "role")]
    pub roles: Vec<String>,
    /// The account id of the person who asks.
    #[arg(long, value_parser = parse_id)]
    pub id: Option<AccountId>,
    /// The person signed in with a second factor.
    #[arg(long)]
    pub mfa: bool,
    /// Time since the person signed in, such as 3m.
    #[arg(long, default_value = "0s", value_parser = config::parse_duration)]
    pub age: Duration,
    /// The client's address.
    #[arg(long, default_value = "127.0.0.1")]
    pub ip: IpAddr,
    /// Nobody is signed in; this is so too when neither --role nor --id is given.
    #[arg(long, conflicts_with_all = ["roles", "id", "mfa"])]
    pub anonymous: bool,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

fn parse_id(text: &str) -> Result<AccountId, String> {
    text.parse().map_err(|_| "an account id is a UUID in lower case".to_owned())
}

/// Prints the explanation. Exit code: 0 allowed, 1 refused, 2 the configuration does not load.
#[must_use]
pub fn run(config: &Path, args: &ExplainArgs) -> i32 {
    let settings = match config::load(config) {
        Ok(settings) => settings,
        Err(report) => {
            eprintln!("{report}");
            return 2;
        }
    };
    let host = args.host.as_deref().unwrap_or_else(|| super::check::public_host(&settings));
    let told = explain(&settings.policy, &question(args, host));
    if args.json {
        println!("{:#}", as_json(&told));
    } else {
        print!("{told}");
    }
    i32::from(!matches!(&told.verdict, Verdict::Decided { outcome, .. } if outcome.is_allowed()))
}

fn question<'a>(args: &'a ExplainArgs, host: &'a str) -> Question<'a> {
    let anonymous = args.anonymous || (args.roles.is_empty() && args.id.is_none() && !args.mfa);
    let described = Described { id: args.id, roles: args.roles.clone(), mfa: args.mfa, age: args.age };
    Question {
        method: &args.method,
        host,
        path: &args.path,
        caller: (!anonymous).then_some(described),
        client_ip: ClientIp::new(args.ip),
    }
}

/// The explanation as JSON; the field names are those of the text.
#[must_use]
pub fn as_json(told: &Explanation) -> Value {
    json!({
        "path": told.path,
        "upstream": told.upstream,
        "unknown_roles": told.unknown_roles,
        "candidates": told.candidates.iter().map(candidate).collect::<Vec<_>>(),
        "on_revocation_unknown": told.when_unknown.map(WhenUnknown::word),
        "verdict": verdict(&told.verdict),
    })
}

fn candidate(c: &Candidate) -> Value {
    json!({
        "rule": c.label,
        "path": c.path,
        "readings": c.readings,
        "host": c.host,
        "method": c.method,
        "requirement": ingredient(&c.requirement),
        "decides": c.decides,
    })
}

fn ingredient(i: &Ingredient) -> Value {
    let state = match i.state {
        State::Hit => "hit",
        State::Miss => "miss",
        State::Unknown => "unknown",
    };
    let parts: Vec<Value> = i.parts.iter().map(ingredient).collect();
    json!({ "text": i.text, "state": state, "reason": i.reason.map(|r| r.id()), "parts": parts })
}

fn verdict(verdict: &Verdict) -> Value {
    match verdict {
        Verdict::Refused(refusal) => json!({ "outcome": "refused", "reason": refusal.id() }),
        Verdict::NoRoute => json!({ "outcome": "no_route" }),
        Verdict::Decided { rule, outcome } => {
            json!({ "outcome": outcome.word(), "rule": rule, "reason": outcome.reason().map(|r| r.id()) })
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: ExplainArgs,
    }

    fn told(line: &str) -> (i32, Value) {
        let root = std::path::absolute(file!()).unwrap();
        let config = root.ancestors().nth(3).unwrap().join("config.yaml");
        let args = Line::try_parse_from(line.split(' ')).unwrap_or_else(|e| panic!("{e}")).args;
        let settings = config::load(&config).unwrap();
        let told = explain(&settings.policy, &question(&args, super::super::check::public_host(&settings)));
        (run(&config, &args), as_json(&told)["verdict"].clone())
    }

    #[test]
    fn the_verdict_and_its_exit_code() {
        let (code, verdict) = told("explain --path /admin/x --role organizer --mfa --age 3m --ip 10.0.0.7");
        assert_eq!((code, verdict["reason"].as_str()), (1, Some("role_required")));
        let (code, verdict) = told("explain --path /admin/x --role admin --json");
        assert_eq!((code, verdict["outcome"].as_str()), (0, Some("allowed")));
        let (code, verdict) = told("explain --path /events?x=/assets/ --anonymous");
        assert_eq!((code, verdict["outcome"].as_str()), (1, Some("needs_sign_in")));
        let (code, verdict) = told("explain --path /assets/../admin");
        assert_eq!((code, verdict["reason"].as_str()), (1, Some("dot_segment")));
        let id = "0b8e3c66-6d0b-4a3e-9a53-3a0d0a5c7a11";
        assert_eq!(told(&format!("explain --path /users/{id}/x --id {id}")).0, 0);
        assert!(Line::try_parse_from(["explain", "--path", "/", "--anonymous", "--role", "x"]).is_err());
    }
}
