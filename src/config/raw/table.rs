//! Readers of a table: each knows the declared keys, notes every problem and goes on with the default,
//! so that one run finds them all.

use std::cell::RefCell;
use std::path::Path;
use std::time::Duration;

use super::keys::{Default, Key, Kind, Section};
use super::tree::{Entry, Node, Place, Value};
use super::{sections_policy, values};
use crate::config::problem::Severity;
use crate::config::suggest;
#[cfg(feature = "gateway")]
use crate::limiter::Quota;

/// A problem whose place is still a number.
#[derive(Debug)]
pub(in crate::config) struct Found {
    pub(in crate::config) severity: Severity,
    pub(in crate::config) place: Place,
    pub(in crate::config) path: String,
    pub(in crate::config) message: String,
    pub(in crate::config) help: Option<String>,
}

/// What every reader needs: where problems go, and the world outside the text.
pub(in crate::config) struct Context<'a> {
    pub(in crate::config) found: RefCell<Vec<Found>>,
    pub(in crate::config) env: &'a dyn Fn(&str) -> Option<String>,
    pub(in crate::config) base: &'a Path,
}

/// A value, its configuration path and where problems with it go.
#[derive(Clone)]
pub(in crate::config) struct Field<'a> {
    pub(in crate::config) cx: &'a Context<'a>,
    pub(in crate::config) node: &'a Node,
    pub(in crate::config) path: String,
}

impl<'a> Field<'a> {
    fn note(&self, severity: Severity, message: impl Into<String>, help: Option<String>) {
        let (place, path) = (self.node.place, self.path.clone());
        self.cx.found.borrow_mut().push(Found { severity, place, path, message: message.into(), help });
    }

    /// Notes an error at this value.
    pub(in crate::config) fn error(&self, message: impl Into<String>, help: impl Into<String>) {
        self.note(Severity::Error, message, Some(help.into()).filter(|h| !h.is_empty()));
    }

    /// Notes a warning at this value.
    pub(in crate::config) fn warning(&self, message: impl Into<String>, help: impl Into<String>) {
        self.note(Severity::Warning, message, Some(help.into()));
    }

    /// Notes that the value is not of its kind.
    pub(in crate::config) fn expected(&self, allowed: &str, help: impl Into<String>) {
        self.error(format!("{} is not {allowed}", self.node.value.said()), help);
    }

    /// The text, or a note that there is none.
    pub(in crate::config) fn text(&self) -> Option<&'a str> {
        match &self.node.value {
            Value::Text(text) if text.contains("${") => {
                self.error(
                    "`${…}` is not read here",
                    "references stand in secret, store.url, redis.url, mail.url and (public_url only) token.issuer",
                );
                None
            }
            Value::Text(text) if text.is_empty() || text.chars().any(char::is_control) => {
                self.expected("a text without control characters", "");
                None
            }
            Value::Text(text) => Some(text),
            Value::Flag(_) | Value::Integer(_) | Value::Number(_) => {
                self.expected("a text", "put it in quotes");
                None
            }
            _ => {
                self.expected("a text", "");
                None
            }
        }
    }

    /// The items of a list, or a note that it is none.
    pub(in crate::config) fn items(&self) -> Vec<Field<'a>> {
        let Value::List(items) = &self.node.value else {
            self.expected("a list", "write [a, b], or one `- item` a line");
            return Vec::new();
        };
        let path = |i| format!("{}[{i}]", self.path);
        items.iter().enumerate().map(|(i, node)| Field { cx: self.cx, node, path: path(i) }).collect()
    }

    /// The texts of a list of texts.
    pub(in crate::config) fn texts(&self) -> Vec<String> {
        self.items().iter().filter_map(|i| i.text().map(str::to_owned)).collect()
    }

    /// The entries of a table whose keys are names of the operator's: key, place of the key, value.
    pub(in crate::config) fn named(&self) -> Vec<(&'a str, Place, Field<'a>)> {
        let Value::Table(entries) = &self.node.value else {
            self.expected("a table of names", "");
            return Vec::new();
        };
        let field =
            |e: &'a Entry| Field { cx: self.cx, node: &e.node, path: format!("{}.{}", self.path, e.key) };
        entries.iter().map(|e| (e.key.as_str(), e.key_place, field(e))).collect()
    }

    /// The table, with a note for every key it does not take.
    pub(in crate::config) fn table(&self, section: &'static Section) -> Option<Table<'a>> {
        let Value::Table(entries) = &self.node.value else {
            self.error(
                format!("{} where a table is expected", self.node.value.kind()),
                format!("its keys: {}", names(section).join(", ")),
            );
            return None;
        };
        let table = Table { at: self.clone(), entries, section };
        for entry in entries.iter().filter(|e| section.keys.iter().all(|k| k.name != e.key)) {
            table.unknown(entry);
        }
        Some(table)
    }
}

