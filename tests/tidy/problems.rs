//! The types of problems are a promise to clients: `docs/api.md` has them all, and none that no code makes.

use std::collections::{BTreeMap, BTreeSet};

use syn::visit::{self, Visit};
use syn::{Expr, ExprCall, ImplItemFn, Item, ItemConst, Lit};

use crate::finding::Findings;
use crate::tree::{Source, root, sources};

const PAGE: &str = "docs/api.md";
/// Where the connection's own refusals get their words.
const TABLE: &str = "src/gate/refusal.rs";

#[test]
fn every_type_of_problem_is_in_the_documentation() {
    let mut findings = Findings::new(
        "clients go by the type of a problem, so they must be able to look it up",
        "add it to the table of types in docs/api.md, or take it out there",
    );
    let made = made();
    assert!(made.len() > 30, "the types were not found: {made:?}");
    let told = told();
    for (kind, (file, line)) in made.iter().filter(|(kind, _)| !told.contains(*kind)) {
        findings.add(file, *line, format!("`{kind}` is not in {PAGE}"));
    }
    for kind in told.iter().filter(|kind| !made.contains_key(*kind)) {
        findings.add(PAGE, 0, format!("nothing answers `{kind}`"));
    }
    findings.must_be_empty();
}

/// Every type, and where it is made.
fn made() -> BTreeMap<String, (String, usize)> {
    let mut all = BTreeMap::new();
    let ours = |s: &&Source| {
        !s.is_test
            && (s.path.starts_with("src/web/") || s.path.starts_with("src/account/") || s.path == TABLE)
    };
    for source in sources().iter().filter(ours) {
        let mut kinds = Kinds { in_table: source.path == TABLE, ..Kinds::default() };
        kinds.visit_file(&source.syntax);
        for (line, argument) in kinds.found {
            let kind = match argument {
                Argument::Text(text) => Some(text),
                Argument::Name(name) => kinds.constants.get(&name).cloned(),
            };
            if let Some(kind) = kind {
                all.entry(kind).or_insert_with(|| (source.path.clone(), line));
            }
        }
    }
    all
}

/// The first column of the table of types: rows that begin with a status and a word in backticks.
fn told() -> BTreeSet<String> {
    let page = std::fs::read_to_string(root().join(PAGE)).unwrap();
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` | "));
    let types = rows.filter(|(_, rest)| rest.starts_with(|c: char| c.is_ascii_digit()));
    types.map(|(kind, _)| kind.to_owned()).collect()
}

enum Argument {
    Text(String),
    Name(String),
}

/// What stands where a type is asked for: in `Problem::new`, in `Error::Conflict`, in the table of refusals.
#[derive(Default)]
struct Kinds {
    in_table: bool,
    function: String,
    found: Vec<(usize, Argument)>,
    constants: BTreeMap<String, String>,
}

impl Kinds {
    fn add(&mut self, line: usize, argument: Option<&Expr>) {
        match argument {
            Some(Expr::Path(path)) => {
                let name = path.path.segments.last().map(|s| s.ident.to_string()).unwrap_or_default();
                self.found.push((line, Argument::Name(name)));
            }
            Some(other) => self.found.extend(text(other).map(|text| (line, Argument::Text(text)))),
            None => {}
        }
    }
}

impl<'a> Visit<'a> for Kinds {
    fn visit_item(&mut self, item: &'a Item) {
        let tests = crate::tree::attributes(item).iter().any(|a| a.path().is_ident("cfg"));
        if !(tests && matches!(item, Item::Mod(_))) {
            visit::visit_item(self, item);
        }
    }

    fn visit_item_const(&mut self, item: &'a ItemConst) {
        if let Some(text) = text(&item.expr) {
            self.constants.insert(item.ident.to_string(), text);
        }
        visit::visit_item_const(self, item);
    }

    fn visit_impl_item_fn(&mut self, f: &'a ImplItemFn) {
        self.function = f.sig.ident.to_string();
        visit::visit_impl_item_fn(self, f);
    }

    fn visit_arm(&mut self, arm: &'a syn::Arm) {
        if self.in_table && self.function == "slug" {
            self.add(arm.fat_arrow_token.spans[0].start().line, Some(&arm.body));
        }
        visit::visit_arm(self, arm);
    }

    fn visit_expr_call(&mut self, call: &'a ExprCall) {
        if let Expr::Path(path) = &*call.func {
            let words: Vec<String> = path.path.segments.iter().map(|s| s.ident.to_string()).collect();
            let line = path.path.segments[0].ident.span().start().line;
            match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
                [.., "Conflict" | "not_now"] => self.add(line, call.args.first()),
                ["Self" | "Problem", "new"] if call.args.len() == 4 => self.add(line, call.args.get(1)),
                _ => {}
            }
        }
        visit::visit_expr_call(self, call);
    }
}

fn text(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Lit(lit) => match &lit.lit {
            Lit::Str(text) => Some(text.value()),
            _ => None,
        },
        _ => None,
    }
}
