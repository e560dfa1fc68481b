//! `roles` and `home_links`.

use crate::account::{Registration, RoleRegistration};
use crate::config::raw::sections as s;
use crate::config::raw::sections_policy as p;
use crate::config::raw::table::{Field, Table};
use crate::config::suggest;
use crate::model::RoleName;
use crate::policy::RoleSource;
use crate::web::HomeLink;

/// The roles in the order of the file.
pub(super) struct Roles {
    /// Those whose names are names.
    pub(super) registrations: Vec<RoleRegistration>,
    /// All of them, for the policy.
    pub(super) sources: Vec<RoleSource>,
}

impl Roles {
    /// Notes a role that is not declared.
    pub(super) fn check(&self, field: &Field<'_>, name: &str) {
        if self.sources.iter().all(|r| r.name != name) {
            let help = suggest::help(name, self.sources.iter().map(|r| r.name.as_str()));
            field.error(format!("no role is called \"{}\"", name.escape_debug()), help);
        }
    }
}

pub(super) fn read(root: &Table<'_>) -> Roles {
    let mut roles = Roles { registrations: Vec::new(), sources: Vec::new() };
    let Some(field) = root.field("roles") else { return roles };
    let entries = field.named();
    if entries.is_empty() {
        field.error(
            "there is no role",
            "declare at least one, such as `user: { registration: open, default: true }`",
        );
    }
    let mut defaults = Vec::new();
    for (name, _, field) in entries {
        let Some(table) = field.table(&p::ROLE) else { continue };
        let (registration, default) = role(&table);
        let permissions = table.field("permissions").map(|f| f.texts()).unwrap_or_default();
        if registration == Registration::Open && permissions.iter().any(|p| p == "*") {
            table.at("registration").error(
                format!("anyone could register as `{name}`, which holds every permission"),
                "a role with `*` is `closed`, or `approval`",
            );
        }
        if default {
            defaults.push((table.at("default"), name, registration));
        }
        roles.sources.push(RoleSource { name: name.to_owned(), permissions: permissions.clone() });
        match RoleName::parse(name) {
            Ok(name) => {
                roles.registrations.push(RoleRegistration { name, permissions, registration, default });
            }
            Err(problem) => field.error(problem.to_string(), "rename the role"),
        }
    }
    check_default(&field, &roles, &defaults);
    roles
}

fn role(table: &Table<'_>) -> (Registration, bool) {
    let registration = match table.choice("registration") {
        "open" => Registration::Open,
        "approval" => Registration::Approval,
        _ => Registration::Closed,
    };
    (registration, table.flag("default"))
}

/// Whoever registers without a choice, or waits for approval, holds the default role: there is exactly one,
/// and it is open. Where every role is closed nobody registers and none is needed.
fn check_default(field: &Field<'_>, roles: &Roles, defaults: &[(Field<'_>, &str, Registration)]) {
    for (at, name, registration) in defaults {
        if *registration != Registration::Open {
            at.error(
                format!("the default role `{name}` is not open, yet everyone who registers gets it"),
                "write `registration: open`, or make another role the default",
            );
        }
    }
    if let [(_, first, _), more @ ..] = defaults {
        for (at, name, _) in more {
            at.error(
                format!("`{name}` is a second default role beside `{first}`"),
                "keep one `default: true`",
            );
        }
    } else if let Some(open) = roles.registrations.iter().find(|r| r.registration != Registration::Closed) {
        field.error(
            format!("people can register (`{}`), but no role is the default", open.name),
            "write `default: true` at one open role",
        );
    }
}

pub(super) fn home_links(root: &Table<'_>, roles: &Roles) -> Vec<HomeLink> {
    let Some(list) = root.field("home_links") else { return Vec::new() };
    list.items().iter().filter_map(|item| home_link(item, roles)).collect()
}

fn home_link(item: &Field<'_>, roles: &Roles) -> Option<HomeLink> {
    let table = item.table(&s::HOME_LINK)?;
    let mut names = Vec::new();
    for role in table.field("roles").map(|f| f.items()).unwrap_or_default() {
        if let Some(name) = role.text() {
            roles.check(&role, name);
            names.push(name.to_owned());
        }
    }
    let (title, href) = (table.text("title"), table.text("href"));
    if let Some(href) = &href
        && (!href.starts_with('/') || href.starts_with("//") || href.contains('\\'))
    {
        table.at("href").expected("a path on this origin", "start it with one slash, such as /events");
    }
    Some(HomeLink { roles: names, title: title?, href: href? })
}
