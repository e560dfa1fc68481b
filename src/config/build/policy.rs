//! `routes`, `requirements` and `rules`: from the tree to the policy's source, and the policy's problems
//! back to their places.

use std::collections::HashSet;

use crate::config::problem::Severity;
use crate::config::raw::sections_policy as p;
use crate::config::raw::table::{Field, Found, Table, networks};
use crate::config::raw::tree::Value;
use crate::config::suggest;
use crate::policy::{
    self, Policy, PolicySource, RequirementSource as Req, RoleSource, RouteSource, RuleSource, WhenUnknown,
};

/// Deeper requirements cannot be read by people either.
const MAX_DEPTH: usize = 16;

/// The roles as far as rules go.
fn roles(root: &Table<'_>) -> Vec<RoleSource> {
    let Some(field) = root.field("roles") else { return Vec::new() };
    let role = |(name, _, field): (&str, usize, Field<'_>)| {
        let permissions = field.table(&p::ROLE)?.field("permissions").map(|f| f.texts()).unwrap_or_default();
        Some(RoleSource { name: name.to_owned(), permissions })
    };
    field.named().into_iter().filter_map(role).collect()
}

/// What stands there without the rest of a gateway's configuration; routes may be missing.
pub(in crate::config) fn source_alone(root: &Table<'_>) -> PolicySource {
    let routes = if root.has("routes") { routes(root) } else { Vec::new() };
    PolicySource { roles: roles(root), requirements: requirements(root), routes, rules: rules(root) }
}

#[cfg(feature = "gateway")]
pub(super) fn source(root: &Table<'_>, roles: &[RoleSource]) -> PolicySource {
    PolicySource {
        roles: roles.to_vec(),
        requirements: requirements(root),
        routes: routes(root),
        rules: rules(root),
    }
}

/// Compiles, and notes what the policy found at the place it means. The policy's lists are as long as those
/// of the file, so its paths are ours.
pub(in crate::config) fn compile(root: &Table<'_>, source: &PolicySource) -> Option<Policy> {
    let cx = root.at.cx;
    let (compiled, problems) = policy::compile(source);
    let known: HashSet<String> =
        cx.found.borrow().iter().filter(|f| f.severity == Severity::Error).map(|f| f.path.clone()).collect();
    for problem in problems {
        if known.contains(&problem.at) || follows(&problem, &known) {
            continue;
        }
        let policy::Problem { at: path, message, help, severity } = problem;
        let severity = match severity {
            policy::Severity::Error => Severity::Error,
            policy::Severity::Warning => Severity::Warning,
        };
        let place = root.at.node.find(&path);
        cx.found.borrow_mut().push(Found { severity, place, path, message, help });
    }
    compiled
}

/// Whether a problem only follows from one that is noted already: from a stand-in for what could not be
/// read, from an item of which only a part was read, or a warning about what the errors left over.
fn follows(problem: &policy::Problem, known: &HashSet<String>) -> bool {
    let item = problem.at.split('.').next().unwrap_or_default();
    let within = |k: &String| k.strip_prefix(&problem.at).is_some_and(|rest| rest.starts_with(['.', '[']));
    let path_unread = known.contains(item) || known.contains(&format!("{item}.path"));
    let partial = known.iter().any(within) || (path_unread && problem.message.starts_with("`owner:"));
    let left_over = problem.severity == policy::Severity::Warning && !known.is_empty();
    partial || left_over || problem.message.contains(STAND_IN)
}

/// In paths that stand for one that could not be read.
const STAND_IN: &str = "stagedoor-unread";

fn path(table: &Table<'_>) -> String {
    let stand_in = || format!("/{STAND_IN}/{}", table.at.path.replace(['[', ']'], "-"));
    table.text("path").unwrap_or_else(stand_in)
}

fn routes(root: &Table<'_>) -> Vec<RouteSource> {
    let Some(list) = root.field("routes") else { return Vec::new() };
    let items = list.items();
    if items.is_empty() && matches!(list.node.value, Value::List(_)) {
        list.error("there is no route: nothing can be reached", "write `- { path: /**, upstream: NAME }`");
    }
    // Rules alone have no list of upstreams; where one is missing, that is noted once and not for each route.
    if !root.has("upstreams") {
        return items.iter().map(|item| route(item, None)).collect();
    }
    let upstreams = root.at("upstreams");
    let known: Vec<&str> = match &upstreams.node.value {
        Value::Table(entries) => entries.iter().map(|e| e.key.as_str()).collect(),
        _ => Vec::new(),
    };
    let routes: Vec<RouteSource> = items.iter().map(|item| route(item, Some(&known))).collect();
    let all_known = !routes.is_empty() && routes.iter().all(|r| known.contains(&r.upstream.as_str()));
    if let (Value::Table(entries), true) = (&upstreams.node.value, all_known) {
        for entry in entries.iter().filter(|e| routes.iter().all(|r| r.upstream != e.key)) {
            let field = Field { cx: root.at.cx, node: &entry.node, path: format!("upstreams.{}", entry.key) };
            field.warning("no route leads to this upstream", "add a route, or remove the upstream");
        }
    }
    routes
}