fn names(section: &'static Section) -> Vec<&'static str> {
    section.keys.iter().map(|k| k.name).collect()
}

/// A table with declared keys.
pub(in crate::config) struct Table<'a> {
    /// The table itself, for problems of the whole.
    pub(in crate::config) at: Field<'a>,
    entries: &'a [Entry],
    section: &'static Section,
}

impl<'a> Table<'a> {
    fn unknown(&self, entry: &Entry) {
        let help = match sections_policy::later(self.section.path, &entry.key) {
            Some(later) => later.to_owned(),
            None => suggest::help(&entry.key, names(self.section)),
        };
        self.at.cx.found.borrow_mut().push(Found {
            severity: Severity::Error,
            place: entry.key_place,
            path: self.path(&entry.key),
            message: format!("unknown key `{}`", entry.key.escape_debug()),
            help: Some(help),
        });
    }

    fn path(&self, name: &str) -> String {
        if self.at.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.at.path) }
    }

    fn key(&self, name: &str) -> &'static Key {
        self.section.keys.iter().find(|k| k.name == name).expect("the key is declared in its section")
    }

    /// The value under `name` if one was written; `null` counts as none where the key takes it.
    pub(in crate::config) fn field(&self, name: &str) -> Option<Field<'a>> {
        let key = self.key(name);
        let written = self.entries.iter().find(|e| e.key == name);
        let field = written.map(|e| Field { cx: self.at.cx, node: &e.node, path: self.path(name) });
        match field {
            Some(field) if matches!(field.node.value, Value::Null) => {
                if key.default != Default::Nothing {
                    field.expected(&key.kind.allowed(), "give a value, or leave the key out");
                }
                None
            }
            None if key.default == Default::Required => {
                self.at.error(
                    format!("the key `{name}` is missing: {}", key.doc),
                    format!("write `{name}:` and {}", key.kind.allowed()),
                );
                None
            }
            other => other,
        }
    }

    /// The problem place of `name`, or of the table where it was left out.
    pub(in crate::config) fn at(&self, name: &str) -> Field<'a> {
        let written = self.entries.iter().find(|e| e.key == name);
        let node = written.map_or(self.at.node, |e| &e.node);
        Field { cx: self.at.cx, node, path: self.path(name) }
    }

    /// Whether `name` was written.
    pub(in crate::config) fn has(&self, name: &str) -> bool {
        self.entries.iter().any(|e| e.key == name && !matches!(e.node.value, Value::Null))
    }

    /// The table under `name`; an empty one, so that the defaults hold, when it was left out.
    pub(in crate::config) fn sub(&self, name: &str, section: &'static Section) -> Table<'a> {
        let none = Table { at: Field { path: self.path(name), ..self.at.clone() }, entries: &[], section };
        self.field(name).and_then(|f| f.table(section)).unwrap_or(none)
    }

    /// Like [`Self::sub`], but `None` when it was left out.
    pub(in crate::config) fn sub_if(&self, name: &str, section: &'static Section) -> Option<Table<'a>> {
        self.field(name).and_then(|f| f.table(section))
    }

    /// The written scalar, or the default as it would be written; the reader's `Err` is the help.
    fn read<T>(&self, name: &str, parse: impl Fn(Kind, &str) -> Result<T, String>) -> Option<T> {
        let kind = self.key(name).kind;
        if let Some(field) = self.field(name) {
            match scalar(kind, &field).map(|text| parse(kind, &text)) {
                Some(Ok(value)) => return Some(value),
                Some(Err(help)) => field.expected(&kind.allowed(), help),
                None => {}
            }
        }
        match self.key(name).default {
            Default::Text(text) => parse(kind, text).ok(),
            _ => None,
        }
    }

    /// A text.
    pub(in crate::config) fn text(&self, name: &str) -> Option<String> {
        self.read(name, |_, text| Ok(text.to_owned()))
    }

    /// `true` or `false`.
    pub(in crate::config) fn flag(&self, name: &str) -> bool {
        self.read(name, |_, text| Ok(text == "true")).unwrap_or_default()
    }

    /// A whole number, if there is one or a default.
    pub(in crate::config) fn number(&self, name: &str) -> Option<u64> {
        self.read(name, |kind, text| text.parse().ok().filter(|n| kind.admits(*n)).ok_or_else(String::new))
    }

    /// A whole number that has a default.
    pub(in crate::config) fn count<T: TryFrom<u64> + std::default::Default>(&self, name: &str) -> T {
        self.number(name).and_then(|n| T::try_from(n).ok()).unwrap_or_default()
    }

    /// A duration within its bounds.
    pub(in crate::config) fn duration(&self, name: &str) -> Duration {
        self.duration_if(name).unwrap_or_default()
    }

    /// A duration, if there is one.
    pub(in crate::config) fn duration_if(&self, name: &str) -> Option<Duration> {
        self.read(name, |kind, text| {
            let value = values::duration(text)?;
            let millis = u64::try_from(value.as_millis()).unwrap_or(u64::MAX);
            if kind.admits(millis) { Ok(value) } else { Err("it is outside the bounds".into()) }
        })
    }

    /// A size in bytes within its bounds, if there is one or a default.
    pub(in crate::config) fn size(&self, name: &str) -> Option<u64> {
        self.read(name, |kind, text| {
            let value = values::size(text)?;
            if kind.admits(value) { Ok(value) } else { Err("it is outside the bounds".into()) }
        })
    }

    /// A quota.
    #[cfg(feature = "gateway")]
    pub(in crate::config) fn quota(&self, name: &str) -> Quota {
        let none = Quota { limit: 1, window: Duration::from_secs(1) };
        self.read(name, |_, text| values::quota(text)).unwrap_or(none)
    }

    /// One of the words of the key; empty only after a problem with a key that has no default.
    pub(in crate::config) fn choice(&self, name: &str) -> &'static str {
        let Kind::Choice(words) = self.key(name).kind else { return "" };
        self.read(name, |_, text| {
            let known = words.iter().copied();
            known.clone().find(|w| *w == text).ok_or_else(|| suggest::help(text, known))
        })
        .unwrap_or_default()
    }

    /// An IP address and port.
    pub(in crate::config) fn address(&self, name: &str) -> Option<std::net::SocketAddr> {
        self.read(name, |_, text| {
            let named = text.strip_prefix("localhost:").map(|port| format!("write 127.0.0.1:{port}"));
            text.parse().map_err(|_| named.unwrap_or_default())
        })
    }

    /// A list of address ranges; each bad one is noted at its own place.
    pub(in crate::config) fn networks(&self, name: &str) -> Vec<ipnet::IpNet> {
        self.field(name).map(|f| networks(&f)).unwrap_or_default()
    }
}

