//! What a test has to exercise: the cases of the attack list, the words of every refusal, every template.

use std::collections::BTreeSet;

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};
use syn::{Arm, Attribute, Expr, ExprCall, ImplItemFn, Item, ItemFn, ItemImpl, Lit, LitStr, Macro};

use crate::finding::Findings;
use crate::tree::{Source, files, find_word, is_cfg_test, sources};

/// The cases of the attack list that a test must carry in its name: letter, first, last.
const CASES: &[(char, u8, u8)] = &[
    ('I', 1, 11),
    ('I', 13, 17),
    ('P', 1, 20),
    ('H', 1, 10),
    ('J', 1, 19),
    ('L', 1, 22),
    ('M', 1, 16),
    ('T', 1, 17),
    ('R', 1, 17),
    ('C', 1, 15),
    ('Z', 1, 16),
    ('N', 13, 13),
    // What upstreams send back; the other cases of this letter are about clients and have their tests by topic.
    ('S', 28, 31),
    ('S', 37, 37),
];

/// The rows of the fault catalogue that a test must carry in its name (`case_5_…`).
const FAULTS: &[u8] =
    &[1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 15, 16, 17, 18, 19, 20, 21, 22, 23, 27, 30, 31, 34, 37];

/// What makes a refusal of a malformed head out of its reason.
const MALFORMED: &[&str] = &["Malformed", "malformed", "bad"];

/// What tests say, except these checks.
pub struct Corpus(Vec<String>);

impl Corpus {
    /// Reads it: whole test files, and the `#[cfg(test)]` items of the others.
    pub fn new(all: &[Source]) -> Self {
        let tests_of = |s: &Source| {
            if s.is_test { s.text.clone() } else { s.syntax.items.iter().map(|i| inline(s, i)).collect() }
        };
        Self(all.iter().filter(|s| !s.is_tidy()).map(tests_of).collect())
    }

    /// Whether a test says this whole word.
    pub fn says(&self, word: &str) -> bool {
        self.0.iter().any(|text| find_word(text, word).is_some())
    }

    /// What follows each place where a test says `start`.
    #[cfg_attr(
        not(feature = "gateway"),
        expect(dead_code, reason = "only routes are looked for in this way")
    )]
    pub fn after<'a>(&'a self, start: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().flat_map(move |text| text.match_indices(start).map(|(at, _)| &text[at + start.len()..]))
    }
}

fn inline(source: &Source, item: &Item) -> String {
    let (attrs, end): (&[Attribute], _) = match item {
        Item::Mod(m) => (&m.attrs, m.content.as_ref().map(|(brace, _)| brace.span.close().end().line)),
        Item::Fn(f) => (&f.attrs, Some(f.block.brace_token.span.close().end().line)),
        _ => return String::new(),
    };
    let Some(end) = end.filter(|_| is_cfg_test(attrs)) else { return String::new() };
    let start = attrs[0].pound_token.span.start().line;
    source.text.lines().skip(start - 1).take(end + 1 - start).flat_map(|l| [l, "\n"]).collect()
}

#[test]
fn every_case_has_its_test() {
    let mut names = TestNames::default();
    sources().iter().filter(|s| !s.is_tidy()).for_each(|s| names.visit_file(&s.syntax));
    let mut findings = Findings::new(
        "each case of the attack list is tested under its own id",
        "name a test after it, such as `i_01_spoofed_names_are_dropped`",
    );
    for (letter, first, last) in CASES {
        for number in *first..=*last {
            if !names.have(&format!("{}_{number:02}", letter.to_ascii_lowercase())) {
                findings.add("src, tests", 0, format!("no test for {letter}-{number:02}"));
            }
        }
    }
    for number in FAULTS.iter().filter(|n| !names.have(&format!("case_5_{n}"))) {
        findings.add("tests/it/faults", 0, format!("no test for the fault 5.{number}"));
    }
    findings.must_be_empty();
}

#[derive(Default)]
struct TestNames(BTreeSet<String>);

impl TestNames {
    /// Whether a name carries this id; it may carry several: `p_02_p_10_targets`.
    fn have(&self, id: &str) -> bool {
        self.0.iter().any(|name| format!("_{name}_").contains(&format!("_{id}_")))
    }

    /// Generators such as `proptest!` hold functions in their arguments.
    fn tokens(&mut self, tokens: TokenStream) {
        let mut after_fn = false;
        for token in tokens {
            match token {
                TokenTree::Ident(i) if after_fn => {
                    self.0.insert(i.to_string());
                    after_fn = false;
                }
                TokenTree::Ident(i) => after_fn = i == "fn",
                TokenTree::Group(g) => self.tokens(g.stream()),
                _ => after_fn = false,
            }
        }
    }
}

