//! The YAML document as a tree whose values know their place.
//!
//! `yaml_serde` gives positions with errors only. So every value and key gets a number in the order of
//! reading, and [`locate`] reads the text once more and fails on purpose at that number: meaning and
//! position come from the same parser and cannot disagree.

use std::cell::{Cell, RefCell};
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, EnumAccess, Error, MapAccess, SeqAccess, Visitor};

/// The number of a value or key in the order of reading.
pub(in crate::config) type Place = usize;

/// No honest configuration has so many values; aliases that multiply run into it (N-01).
const MAX_VALUES: usize = 100_000;

/// A value and its place.
#[derive(Debug)]
pub(in crate::config) struct Node {
    pub(in crate::config) place: Place,
    pub(in crate::config) value: Value,
}

/// What YAML can say.
#[derive(Debug)]
pub(in crate::config) enum Value {
    Null,
    Flag(bool),
    Integer(i64),
    /// Fractions and numbers beyond 64 bits: never meant, kept for the message.
    Number(f64),
    Text(String),
    List(Vec<Node>),
    Table(Vec<Entry>),
}

/// One key of a table.
#[derive(Debug)]
pub(in crate::config) struct Entry {
    pub(in crate::config) key: String,
    pub(in crate::config) key_place: Place,
    pub(in crate::config) node: Node,
}

/// A mistake in the tree itself: a duplicate key, a key that is no text.
#[derive(Debug)]
pub(in crate::config) struct Fault {
    pub(in crate::config) place: Place,
    pub(in crate::config) path: String,
    pub(in crate::config) message: String,
    pub(in crate::config) help: Option<String>,
}

/// The text is not one YAML document.
#[derive(Debug)]
pub(in crate::config) struct Broken {
    /// Line and column, from 1.
    pub(in crate::config) at: (usize, usize),
    pub(in crate::config) message: String,
}

impl Value {
    /// The kind of value in words.
    pub(in crate::config) fn kind(&self) -> &'static str {
        match self {
            Self::Null => "nothing",
            Self::Flag(_) => "true or false",
            Self::Integer(_) | Self::Number(_) => "a number",
            Self::Text(_) => "a text",
            Self::List(_) => "a list",
            Self::Table(_) => "a table",
        }
    }

    /// The scalar as it would be written, or the kind in words.
    pub(in crate::config) fn said(&self) -> String {
        match self {
            Self::Flag(b) => b.to_string(),
            Self::Integer(n) => n.to_string(),
            Self::Number(n) => n.to_string(),
            Self::Text(t) => format!("\"{}\"", t.escape_debug()),
            other => other.kind().to_owned(),
        }
    }
}

/// Reads the one document of `text`.
///
/// # Errors
/// [`Broken`] when the text is not YAML, holds more than one document or too many values.
pub(in crate::config) fn read(text: &str) -> Result<(Node, Vec<Fault>), Broken> {
    let walk = Walk::default();
    let mut documents = serde_yaml::Deserializer::from_str(text);
    let Some(first) = documents.next() else {
        return Ok((Node { place: 0, value: Value::Null }, Vec::new()));
    };
    let node = walk.visitor().deserialize(first).map_err(|e| Broken::from(&e))?;
    if let Some(second) = documents.next() {
        let at = match (Walk { stop: Some(0), ..Walk::default() }).visitor().deserialize(second) {
            Err(error) => Broken::from(&error).at,
            Ok(_) => (1, 1),
        };
        return Err(Broken { at, message: "a second YAML document starts here; one file holds one".into() });
    }
    Ok((node, walk.faults.into_inner()))
}

/// Line and column (from 1) of a place of the document that [`read`] took.
pub(in crate::config) fn locate(text: &str, place: Place) -> Option<(usize, usize)> {
    let walk = Walk { stop: Some(place), ..Walk::default() };
    let first = serde_yaml::Deserializer::from_str(text).next()?;
    let error = walk.visitor().deserialize(first).err()?;
    error.location().map(|l| (l.line(), l.column()))
}

impl From<&serde_yaml::Error> for Broken {
    fn from(error: &serde_yaml::Error) -> Self {
        let at = error.location().map_or((1, 1), |l| (l.line(), l.column()));
        let text = error.to_string();
        let message = text.split(" at line ").next().unwrap_or(&text);
        let message = message.rsplit(": ").next().unwrap_or(message);
        Self { at, message: format!("this is not the YAML we read: {message}") }
    }
}

#[derive(Default)]
struct Walk {
    next: Cell<Place>,
    stop: Option<Place>,
    path: RefCell<Vec<String>>,
    faults: RefCell<Vec<Fault>>,
}

impl Walk {
    fn visitor(&self) -> Reader<'_> {
        Reader(self)
    }

    fn step<E: Error>(&self) -> Result<Place, E> {
        let place = self.next.get();
        if self.stop == Some(place) {
            return Err(E::custom("here"));
        }
        if place >= MAX_VALUES {
            return Err(E::custom(format_args!(
                "more than {MAX_VALUES} values, aliases counted as written out"
            )));
        }
        self.next.set(place + 1);
        Ok(place)
    }

    fn fault(&self, place: Place, key: &str, message: String, help: Option<&str>) {
        let path = format!("{}.{key}", self.path.borrow().concat()).trim_matches('.').to_owned();
        self.faults.borrow_mut().push(Fault { place, path, message, help: help.map(str::to_owned) });
    }

    /// The key as text, unless it is none or was there before.
    fn key(&self, key: Node, entries: &[Entry]) -> Option<(String, Place)> {
        let Value::Text(name) = key.value else {
            self.fault(
                key.place,
                "",
                format!("{} as a key; keys are texts", key.value.said()),
                Some("put the key in quotes"),
            );
            return None;
        };
        if entries.iter().any(|e| e.key == name) {
            self.fault(
                key.place,
                &name,
                format!("the key `{}` is here a second time", name.escape_debug()),
                Some("keep one of the two"),
            );
            return None;
        }
        Some((name, key.place))
    }
}

