//! `tests:` of rules: decisions the operator wants to hold, verified by `stagedoor check`.

use std::time::Duration;

use http::Method;

use super::roles::Roles;
use crate::config::raw::sections_policy as p;
use crate::config::raw::table::{Field, Table};
use crate::config::raw::tree::Value;
use crate::model::{ClientIp, RoleName};

/// Who asks in a [`RuleTest`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Actor {
    /// Nobody in particular.
    Anonymous,
    /// Somebody with these roles.
    SignedIn(Vec<RoleName>),
}

/// A request and the decision it must get.
#[derive(Clone, Debug)]
pub struct RuleTest {
    /// Where it stands: `rules[3].tests[0]`.
    pub at: String,
    /// Who asks.
    pub actor: Actor,
    /// The method.
    pub method: Method,
    /// The path; `{me}` stands for the id of who asks.
    pub path: String,
    /// The host; `None`: that of the public URL.
    pub host: Option<String>,
    /// Whether the person signed in with a second factor.
    pub mfa: bool,
    /// Time since the person signed in.
    pub age: Duration,
    /// The client's address.
    pub ip: ClientIp,
    /// Whether the request must pass.
    pub allowed: bool,
}

pub(super) fn read(root: &Table<'_>, roles: &Roles) -> Vec<RuleTest> {
    let list = root.at("rules");
    let Value::List(rules) = &list.node.value else { return Vec::new() };
    let mut tests = Vec::new();
    for (i, rule) in rules.iter().enumerate() {
        let Value::Table(entries) = &rule.value else { continue };
        let Some(entry) = entries.iter().find(|e| e.key == "tests") else { continue };
        let field = Field { cx: list.cx, node: &entry.node, path: format!("{}[{i}].tests", list.path) };
        tests.extend(field.items().iter().filter_map(|item| test(item, roles)));
    }
    tests
}

fn test(item: &Field<'_>, roles: &Roles) -> Option<RuleTest> {
    let table = item.table(&p::RULE_TEST)?;
    let actor = table.field("as").and_then(|f| actor(&f, roles));
    let path = table.text("path");
    let method = table.text("method").and_then(|m| m.parse().ok());
    let ip = table.text("ip").and_then(|t| t.parse().ok()).map(ClientIp::new);
    if ip.is_none() {
        table.at("ip").expected("an IP address", "write for example 10.0.0.1");
    }
    let test = RuleTest {
        at: item.path.clone(),
        host: table.text("host"),
        mfa: table.flag("mfa"),
        age: table.duration("age"),
        allowed: table.choice("expect") == "allow",
        actor: actor?,
        method: method?,
        path: path?,
        ip: ip?,
    };
    Some(test)
}

fn actor(field: &Field<'_>, roles: &Roles) -> Option<Actor> {
    let items = match &field.node.value {
        Value::List(_) => field.items(),
        _ => vec![field.clone()],
    };
    let mut names = Vec::new();
    for item in &items {
        let text = item.text()?;
        if text == "anonymous" && items.len() == 1 {
            return Some(Actor::Anonymous);
        }
        roles.check(item, text);
        names.push(RoleName::parse(text).ok()?);
    }
    Some(Actor::SignedIn(names))
}
