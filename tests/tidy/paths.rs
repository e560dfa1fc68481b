//! Every path that a file uses outside its tests: `use` trees, paths in code and types, attributes, macro arguments.

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};
use syn::{Attribute, ImplItemFn, Item, ItemMod, ItemUse, Macro, Meta, Path, UseTree};

use crate::tree::{Source, attributes, is_cfg_test};

/// One path as written.
pub struct Used {
    /// Its line.
    pub line: usize,
    /// The segments, from left to right.
    pub segments: Vec<String>,
    /// What a `use` binds it to; `None` for every other path.
    pub binds: Option<String>,
    /// The module in which it stands.
    module: Vec<String>,
}

impl Used {
    /// The segments from the root of our crate, if the path says that it starts there or at a relative.
    pub fn inside(&self) -> Option<Vec<String>> {
        let mut at = self.module.clone();
        let mut rest = self.segments.as_slice();
        match rest.first()?.as_str() {
            "crate" | "stagedoor" => at.clear(),
            "self" | "super" => {}
            _ => return None,
        }
        while let Some((first, tail)) = rest.split_first() {
            match first.as_str() {
                "crate" | "stagedoor" | "self" => {}
                "super" => drop(at.pop()),
                _ => break,
            }
            rest = tail;
        }
        at.extend(rest.iter().cloned());
        Some(at)
    }
}

/// All of them.
pub fn of(source: &Source) -> Vec<Used> {
    let mut collector = Collector { module: source.module(), found: Vec::new() };
    collector.visit_file(&source.syntax);
    collector.found
}

struct Collector {
    module: Vec<String>,
    found: Vec<Used>,
}

impl Collector {
    fn add(&mut self, line: usize, segments: Vec<String>, binds: Option<String>) {
        self.found.push(Used { line, segments, binds, module: self.module.clone() });
    }

    fn tree(&mut self, tree: &UseTree, before: &[String]) {
        let with = |name: String| before.iter().cloned().chain((name != "self").then_some(name)).collect();
        match tree {
            UseTree::Path(p) => {
                let name = p.ident.to_string();
                let before: Vec<String> = before.iter().cloned().chain([name]).collect();
                self.tree(&p.tree, &before);
            }
            UseTree::Name(n) => {
                let segments: Vec<String> = with(n.ident.to_string());
                let binds = segments.last().cloned();
                self.add(n.ident.span().start().line, segments, binds);
            }
            UseTree::Rename(r) => {
                let segments = with(r.ident.to_string());
                self.add(r.ident.span().start().line, segments, Some(r.rename.to_string()));
            }
            UseTree::Glob(g) => {
                self.add(g.star_token.spans[0].start().line, with("*".to_owned()), Some("*".to_owned()));
            }
            UseTree::Group(g) => g.items.iter().for_each(|t| self.tree(t, before)),
        }
    }

    /// Macro arguments are not parsed; whatever looks like a path in them is one.
    fn tokens(&mut self, tokens: TokenStream) {
        let (mut line, mut segments, mut colons) = (0, Vec::new(), 0);
        for token in tokens {
            match token {
                TokenTree::Punct(p) if p.as_char() == ':' && colons < 2 => {
                    colons += 1;
                    continue;
                }
                TokenTree::Ident(ident) => {
                    if colons != 2 {
                        self.flush(line, &mut segments);
                    }
                    line = ident.span().start().line;
                    segments.push(ident.to_string());
                }
                other => {
                    self.flush(line, &mut segments);
                    if let TokenTree::Group(group) = other {
                        self.tokens(group.stream());
                    }
                }
            }
            colons = 0;
        }
        self.flush(line, &mut segments);
    }

    fn flush(&mut self, line: usize, segments: &mut Vec<String>) {
        let segments = std::mem::take(segments);
        if segments.len() > 1 {
            self.add(line, segments, None);
        }
    }
}

impl<'a> Visit<'a> for Collector {
    fn visit_item(&mut self, item: &'a Item) {
        if !is_cfg_test(attributes(item)) {
            visit::visit_item(self, item);
        }
    }

    fn visit_impl_item_fn(&mut self, item: &'a ImplItemFn) {
        if !is_cfg_test(&item.attrs) {
            visit::visit_impl_item_fn(self, item);
        }
    }

    fn visit_item_mod(&mut self, item: &'a ItemMod) {
        self.module.push(item.ident.to_string());
        visit::visit_item_mod(self, item);
        self.module.pop();
    }

    fn visit_item_use(&mut self, item: &'a ItemUse) {
        self.tree(&item.tree, &[]);
    }

    fn visit_path(&mut self, path: &'a Path) {
        let segments: Vec<String> = path.segments.iter().map(|s| s.ident.to_string()).collect();
        if segments.len() > 1 {
            self.add(path.segments[0].ident.span().start().line, segments, None);
        }
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, mac: &'a Macro) {
        self.visit_path(&mac.path);
        self.tokens(mac.tokens.clone());
    }

    fn visit_attribute(&mut self, attribute: &'a Attribute) {
        self.visit_path(attribute.path());
        if let Meta::List(list) = &attribute.meta {
            self.tokens(list.tokens.clone());
        }
    }
}
