//! What must not stand in a file.

use crate::finding::Findings;
use crate::tree::files;

/// Unfinished work. In pieces, so that this file passes its own check.
const UNFINISHED: &[&str] = &[
    concat!("TO", "DO"),
    concat!("FIX", "ME"),
    concat!("XX", "X"),
    concat!("to", "do!"),
    concat!("unimple", "mented!"),
    concat!("db", "g!("),
    concat!("#[ig", "nore"),
];
/// Folders of one machine.
const MACHINE: &[&str] = &[concat!("/wo", "rk/"), concat!("/ho", "me/"), concat!("/ro", "ot/")];
const CODE: &[&str] = &["src", "tests", "examples", "benches", "fuzz"];
const OTHER: &[&str] = &["scripts", ".ci", "migrations", "templates", "deploy", "config.yaml", "Cargo.toml"];

#[test]
fn nothing_is_unfinished() {
    let mut findings = Findings::new("what is in the tree is done", "finish it, or take it out");
    for (path, line, text) in lines(CODE, &["rs"]) {
        for word in UNFINISHED {
            if text.contains(word) && !is_placeholder(&text, word) {
                findings.add(&path, line, format!("`{word}`"));
            }
        }
    }
    findings.must_be_empty();
}

/// Three letters can be part of a longer word, such as the placeholder in a temporary file's name.
fn is_placeholder(text: &str, word: &str) -> bool {
    word.chars().all(char::is_alphabetic) && crate::tree::find_word(text, word).is_none()
}

#[test]
fn lints_are_expected_not_allowed() {
    let mut findings = Findings::new(
        "an `expect` says when it is no longer needed, and why it was",
        "write `#[expect(lint, reason = \"…\")]`",
    );
    for (path, line, text) in lines(CODE, &["rs"]) {
        if text.trim_start().starts_with(concat!("#[al", "low(")) || text.contains(concat!("#![al", "low(")) {
            findings.add(&path, line, text.trim());
        }
    }
    findings.must_be_empty();
}

#[test]
fn no_path_belongs_to_one_machine() {
    let mut findings = Findings::new(
        "the tree must work wherever it is unpacked",
        "start at CARGO_MANIFEST_DIR or a TempDir",
    );
    for (path, line, text) in lines(CODE, &[]).into_iter().chain(lines(OTHER, &[])) {
        for folder in MACHINE {
            if is_absolute(&text, folder) {
                findings.add(&path, line, format!("`{folder}`"));
            }
        }
    }
    findings.must_be_empty();
}

/// Whether the folder starts a path: `x/home/` is the middle of one.
fn is_absolute(text: &str, folder: &str) -> bool {
    let inner = |c: char| c.is_alphanumeric() || "}.$_-".contains(c);
    text.match_indices(folder).any(|(at, _)| !text[..at].ends_with(inner))
}

fn lines(folders: &[&str], endings: &[&str]) -> Vec<(String, usize, String)> {
    let number = |(path, text): (String, String)| -> Vec<(String, usize, String)> {
        text.lines().enumerate().map(|(at, line)| (path.clone(), at + 1, line.to_owned())).collect()
    };
    files(folders, endings).into_iter().flat_map(number).collect()
}
