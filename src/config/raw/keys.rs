//! What a key of the configuration is: its kind, its default and its doc line, in one row of a table.
//! The readers and the key reference both work from these rows.

use super::values;

/// A table of the configuration.
#[derive(Debug)]
pub(in crate::config) struct Section {
    /// Where it is, for example `server.limits` or `roles.<name>`; empty for the whole file.
    pub(in crate::config) path: &'static str,
    /// What it is for.
    pub(in crate::config) doc: &'static str,
    /// The keys it takes, and no others.
    pub(in crate::config) keys: &'static [Key],
}

/// One key.
#[derive(Debug)]
pub(in crate::config) struct Key {
    pub(in crate::config) name: &'static str,
    pub(in crate::config) kind: Kind,
    pub(in crate::config) default: Default,
    pub(in crate::config) doc: &'static str,
}

/// What holds when a key is left out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::config) enum Default {
    /// It must not be left out.
    Required,
    /// The value, as it would be written.
    Text(&'static str),
    /// Nothing, which `null` says too; the doc line tells what that means.
    Nothing,
}

/// What may be written for a key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::config) enum Kind {
    /// Any text, without references.
    Text,
    /// A text that may hold `${NAME}`, or `file:PATH`; never shown in a message.
    Reference,
    /// A whole number between the two, both allowed.
    Number(u64, u64),
    /// `true` or `false`.
    Flag,
    /// A duration between the two, both allowed.
    Duration(&'static str, &'static str),
    /// A size between the two, both allowed.
    Size(&'static str, &'static str),
    /// Tries in a time: `5/1m`.
    Quota,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// IP address and port.
    Address,
    /// A list of texts.
    Texts,
    /// A list of address ranges.
    Networks,
    /// A table of its own, or a list of tables.
    Section,
    /// Something that the doc line describes.
    Special(&'static str),
}

impl Kind {
    /// What is allowed, in words.
    pub(in crate::config) fn allowed(self) -> String {
        match self {
            Self::Text => "a text".into(),
            Self::Reference => "`file:PATH` or a text with `${NAME}` for environment variables".into(),
            Self::Number(min, max) => format!("a whole number from {min} to {max}"),
            Self::Flag => "true or false".into(),
            Self::Duration(min, max) => {
                format!("a duration such as 10s, 15m, 1h or 30d, from {min} to {max}")
            }
            Self::Size(min, max) => format!("a size such as 64KiB or 19MiB, from {min} to {max}"),
            Self::Quota => "a quota such as 5/1m: tries, `/`, duration".into(),
            Self::Choice(words) => format!("one of {}", words.join(", ")),
            Self::Address => "an IP address and a port, such as 127.0.0.1:8080 or [::1]:8080".into(),
            Self::Texts => "a list of texts".into(),
            Self::Networks => "a list of address ranges such as 10.0.0.0/8".into(),
            Self::Section => "a table".into(),
            Self::Special(words) => words.into(),
        }
    }

    /// Whether `amount` (of milliseconds or bytes) lies between the bounds.
    pub(in crate::config) fn admits(self, amount: u64) -> bool {
        let read = |text: &str| match self {
            Self::Duration(..) => {
                values::duration(text).map(|d| u64::try_from(d.as_millis()).unwrap_or(u64::MAX))
            }
            _ => values::size(text),
        };
        match self {
            Self::Number(min, max) => (min..=max).contains(&amount),
            Self::Duration(min, max) | Self::Size(min, max) => {
                read(min).is_ok_and(|m| m <= amount) && read(max).is_ok_and(|m| amount <= m)
            }
            _ => true,
        }
    }
}

/// A row.
pub(super) const fn key(name: &'static str, kind: Kind, default: Default, doc: &'static str) -> Key {
    Key { name, kind, default, doc }
}
