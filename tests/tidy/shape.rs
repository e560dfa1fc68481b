//! Heads, lengths and parameters.

use syn::visit::{self, Visit};
use syn::{FnArg, ImplItemFn, ItemFn, ItemImpl, Signature, TraitItemFn};

use crate::finding::Findings;
use crate::tree::sources;

const MAX_LINES: usize = 400;
const MAX_LINES_OF_MAIN: usize = 40;
const MAX_PARAMETERS: usize = 5;

#[test]
fn every_file_says_what_it_is() {
    let mut findings =
        Findings::new("a reader wants to know what a file is for", "begin with a `//!` line in plain words");
    for source in sources() {
        if !source.text.starts_with("//! ") {
            findings.add(&source.path, 1, "no `//!` at its head");
        }
    }
    findings.must_be_empty();
}

#[test]
fn files_are_short() {
    let mut findings =
        Findings::new("what is long holds more than one idea", "split by idea, and put tests into tests.rs");
    for source in sources() {
        let lines = source.text.lines().count();
        if lines > MAX_LINES && !source.is_test {
            findings.add(&source.path, lines, format!("{lines} lines, {MAX_LINES} are allowed"));
        }
        if source.path == "src/main.rs" && lines >= MAX_LINES_OF_MAIN {
            findings.add(
                &source.path,
                lines,
                format!("{lines} lines, main.rs has fewer than {MAX_LINES_OF_MAIN}"),
            );
        }
    }
    findings.must_be_empty();
}

#[test]
fn functions_take_few_parameters() {
    let mut findings = Findings::new(
        "nobody can tell the sixth argument from the fifth",
        "give what belongs together a type",
    );
    let mut longest = Vec::new();
    for source in sources() {
        let mut functions = Functions::default();
        functions.visit_file(&source.syntax);
        for (name, line, parameters, lines) in functions.found {
            if parameters > MAX_PARAMETERS {
                let what = format!("`{name}` takes {parameters} parameters, {MAX_PARAMETERS} are allowed");
                findings.add(&source.path, line, what);
            }
            if !source.is_test {
                longest.push((lines, format!("{}:{line} {name}", source.path)));
            }
        }
    }
    report_longest(longest);
    findings.must_be_empty();
}

/// For whoever runs this with `--no-capture`; long is not wrong.
fn report_longest(mut longest: Vec<(usize, String)>) {
    longest.sort();
    let at = |share: usize| longest.get(longest.len() * share / 100).map_or(0, |(lines, _)| *lines);
    println!("{} functions; lines: median {}, p90 {}; the longest:", longest.len(), at(50), at(90));
    for (lines, place) in longest.iter().rev().take(10) {
        println!("{lines:5}  {place}");
    }
}

#[derive(Default)]
struct Functions {
    /// Name, line, parameters without self, lines.
    found: Vec<(String, usize, usize, usize)>,
}

impl Functions {
    fn add(&mut self, signature: &Signature, counted: bool, end: usize) {
        let typed = signature.inputs.iter().filter(|i| matches!(i, FnArg::Typed(_))).count();
        let line = signature.ident.span().start().line;
        let parameters = if counted { typed } else { 0 };
        self.found.push((signature.ident.to_string(), line, parameters, end.saturating_sub(line) + 1));
    }
}

impl<'a> Visit<'a> for Functions {
    fn visit_item_fn(&mut self, f: &'a ItemFn) {
        self.add(&f.sig, true, f.block.brace_token.span.close().end().line);
        visit::visit_item_fn(self, f);
    }

    fn visit_trait_item_fn(&mut self, f: &'a TraitItemFn) {
        let end = f.default.as_ref().map_or(0, |b| b.brace_token.span.close().end().line);
        self.add(&f.sig, true, end);
        visit::visit_trait_item_fn(self, f);
    }

    fn visit_item_impl(&mut self, i: &'a ItemImpl) {
        for item in &i.items {
            // What implements a trait takes what the trait says; traits of ours are counted there.
            if let syn::ImplItem::Fn(ImplItemFn { sig, block, .. }) = item {
                self.add(sig, i.trait_.is_none(), block.brace_token.span.close().end().line);
            }
        }
        visit::visit_item_impl(self, i);
    }
}
