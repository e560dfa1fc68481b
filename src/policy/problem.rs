//! What is wrong with a policy source, and the likely fix.

use std::fmt;

/// One finding. Findings are collected, never thrown one by one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Problem {
    /// Configuration path, lists counted from 0: `rules[3].allow.any_role[1]`.
    pub at: String,
    /// What was said and why it cannot be.
    pub message: String,
    /// What is allowed, or the likely fix.
    pub help: Option<String>,
    /// Whether the policy can be used all the same.
    pub severity: Severity,
}

/// How bad a [`Problem`] is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Severity {
    /// The policy is refused.
    Error,
    /// The policy works, but perhaps not as meant.
    Warning,
}

impl Problem {
    /// A problem that refuses the policy.
    #[must_use]
    pub fn error(at: impl Into<String>, message: impl Into<String>) -> Self {
        Self { at: at.into(), message: message.into(), help: None, severity: Severity::Error }
    }

    /// A problem worth a line in the log.
    #[must_use]
    pub fn warning(at: impl Into<String>, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(at, message) }
    }

    /// The same with a hint.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// The same with the nearest known name as a hint, else the list of known names.
    #[must_use]
    pub fn suggest<'a>(self, said: &str, known: impl Iterator<Item = &'a str> + Clone) -> Self {
        if let Some(near) = closest(said, known.clone()) {
            return self.help(format!("did you mean `{near}`?"));
        }
        let all: Vec<&str> = known.take(12).collect();
        if all.is_empty() { self } else { self.help(format!("known: {}", all.join(", "))) }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.at, self.message)?;
        match &self.help {
            Some(help) => write!(f, " ({help})"),
            None => Ok(()),
        }
    }
}

/// The known name nearest to `said`, if one is near enough to be what was meant: at most one edit for
/// each three characters.
#[must_use]
pub fn closest<'a>(said: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let allowed = (said.chars().count() / 3).max(1);
    known.map(|name| (distance(said, name), name)).filter(|(d, _)| *d <= allowed).min().map(|(_, name)| name)
}

/// Levenshtein distance.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, cb) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(ca != *cb);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_names_are_found_and_far_ones_are_not() {
        let known = ["admin", "organizer", "participant"];
        assert_eq!(closest("organiser", known.into_iter()), Some("organizer"));
        assert_eq!(closest("amdin", known.into_iter()), None);
        assert_eq!(closest("admins", known.into_iter()), Some("admin"));
        assert_eq!(closest("auditor", known.into_iter()), None);
        assert_eq!(distance("kitten", "sitting"), 3);
    }
}