/// Reads one value at the next place.
#[derive(Clone, Copy)]
struct Reader<'w>(&'w Walk);

impl Reader<'_> {
    fn leaf<E: Error>(self, value: Value) -> Result<Node, E> {
        Ok(Node { place: self.0.step()?, value })
    }

    fn inside<T>(self, segment: String, read: impl FnOnce() -> T) -> T {
        self.0.path.borrow_mut().push(segment);
        let value = read();
        self.0.path.borrow_mut().pop();
        value
    }
}

impl<'de> DeserializeSeed<'de> for Reader<'_> {
    type Value = Node;
    fn deserialize<D: Deserializer<'de>>(self, d: D) -> Result<Node, D::Error> {
        d.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Reader<'_> {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a plain value")
    }
    fn visit_bool<E: Error>(self, v: bool) -> Result<Node, E> {
        self.leaf(Value::Flag(v))
    }
    fn visit_i64<E: Error>(self, v: i64) -> Result<Node, E> {
        self.leaf(Value::Integer(v))
    }
    fn visit_u64<E: Error>(self, v: u64) -> Result<Node, E> {
        self.leaf(i64::try_from(v).map_or(Value::Number(1e19), Value::Integer))
    }
    fn visit_f64<E: Error>(self, v: f64) -> Result<Node, E> {
        self.leaf(Value::Number(v))
    }
    fn visit_str<E: Error>(self, v: &str) -> Result<Node, E> {
        self.leaf(Value::Text(v.to_owned()))
    }
    fn visit_unit<E: Error>(self) -> Result<Node, E> {
        self.leaf(Value::Null)
    }
    fn visit_none<E: Error>(self) -> Result<Node, E> {
        self.leaf(Value::Null)
    }
    fn visit_some<D: Deserializer<'de>>(self, d: D) -> Result<Node, D::Error> {
        d.deserialize_any(self)
    }
    fn visit_enum<A: EnumAccess<'de>>(self, _: A) -> Result<Node, A::Error> {
        Err(A::Error::custom("tags such as !name mean nothing here"))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Node, A::Error> {
        let place = self.0.step()?;
        let mut items = Vec::new();
        while let Some(item) = self.inside(format!("[{}]", items.len()), || seq.next_element_seed(self))? {
            items.push(item);
        }
        Ok(Node { place, value: Value::List(items) })
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Node, A::Error> {
        let place = self.0.step()?;
        let mut entries: Vec<Entry> = Vec::new();
        while let Some(key) = map.next_key_seed(self)? {
            let key = self.0.key(key, &entries);
            let segment = key.as_ref().map_or_else(|| ".?".to_owned(), |(name, _)| format!(".{name}"));
            let node = self.inside(segment, || map.next_value_seed(self))?;
            if let Some((key, key_place)) = key {
                entries.push(Entry { key, key_place, node });
            }
        }
        Ok(Node { place, value: Value::Table(entries) })
    }
}

impl Node {
    /// The place of the value at a configuration path such as `rules[3].allow`, or of the nearest one
    /// above it that is there. An index also counts the entries of a table.
    pub(in crate::config) fn find(&self, path: &str) -> Place {
        let mut node = self;
        for segment in path.split(['.', '[']).filter(|s| !s.is_empty()) {
            let next = match (&node.value, segment.strip_suffix(']').map(str::parse::<usize>)) {
                (Value::List(items), Some(Ok(i))) => items.get(i),
                (Value::Table(entries), Some(Ok(i))) => entries.get(i).map(|e| &e.node),
                (Value::Table(entries), None) => entries.iter().find(|e| e.key == segment).map(|e| &e.node),
                _ => None,
            };
            match next {
                Some(next) => node = next,
                None => break,
            }
        }
        node.place
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place_of(text: &str, path: &str) -> (usize, usize) {
        locate(text, read(text).unwrap().0.find(path)).unwrap()
    }

    #[test]
    fn places_are_those_of_the_text() {
        let text = "a: 1\nb:\n  - x\n  - {c: \"é\", d: [1, 2]}\ne: |\n  long\nf: {}\n";
        assert_eq!(place_of(text, "a"), (1, 4));
        assert_eq!(place_of(text, "b[1].d[1]"), (4, 21));
        assert_eq!(place_of(text, "b[1].nothing.here"), (4, 5));
        assert_eq!(place_of(text, "f"), (7, 4));
    }

    #[test]
    fn n_01_duplicate_keys_have_a_place() {
        let (_, faults) = read("a: 1\nb: {c: 1, c: 2}\na: 3\n").unwrap();
        let places: Vec<_> =
            faults.iter().map(|f| locate("a: 1\nb: {c: 1, c: 2}\na: 3\n", f.place)).collect();
        assert_eq!(places, [Some((2, 11)), Some((3, 1))]);
        assert_eq!(faults[0].path, "b.c");
    }

    #[test]
    fn n_01_alias_bombs_and_second_documents_are_refused() {
        let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x]\n");
        for i in 1..9 {
            let refs = vec![format!("*a{}", i - 1); 9].join(", ");
            bomb += &format!("a{i}: &a{i} [{refs}]\n");
        }
        assert!(read(&bomb).is_err());
        let broken = read("a: 1\n---\nb: 2\n").unwrap_err();
        assert_eq!(broken.at.0, 3);
        assert!(read("a: !x 1").unwrap_err().message.contains("tags"));
        assert!(read("a:\n\t- b").is_err());
        assert!(read(&"[".repeat(10_000)).is_err());
    }
}
