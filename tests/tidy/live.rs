//! What only the compiled crate knows: the ids of reasons, the routes, and how `config.yaml` reads.

use stagedoor::config;
use stagedoor::policy::{PathRefusal, Reason};
use stagedoor::token::Rejection;
use stagedoor::web::routes;

use crate::coverage::Corpus;
use crate::finding::Findings;
use crate::tree::{find_word, root, sources};

#[test]
fn every_reason_is_tested() {
    let corpus = Corpus::new(&sources());
    let reasons = Reason::ALL.iter().map(|r| (r.id(), format!("Reason::{r:?}"), "src/policy/decision.rs"));
    let paths =
        PathRefusal::ALL.iter().map(|r| (r.id(), format!("PathRefusal::{r:?}"), "src/policy/path.rs"));
    let tokens =
        Rejection::ALL.iter().map(|r| (r.id(), format!("Rejection::{r:?}"), "src/token/rejection.rs"));
    let mut findings = Findings::new(
        "a reason that no test names can change or vanish unseen",
        "assert it where the refusal is tested",
    );
    for (id, variant, file) in reasons.chain(paths).chain(tokens) {
        if !corpus.says(id) && !corpus.says(&variant) {
            findings.add(file, 1, format!("neither `{id}` nor `{variant}` is in a test"));
        }
    }
    findings.must_be_empty();
}

#[test]
fn every_route_is_tested() {
    let all = sources();
    let corpus = Corpus::new(&all);
    let file = all.iter().find(|s| s.path == "src/web/routes.rs").expect("the routes have a file");
    let mut findings =
        Findings::new("a route that no test calls may be dead", "call it in a test of its flow");
    let mut count = 0;
    for item in &file.syntax.items {
        let syn::Item::Const(constant) = item else { continue };
        let syn::Expr::Lit(syn::ExprLit { lit: syn::Lit::Str(path), .. }) = &*constant.expr else { continue };
        count += 1;
        if !called(&corpus, &constant.ident.to_string(), &path.value()) {
            let what = format!("`{}` ({}) is in no test", constant.ident, path.value());
            findings.add(&file.path, constant.ident.span().start().line, what);
        }
    }
    assert_eq!(count, routes::ALL.len(), "routes::ALL holds every constant");
    findings.must_be_empty();
}

/// By its constant, or as written under the usual prefix, with anything for a placeholder.
fn called(corpus: &Corpus, name: &str, path: &str) -> bool {
    let start = format!("/auth{}", path.split('{').next().unwrap_or(path).trim_end_matches('/'));
    let wanted: Vec<&str> = path.trim_matches('/').split('/').filter(|s| !s.is_empty()).collect();
    let fits = |after: &str| {
        let end = after.find(|c: char| !(c.is_alphanumeric() || "/._-{}".contains(c))).unwrap_or(after.len());
        let written: Vec<&str> = start["/auth".len()..].split('/').chain(after[..end].split('/')).collect();
        let written: Vec<&str> = written.into_iter().filter(|s| !s.is_empty()).collect();
        written.len() == wanted.len()
            && wanted.iter().zip(&written).all(|(want, is)| want.starts_with('{') || want == is)
    };
    corpus.after(&start).any(fits) || corpus.says(&format!("routes::{name}"))
}

#[test]
fn the_configuration_reads_without_a_warning() {
    let (settings, report) = config::load_with_report(&root().join("config.yaml"));
    assert!(
        settings.is_some() && report.problems().is_empty(),
        "config.yaml is the example everybody starts from:\n{report}"
    );
}

#[test]
fn the_configuration_mentions_every_key() {
    let text = std::fs::read_to_string(root().join("config.yaml")).expect("config.yaml is in the repository");
    let keys = config::key_paths();
    let mut findings = Findings::new(
        "people learn the keys from config.yaml",
        "add it there; commented out and with its default, if few need it",
    );
    for (table, key) in &keys {
        // A name that several tables have must stand there for each of them.
        let tables = keys.iter().filter(|(_, other)| other == key).count();
        let times = mentions(&text, key);
        if times < tables {
            let what = format!("`{table}` has the key `{key}`, written {times} times for {tables} tables");
            findings.add("config.yaml", 1, what);
        }
    }
    assert!(keys.len() > 50, "the table of keys was not found: {} keys", keys.len());
    findings.must_be_empty();
}

/// Lines that say `key:`, or `key (…)` in a comment.
fn mentions(text: &str, key: &str) -> usize {
    let said = |line: &&str| [":", " ("].iter().any(|end| find_word(line, &format!("{key}{end}")).is_some());
    text.lines().filter(said).count()
}
