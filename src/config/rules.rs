//! The rules of a configuration without the rest of it, for services that enforce them in their own process.

use std::cell::RefCell;
use std::path::Path;

use super::raw::sections as s;
use super::raw::table::{Context, Field};
use super::{Report, build, open, report};
use crate::policy::Policy;

/// Reads `roles`, `requirements`, `routes` and `rules` of a text, which may be the gateway's whole configuration or
/// these alone; `name` stands in problems. Without `routes` every path belongs to one application. What else is in it
/// is not looked at, but for keys that nobody knows. Warnings are dropped.
///
/// ```
/// let text = "
/// roles:
///   admin: { permissions: [\"*\"] }
/// rules:
///   - { path: /public/**, allow: public }
///   - { path: /admin/**, allow: { role: admin } }
/// ";
/// assert!(stagedoor::config::rules(text, "rules.yaml").is_ok());
///
/// let wrong = stagedoor::config::rules(&text.replace("role: admin", "role: amdin"), "rules.yaml").unwrap_err();
/// assert!(wrong.to_string().starts_with("rules.yaml:6:"));
/// ```
///
/// # Errors
/// The report, with all that is wrong and where.
pub fn rules(text: &str, name: &str) -> Result<Policy, Report> {
    let (root, faults) = open(text, name)?;
    let cx = Context { found: RefCell::new(faults), env: &|_| None, base: Path::new("") };
    let field = Field { cx: &cx, node: &root, path: String::new() };
    let policy = field.table(&s::ROOT).and_then(|root| {
        let source = build::policy::source_alone(&root).with_some_route();
        build::policy::compile(&root, &source)
    });
    let report = report(text, name, cx.found.into_inner());
    policy.filter(|_| !report.has_errors()).ok_or(report)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALONE: &str =
        "roles: { admin: { permissions: ['*'] } }\nrules: [{ path: /**, allow: { role: admin } }]\n";

    #[test]
    fn rules_alone_are_enough_and_a_whole_configuration_will_do() {
        let policy = rules(ALONE, "r.yaml").unwrap();
        assert_eq!((policy.rules().len(), policy.routes().len()), (1, 1));
        let whole = rules(include_str!("../../config.yaml"), "config.yaml").unwrap();
        assert!(whole.rules().len() > 3 && !whole.routes().is_empty());
        let routed = format!("{ALONE}routes: [{{ path: /a/**, upstream: a }}]\n");
        assert_eq!(
            rules(&routed, "r.yaml").unwrap().routes()[0].upstream,
            "a",
            "nobody has to list upstreams here"
        );
    }

    #[test]
    fn what_is_wrong_has_a_place() {
        for (text, place) in [
            (ALONE.replace("role: admin", "role: amdin"), "r.yaml:2:"),
            (format!("{ALONE}rulse: []\n"), "r.yaml:3:1"),
            ("roles: {}\n".to_owned(), "r.yaml:1:"),
            (String::new(), "r.yaml:1:1"),
            (
                format!("{ALONE}upstreams: {{ b: {{}} }}\nroutes: [{{ path: /a/**, upstream: a }}]\n"),
                "r.yaml:4:",
            ),
        ] {
            let report = rules(&text, "r.yaml").unwrap_err().to_string();
            assert!(report.contains(place), "{report}");
        }
    }
}
