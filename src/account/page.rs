//! Long lists come in pages. A cursor names the last row that was seen, by what the list is ordered by and the row's
//! identifier: rows that come or go meanwhile neither repeat nor hide others.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::model::{RequestId, Timestamp};
use crate::store::Value;

/// Longer texts are none of ours.
const MAX_TEXT: usize = 2048;

/// One page of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    /// Its rows, in the order of the list.
    pub items: Vec<T>,
    /// Where the next page begins; `None`: this was the last one.
    pub next: Option<Cursor>,
}

impl<T> Page<T> {
    /// The rows in another form, and the text of the cursor behind them, good for lists in this order.
    pub fn sent_as<I: From<T>>(self, order: &str) -> (Vec<I>, Option<String>) {
        let next = self.next.map(|cursor| cursor.encode(order));
        (self.items.into_iter().map(I::from).collect(), next)
    }

    /// The page that begins with `rows`, of which the store was asked for one more than `limit`: whether it came says
    /// whether there is a next page.
    pub fn cut(mut rows: Vec<T>, limit: u32, cursor: impl Fn(&T) -> Cursor) -> Self {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let more = rows.len() > limit;
        rows.truncate(limit);
        let next = rows.last().filter(|_| more).map(cursor);
        Self { items: rows, next }
    }

    /// The same page with every row as something else.
    pub fn map<U>(self, make: impl FnMut(T) -> U) -> Page<U> {
        Page { items: self.items.into_iter().map(make).collect(), next: self.next }
    }
}

/// What a list is ordered by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Key {
    /// A number, or a time in milliseconds.
    Number(i64),
    /// A text.
    Text(String),
}

impl From<Timestamp> for Key {
    fn from(at: Timestamp) -> Self {
        Self::Number(at.millis())
    }
}

impl From<Key> for Value {
    fn from(key: Key) -> Self {
        match key {
            Key::Number(n) => Self::Int(n),
            Key::Text(text) => Self::Text(text),
        }
    }
}

/// A place in a list: after the row with this key and identifier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// What the list is ordered by.
    pub key: Key,
    /// The row's identifier (a UUID text); decides between rows of the same key.
    pub id: String,
}

impl Cursor {
    /// The text handed out. `order` names list and order (`attempts`, `users:-name`): a cursor is good for that one only.
    #[must_use]
    pub fn encode(&self, order: &str) -> String {
        let (kind, key) = match &self.key {
            Key::Number(n) => ('n', n.to_string()),
            Key::Text(text) => ('t', text.clone()),
        };
        URL_SAFE_NO_PAD.encode(format!("{order}\n{kind}{key}\n{}", self.id))
    }

    /// Reads what [`Self::encode`] wrote for the same `order`; `None` for every other text. Each cursor has one
    /// spelling.
    #[must_use]
    pub fn decode(text: &str, order: &str) -> Option<Self> {
        if text.len() > MAX_TEXT {
            return None;
        }
        let plain = String::from_utf8(URL_SAFE_NO_PAD.decode(text).ok()?).ok()?;
        let (key, id) = plain.strip_prefix(order)?.strip_prefix('\n')?.rsplit_once('\n')?;
        let id = id.parse::<RequestId>().ok()?.to_string();
        let key = match key.split_at_checked(1)? {
            ("n", digits) => Key::Number(digits.parse().ok()?),
            ("t", words) => Key::Text(words.to_owned()),
            _ => return None,
        };
        // `+7` and `07` are numbers, but no spelling of ours.
        Some(Self { key, id }).filter(|cursor| cursor.encode(order) == text)
    }

    /// The key where it is a number.
    #[must_use]
    pub fn number(&self) -> Option<i64> {
        match self.key {
            Key::Number(n) => Some(n),
            Key::Text(_) => None,
        }
    }

    /// The key where it is a text.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        match &self.key {
            Key::Number(_) => None,
            Key::Text(text) => Some(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0196f0a0-0000-4000-8000-00000000000a";

    fn cursor(key: Key) -> Cursor {
        Cursor { key, id: ID.into() }
    }

    #[test]
    fn cursors_come_back_as_they_went() {
        for key in
            [Key::Number(0), Key::Number(i64::MIN), Key::Text(String::new()), Key::Text("Zoë\n7".into())]
        {
            let one = cursor(key);
            assert_eq!(Cursor::decode(&one.encode("users:name"), "users:name"), Some(one));
        }
    }

    #[test]
    fn l_13_other_texts_are_no_cursors() {
        let good = cursor(Key::Number(7)).encode("attempts");
        assert!(Cursor::decode(&good, "attempts").is_some());
        let raw = |plain: &str| URL_SAFE_NO_PAD.encode(plain);
        let forged = [
            String::new(),
            "1".into(),
            "' OR 1=1 --".into(),
            format!("{good}="),
            good[..good.len() - 1].to_owned(),
            raw(&format!("attempts\nn+7\n{ID}")),
            raw(&format!("attempts\nn7\n{}", ID.to_uppercase())),
            raw("attempts\nn7\n1 OR 1=1"),
            raw(&format!("attempts\nx7\n{ID}")),
            raw(&format!("attempts\nn\n{ID}")),
            raw(&format!("attempts\né\n{ID}")),
            raw(&format!("attempts\n\n{ID}")),
            cursor(Key::Text("x".repeat(MAX_TEXT))).encode("attempts"),
        ];
        for text in forged {
            assert_eq!(Cursor::decode(&text, "attempts"), None, "{text}");
        }
        assert_eq!(Cursor::decode(&good, "audit"), None, "a cursor of another list");
        assert_eq!(Cursor::decode(&good, "attempt"), None);
    }

    #[test]
    fn the_row_too_many_says_that_there_is_more() {
        let at = |n: &i64| cursor(Key::Number(*n));
        assert_eq!(Page::cut(vec![3, 2, 1], 2, at), Page { items: vec![3, 2], next: Some(at(&2)) });
        assert_eq!(Page::cut(vec![3, 2], 2, at), Page { items: vec![3, 2], next: None });
        assert_eq!(Page::cut(vec![], 2, at).next, None);
    }
}