/// The address ranges of a list.
pub(in crate::config) fn networks(list: &Field<'_>) -> Vec<ipnet::IpNet> {
    let read = |item: &Field<'_>| match values::network(item.text()?) {
        Ok(net) => Some(net),
        Err(help) => {
            item.expected("an address range", help);
            None
        }
    };
    list.items().iter().filter_map(read).collect()
}

/// The scalar as text if its YAML type fits the kind, else a note.
fn scalar(kind: Kind, field: &Field<'_>) -> Option<String> {
    match (kind, &field.node.value) {
        (Kind::Number(..), Value::Integer(n)) => Some(n.to_string()),
        (Kind::Flag, Value::Flag(b)) => Some(b.to_string()),
        (Kind::Duration(..) | Kind::Size(..) | Kind::Quota, Value::Integer(n)) => Some(n.to_string()),
        (Kind::Number(..), Value::Text(_)) => {
            field.expected(&kind.allowed(), "write the number without quotes");
            None
        }
        (Kind::Flag, Value::Text(_)) => {
            field.expected(&kind.allowed(), "write true or false, without quotes");
            None
        }
        (Kind::Number(..) | Kind::Flag, _) => {
            field.expected(&kind.allowed(), "");
            None
        }
        (Kind::Text, _) => field.text().map(str::to_owned),
        (_, Value::Text(text)) => Some(text.clone()),
        _ => {
            field.expected(&kind.allowed(), "");
            None
        }
    }
}
