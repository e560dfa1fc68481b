//! Who imports whom, and who uses which crate from outside, held against the table.

use std::collections::{BTreeMap, BTreeSet};

use crate::finding::Findings;
use crate::paths::{self, Used};
use crate::table;
use crate::tree::{Source, sources};

/// Product code under `src/` with the part it belongs to; tests may reach for anything.
fn product(all: &[Source]) -> impl Iterator<Item = (&Source, &str)> {
    let part_of =
        |s: &Source| if s.path == "src/main.rs" { Some("main".len()) } else { s.part().map(str::len) };
    all.iter().filter(|s| !s.is_test).filter_map(move |s| {
        let length = part_of(s)?;
        Some((s, &s.path["src/".len().."src/".len() + length]))
    })
}

#[test]
fn parts_import_only_whom_the_table_names() {
    let all = sources();
    let mut findings = Findings::new(
        "the import table does not allow it (tests/tidy/table.rs)",
        "pass in what is needed as a value or trait object, or move the code to the part it belongs to",
    );
    let mut in_use = BTreeMap::<_, BTreeSet<_>>::new();
    for (source, part) in product(&all) {
        let edges = table::edges(part);
        for (line, target) in inner_targets(source) {
            let Some(other) = target.first().filter(|other| *other != part) else { continue };
            let item = target.get(1).map(String::as_str);
            let said = target.join("::");
            in_use.entry((part, other.clone())).or_default().extend(item.map(str::to_owned));
            if !edges.iter().any(|e| e.covers(other, item)) {
                let some = if edges.iter().any(|e| e.part == other) {
                    "only other names of "
                } else {
                    "nothing of "
                };
                findings.add(&source.path, line, format!("`{said}`; `{part}` may import {some}`{other}`"));
            }
        }
    }
    // For whoever changes the table and runs this with `--no-capture`.
    for ((part, other), items) in in_use {
        println!("{part} -> {other}: {}", items.into_iter().collect::<Vec<_>>().join(" "));
    }
    findings.must_be_empty();
}

/// What a file takes from our crate, as paths from its root. Modules bound by a `use` are followed.
fn inner_targets(source: &Source) -> Vec<(usize, Vec<String>)> {
    let used = paths::of(source);
    let bound: BTreeMap<&str, Vec<String>> =
        used.iter().filter_map(|u| Some((u.binds.as_deref()?, u.inside()?))).collect();
    // `use crate::policy;` and then `policy::compile`: one step is enough, and only parts are worth it.
    let through = |u: &Used| {
        let start =
            bound.get(u.segments[0].as_str()).filter(|start| start.len() == 1 && u.segments.len() > 1)?;
        Some(start.iter().chain(&u.segments[1..]).cloned().collect())
    };
    let resolve = |u: &Used| u.inside().or_else(|| through(u));
    used.iter().filter_map(|u| Some((u.line, resolve(u)?))).collect()
}

#[test]
fn every_part_has_a_row_and_the_table_has_no_circles() {
    let all = sources();
    let parts: BTreeSet<&str> = all.iter().filter_map(Source::part).collect();
    let rows: BTreeSet<&str> = table::PARTS.iter().map(|(part, _)| *part).filter(|p| *p != "main").collect();
    assert_eq!(parts, rows, "the folders under src/ (left) and the rows of tests/tidy/table.rs (right)");
    for part in rows {
        let mut reached = BTreeSet::new();
        let mut next: Vec<&str> = table::edges(part).iter().map(|e| e.part).collect();
        while let Some(other) = next.pop() {
            assert_ne!(other, part, "`{part}` reaches itself in the table");
            if reached.insert(other) {
                next.extend(table::edges(other).iter().map(|e| e.part));
            }
        }
    }
}

#[test]
fn outside_crates_stay_at_home() {
    let all = sources();
    let mut findings = Findings::new(
        "each outside crate has one home, so that it can be exchanged there (tests/tidy/table.rs)",
        "ask the part that owns it, or let it arrive as a value of ours",
    );
    for (source, part) in product(&all) {
        for used in paths::of(source) {
            let name = used.segments[0].as_str();
            // A single word is a local name, unless a `use` says it.
            if used.segments.len() < 2 && used.binds.is_none() {
                continue;
            }
            if let Some((_, homes)) = table::HOMES.iter().find(|(krate, _)| *krate == name)
                && !homes.iter().any(|home| source.path.starts_with(home))
            {
                findings.add(&source.path, used.line, format!("`{name}` lives in {}", homes.join(", ")));
            }
            if let Some((_, banned)) = table::BANS.iter().find(|(p, _)| *p == part)
                && banned.contains(&name)
            {
                findings.add(&source.path, used.line, format!("`{part}` must not know `{name}`"));
            }
        }
    }
    findings.must_be_empty();
}

#[test]
fn nobody_knows_which_engine_runs() {
    let all = sources();
    let mut findings = Findings::new(
        "one set of statements serves every engine, and only store/mod.rs chooses it",
        "add the operation to its aggregate in src/store",
    );
    for (source, part) in product(&all) {
        for used in paths::of(source) {
            let Some(target) = used.inside() else { continue };
            let is = |at: usize, name: &str| target.get(at).is_some_and(|t| t == name);
            if is(0, "store") && is(1, "engine") && part != "store" {
                findings.add(&source.path, used.line, format!("`{part}` reaches into store::engine"));
            }
            let from = |engine: &str| source.path.starts_with(&format!("src/store/engine/{engine}"));
            let other = [("sqlite", "postgres"), ("postgres", "sqlite")];
            if other.iter().any(|(own, other)| from(own) && is(1, "engine") && is(2, other)) {
                findings.add(&source.path, used.line, "one engine knows the other");
            }
        }
    }
    findings.must_be_empty();
}
