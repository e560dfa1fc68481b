//! Names in the description of the API. They are one list for the whole document, and of two types with one name the
//! later would silently stand for both.

use std::collections::BTreeMap;

use syn::{Attribute, Ident, Item, Meta};

use crate::finding::Findings;
use crate::tree::sources;

#[test]
fn every_type_of_the_api_has_a_name_of_its_own() {
    let mut findings = Findings::new(
        "the description of the API knows its types by name only",
        "rename one of them, or give it another name there: #[schema(as = …)]",
    );
    let mut seen: BTreeMap<String, String> = BTreeMap::new();
    for source in sources().iter().filter(|s| s.path.starts_with("src/web/")) {
        for name in source.syntax.items.iter().filter_map(name_of) {
            if let Some(first) = seen.insert(name.clone(), source.path.clone()) {
                findings.add(&source.path, 0, format!("`{name}` is also in {first}"));
            }
        }
    }
    assert!(seen.len() > 8, "the types were not found: {seen:?}");
    findings.must_be_empty();
}

fn name_of(item: &Item) -> Option<String> {
    let (attrs, ident): (&[Attribute], &Ident) = match item {
        Item::Struct(s) => (&s.attrs, &s.ident),
        Item::Enum(e) => (&e.attrs, &e.ident),
        _ => return None,
    };
    let lists =
        |name: &str| attrs.iter().filter(|a| a.path().is_ident(name)).filter_map(list).collect::<Vec<_>>();
    let derived = lists("derive").iter().any(|text| text.contains("ToSchema"));
    let other = lists("schema").iter().find_map(|text| {
        let (_, rest) = text.split_once("as = ")?;
        rest.split(',').next().map(|name| name.trim().to_owned())
    });
    derived.then(|| other.unwrap_or_else(|| ident.to_string()))
}

fn list(attribute: &Attribute) -> Option<String> {
    match &attribute.meta {
        Meta::List(list) => Some(list.tokens.to_string()),
        _ => None,
    }
}