impl<'a> Visit<'a> for TestNames {
    fn visit_item_fn(&mut self, f: &'a ItemFn) {
        if f.attrs.iter().any(|a| a.path().segments.last().is_some_and(|s| s.ident == "test")) {
            self.0.insert(f.sig.ident.to_string());
        }
        visit::visit_item_fn(self, f);
    }

    fn visit_macro(&mut self, mac: &'a Macro) {
        self.tokens(mac.tokens.clone());
    }
}

#[test]
fn every_word_of_a_refusal_is_tested() {
    let all = sources();
    let corpus = Corpus::new(&all);
    let mut findings = Findings::new(
        "a reason that no test names can change or vanish unseen",
        "assert it where the refusal is tested",
    );
    for source in all.iter().filter(|s| s.path.starts_with("src/gate/") || s.path.starts_with("src/proxy/")) {
        let mut words = RefusalWords { in_table: source.path == "src/gate/refusal.rs", ..Default::default() };
        if !source.is_test {
            words.visit_file(&source.syntax);
        }
        for (line, word, variant) in words.found {
            if !corpus.says(&word) && !variant.is_some_and(|v| corpus.says(&v)) {
                findings.add(&source.path, line, format!("the reason `{word}` is in no test"));
            }
        }
    }
    findings.must_be_empty();
}

/// The literal reasons: arms of `id` and `reason` in the table of refusals, and what [`MALFORMED`] is given.
#[derive(Default)]
struct RefusalWords {
    in_table: bool,
    of: String,
    function: String,
    /// Line, reason, and the variant that stands for it (`HeadRefusal::TooLarge`).
    found: Vec<(usize, String, Option<String>)>,
}

impl<'a> Visit<'a> for RefusalWords {
    fn visit_item(&mut self, item: &'a Item) {
        if !is_cfg_test(crate::tree::attributes(item)) {
            visit::visit_item(self, item);
        }
    }

    fn visit_item_impl(&mut self, i: &'a ItemImpl) {
        if let syn::Type::Path(t) = &*i.self_ty {
            self.of = t.path.segments.last().map(|s| s.ident.to_string()).unwrap_or_default();
        }
        visit::visit_item_impl(self, i);
    }

    fn visit_impl_item_fn(&mut self, f: &'a ImplItemFn) {
        self.function = f.sig.ident.to_string();
        visit::visit_impl_item_fn(self, f);
    }

    fn visit_arm(&mut self, arm: &'a Arm) {
        if self.in_table
            && (self.function == "id" || self.function == "reason")
            && let Some(word) = text_of(&arm.body)
        {
            let mut variant = Variant::default();
            variant.visit_pat(&arm.pat);
            let variant = variant.0.map(|v| v.replace("Self", &self.of));
            self.found.push((word.span().start().line, word.value(), variant));
        }
        visit::visit_arm(self, arm);
    }

    fn visit_expr_call(&mut self, call: &'a ExprCall) {
        let named = |e: &Expr| match e {
            Expr::Path(p) => p.path.segments.last().is_some_and(|s| MALFORMED.iter().any(|m| s.ident == m)),
            _ => false,
        };
        if named(&call.func)
            && let Some(word) = call.args.first().and_then(text_of)
        {
            self.found.push((word.span().start().line, word.value(), None));
        }
        visit::visit_expr_call(self, call);
    }
}

fn text_of(e: &Expr) -> Option<&LitStr> {
    match e {
        Expr::Lit(l) => match &l.lit {
            Lit::Str(s) => Some(s),
            _ => None,
        },
        _ => None,
    }
}

/// The innermost `Type::Variant` of a pattern.
#[derive(Default)]
struct Variant(Option<String>);

impl<'a> Visit<'a> for Variant {
    fn visit_path(&mut self, path: &'a syn::Path) {
        let names: Vec<String> = path.segments.iter().map(|s| s.ident.to_string()).collect();
        if names.len() > 1 {
            self.0 = Some(names.join("::"));
        }
    }
}

#[test]
fn every_template_is_used() {
    let code = files(&["src", "examples"], &["rs"]);
    let templates = files(&["templates"], &[]);
    let mut findings = Findings::new(
        "nothing renders it",
        "name it in a `#[template(path = …)]` or another template, or delete it",
    );
    for (path, _) in &templates {
        let name = path.trim_start_matches("templates/");
        let quoted = format!("\"{name}\"");
        // Templates include one another by the path from templates/ or by a name beside them.
        let beside = format!("\"{}\"", name.rsplit('/').next().unwrap_or(name));
        let in_code = code.iter().any(|(_, text)| text.contains(&quoted));
        let in_template = templates
            .iter()
            .any(|(other, text)| other != path && (text.contains(&quoted) || text.contains(&beside)));
        if !in_code && !in_template {
            findings.add(path, 1, "an unused template");
        }
    }
    assert!(templates.len() > 10, "templates/ was not found");
    findings.must_be_empty();
}