fn route(item: &Field<'_>, upstreams: Option<&[&str]>) -> RouteSource {
    let Some(table) = item.table(&p::ROUTE) else {
        return RouteSource { path: format!("/{STAND_IN}/{}", item.path), ..RouteSource::default() };
    };
    let upstream = table.text("upstream");
    if let (Some(name), Some(upstreams)) = (&upstream, upstreams)
        && !upstreams.contains(&name.as_str())
    {
        table.at("upstream").error(
            format!("no upstream is called \"{}\"", name.escape_debug()),
            suggest::help(name, upstreams.iter().copied()),
        );
    }
    RouteSource {
        path: path(&table),
        host: table.text("host"),
        upstream: upstream.unwrap_or_default(),
        allow_semicolon: table.flag("allow_semicolon"),
        case_insensitive: table.flag("case_insensitive"),
        forward_token: table.flag("forward_token"),
        max_body: table.size("max_body"),
        on_revocation_unknown: when_unknown(&table),
        strip_prefix: table.text("strip_prefix"),
    }
}

/// The words of the key are those of the policy.
fn when_unknown(route: &Table<'_>) -> Option<WhenUnknown> {
    let said = route.choice("on_revocation_unknown");
    WhenUnknown::ALL.into_iter().find(|choice| choice.word() == said)
}

fn requirements(root: &Table<'_>) -> Vec<(String, Req)> {
    let Some(field) = root.field("requirements") else { return Vec::new() };
    let read = |(name, _, field): (&str, usize, Field<'_>)| {
        (name.to_owned(), requirement(&field, 0).unwrap_or(Req::Deny))
    };
    field.named().into_iter().map(read).collect()
}

fn rules(root: &Table<'_>) -> Vec<RuleSource> {
    let Some(list) = root.field("rules") else { return Vec::new() };
    let items = list.items();
    if items.is_empty() && matches!(list.node.value, Value::List(_)) {
        list.error("there is no rule: everything would be refused", "write `- { path: /, allow: public }`");
    }
    items.iter().map(rule).collect()
}

fn rule(item: &Field<'_>) -> RuleSource {
    let Some(table) = item.table(&p::RULE) else {
        let path = format!("/{STAND_IN}/{}", item.path);
        return RuleSource { path, host: None, methods: Vec::new(), allow: Req::Deny };
    };
    RuleSource {
        path: path(&table),
        host: table.text("host"),
        methods: table.field("methods").map(|f| some_texts(&f)).unwrap_or_default(),
        allow: table.field("allow").and_then(|f| requirement(&f, 0)).unwrap_or(Req::Deny),
    }
}

/// An empty list would mean "any" here and "none" there; so it means nothing.
fn some_texts(field: &Field<'_>) -> Vec<String> {
    if matches!(&field.node.value, Value::List(items) if items.is_empty()) {
        field.error("an empty list", "name at least one");
    }
    field.texts()
}

fn requirement(field: &Field<'_>, depth: usize) -> Option<Req> {
    if depth > MAX_DEPTH {
        field.error(
            "requirements within requirements, too deep",
            "give the inner part a name under `requirements:`",
        );
        return None;
    }
    match &field.node.value {
        Value::Text(_) => Some(match field.text()? {
            "public" => Req::Public,
            "authenticated" => Req::Authenticated,
            "deny" => Req::Deny,
            name => Req::Named(name.to_owned()),
        }),
        Value::Table(entries) => {
            let table = field.table(&p::REQUIREMENT)?;
            let [entry] = entries.as_slice() else {
                let keys: Vec<String> =
                    entries.iter().map(|e| format!("{{ {}: … }}", e.key.escape_debug())).collect();
                field.error(
                    format!("a requirement has exactly one key, this has {}", entries.len()),
                    format!("write all_of: [{}], or any_of", keys.join(", ")),
                );
                return None;
            };
            if matches!(entry.node.value, Value::Null) {
                table.at(&entry.key).expected("what the requirement needs", "give a value");
                return None;
            }
            criterion(&table, &entry.key, depth)
        }
        _ => {
            field.expected(
                "a requirement",
                "write public, authenticated, deny, a name, or a table such as { role: admin }",
            );
            None
        }
    }
}

fn criterion(table: &Table<'_>, key: &str, depth: usize) -> Option<Req> {
    let inner = || table.at(key);
    let list = || {
        let items = inner().items();
        if items.is_empty() {
            inner().error("a requirement without parts", "name at least one");
        }
        items.iter().map(|i| requirement(i, depth + 1)).collect::<Option<Vec<Req>>>()
    };
    Some(match key {
        "role" => Req::Role(table.text(key)?),
        "any_role" => Req::AnyRole(some_texts(&inner())),
        "all_roles" => Req::AllRoles(some_texts(&inner())),
        "permission" => Req::Permission(table.text(key)?),
        "any_permission" => Req::AnyPermission(some_texts(&inner())),
        "owner" => Req::Owner(table.text(key)?),
        "mfa" => mfa(table)?,
        "max_age" => Req::MaxAge(table.duration_if(key)?),
        "network" => {
            if matches!(&inner().node.value, Value::List(items) if items.is_empty()) {
                inner().error("an empty list admits nobody", "name at least one range, or write `deny`");
            }
            Req::Network(networks(&inner()))
        }
        "any_of" => Req::AnyOf(list()?),
        "all_of" => Req::AllOf(list()?),
        "not" => Req::Not(Box::new(requirement(&inner(), depth + 1)?)),
        _ => return None,
    })
}

fn mfa(table: &Table<'_>) -> Option<Req> {
    let field = table.at("mfa");
    match field.node.value {
        Value::Flag(true) => Some(Req::Mfa),
        Value::Flag(false) => {
            field.error("`mfa: false` asks for nothing", "leave it out, or write not: { mfa: true }");
            None
        }
        _ => {
            field.expected("true", "write mfa: true");
            None
        }
    }
}
