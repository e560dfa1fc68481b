//! The files of the repository.

use std::fs;
use std::path::{Path, PathBuf};

use syn::{Attribute, Item};

/// Folders that hold Rust of ours.
const RUST: &[&str] = &["src", "tests", "examples", "benches", "fuzz"];
/// Folders that hold what tools made.
const MADE: &[&str] = &["target", "corpus", "artifacts", "coverage", "node_modules", ".next", ".git"];

/// One Rust file.
pub struct Source {
    /// From the root of the repository, with `/`.
    pub path: String,
    /// All of it.
    pub text: String,
    /// All of it, parsed.
    pub syntax: syn::File,
    /// Whether it is compiled for tests only.
    pub is_test: bool,
}

impl Source {
    /// The part of the house under `src/`; `None` for `main.rs`, `lib.rs` and everything outside.
    pub fn part(&self) -> Option<&str> {
        self.path.strip_prefix("src/")?.split_once('/').map(|(part, _)| part)
    }

    /// The module it is, such as `["web", "api", "login"]`; only for files under `src/`.
    pub fn module(&self) -> Vec<String> {
        let inner = self.path.strip_prefix("src/").unwrap_or(&self.path);
        let stem = inner.trim_end_matches(".rs").trim_end_matches("/mod");
        stem.split('/').map(str::to_owned).collect()
    }

    /// Whether it belongs to these checks, which name what they look for.
    pub fn is_tidy(&self) -> bool {
        self.path.starts_with("tests/tidy")
    }
}

/// The root of the repository.
pub fn root() -> PathBuf {
    PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo tells where the package is"))
}

/// Every Rust file of ours, parsed.
pub fn sources() -> Vec<Source> {
    let mut all: Vec<Source> = files(RUST, &["rs"]).into_iter().map(parse).collect();
    let declared: Vec<String> = all.iter().flat_map(test_modules).collect();
    for source in &mut all {
        let module = source.path.trim_end_matches(".rs");
        source.is_test = is_test_path(&source.path)
            || declared.iter().any(|d| module == d || module.starts_with(&format!("{d}/")));
    }
    assert!(all.len() > 100, "the tree was not found: {} files under {}", all.len(), root().display());
    all
}

/// Path and text of every file in `folders` (or the file itself) whose name ends in one of `endings`; all, if empty.
pub fn files(folders: &[&str], endings: &[&str]) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for folder in folders {
        walk(&root().join(folder), &mut found);
    }
    found.retain(|p| endings.is_empty() || endings.iter().any(|e| p.extension().is_some_and(|x| x == *e)));
    found.sort();
    let read = |p: PathBuf| {
        let name = p.strip_prefix(root()).expect("under the root").to_string_lossy().replace('\\', "/");
        // What is not text (an icon, a font) has no words to check.
        fs::read_to_string(&p).ok().map(|text| (name, text))
    };
    found.into_iter().filter_map(read).collect()
}

fn walk(at: &Path, found: &mut Vec<PathBuf>) {
    if at.is_file() {
        found.push(at.to_owned());
        return;
    }
    let Ok(entries) = fs::read_dir(at) else { return };
    for entry in entries.map(|e| e.expect("a readable folder")) {
        if !MADE.iter().any(|made| entry.file_name() == *made) {
            walk(&entry.path(), found);
        }
    }
}

fn parse((path, text): (String, String)) -> Source {
    let syntax = syn::parse_file(&text).unwrap_or_else(|e| panic!("{path} is not Rust: {e}"));
    Source { path, text, syntax, is_test: false }
}

fn is_test_path(path: &str) -> bool {
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
    name == "tests.rs" || name.ends_with("_tests.rs") || folder.split('/').any(|f| f == "tests")
}

/// The modules that a file declares with `#[cfg(test)] mod name;`, as paths without `.rs`.
fn test_modules(source: &Source) -> Vec<String> {
    let stem = source.path.trim_end_matches(".rs");
    let folder = match stem.rsplit_once('/') {
        Some((folder, "mod" | "lib" | "main")) => folder,
        _ => stem,
    };
    let declared = |item: &Item| match item {
        Item::Mod(m) if m.content.is_none() && is_cfg_test(&m.attrs) => Some(format!("{folder}/{}", m.ident)),
        _ => None,
    };
    source.syntax.items.iter().filter_map(declared).collect()
}

/// Whether the attributes say `#[cfg(test)]`, alone or within `all(…)`.
pub fn is_cfg_test(attrs: &[Attribute]) -> bool {
    attrs.iter().filter(|a| a.path().is_ident("cfg")).any(|a| {
        let words = a.meta.require_list().map(|l| l.tokens.to_string()).unwrap_or_default();
        !words.contains("not") && words.split(|c: char| !c.is_alphanumeric()).any(|w| w == "test")
    })
}

/// The attributes of an item.
pub fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(i) => &i.attrs,
        Item::Enum(i) => &i.attrs,
        Item::ExternCrate(i) => &i.attrs,
        Item::Fn(i) => &i.attrs,
        Item::Impl(i) => &i.attrs,
        Item::Macro(i) => &i.attrs,
        Item::Mod(i) => &i.attrs,
        Item::Static(i) => &i.attrs,
        Item::Struct(i) => &i.attrs,
        Item::Trait(i) => &i.attrs,
        Item::Type(i) => &i.attrs,
        Item::Use(i) => &i.attrs,
        _ => &[],
    }
}

/// Where `word` stands in `text` with nothing of a longer word around it. What ends in punctuation ends there.
pub fn find_word(text: &str, word: &str) -> Option<usize> {
    let part = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    let ends_open = part(word.chars().next_back());
    let alone = |at: &usize| {
        let (before, after) = (text[..*at].chars().next_back(), text[at + word.len()..].chars().next());
        let longer = part(before) || (ends_open && part(after));
        !longer
    };
    text.match_indices(word).map(|(at, _)| at).find(alone)
}
