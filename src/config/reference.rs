//! The key reference in Markdown, made from the table of keys. `docs/configuration.md` carries it, and a
//! test holds the two together.

use std::fmt::Write as _;

use super::raw::keys::{Default, Key};
use super::raw::sections_policy;

/// Every key with what it takes, its default and its meaning.
#[must_use]
pub fn reference() -> String {
    let mut out = String::new();
    for section in sections_policy::all() {
        let title =
            if section.path.is_empty() { "The file".to_owned() } else { format!("`{}`", section.path) };
        let _ = writeln!(
            out,
            "### {title}\n\n{}\n\n| key | takes | default | meaning |\n|---|---|---|---|",
            section.doc
        );
        for key in section.keys {
            out.push_str(&row(key));
        }
        out.push('\n');
    }
    out
}

/// Every key name with the path of its table, for the tests that compare files with the code.
#[must_use]
pub fn key_paths() -> Vec<(&'static str, &'static str)> {
    sections_policy::all().iter().flat_map(|s| s.keys.iter().map(|k| (s.path, k.name))).collect()
}

fn row(key: &Key) -> String {
    let default = match key.default {
        Default::Required => "required".to_owned(),
        Default::Nothing => "null".to_owned(),
        Default::Text(text) => format!("`{text}`"),
    };
    let takes = key.kind.allowed().replace('|', "\\|");
    format!("| `{}` | {takes} | {default} | {} |\n", key.name, key.doc.replace('|', "\\|"))
}
