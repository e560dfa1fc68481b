//! What is wrong with a configuration, told so that it can be put right without asking anybody.

use std::fmt;

use serde::Serialize;

/// How bad it is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The configuration is refused.
    Error,
    /// The configuration loads, but probably does not mean what it says.
    Warning,
}

/// One problem. Never holds the value of a secret (N-05).
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Problem {
    /// Refused or only suspicious.
    pub severity: Severity,
    /// The file as it was named to us.
    pub file: String,
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    /// Where in the configuration, for example `rules[3].allow`; empty for the file as a whole.
    pub path: String,
    /// What was said, and what is allowed.
    pub message: String,
    /// The likely fix.
    pub help: Option<String>,
}

/// `config.yaml:12:5: error: session.idle_timeout: …`, and a second line for the help.
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = if self.severity == Severity::Error { "error" } else { "warning" };
        write!(f, "{}:{}:{}: {word}: ", self.file, self.line, self.column)?;
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.message)?;
        if let Some(help) = &self.help {
            write!(f, "\n    help: {help}")?;
        }
        Ok(())
    }
}

/// All problems of one configuration, in the order of the file.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Report {
    problems: Vec<Problem>,
}

impl Report {
    /// A report over `problems`, sorted by place.
    #[must_use]
    pub fn new(mut problems: Vec<Problem>) -> Self {
        problems.sort_by_key(|p| (p.line, p.column, p.severity));
        Self { problems }
    }

    /// Everything that was found.
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// What keeps the configuration from loading.
    pub fn errors(&self) -> impl Iterator<Item = &Problem> {
        self.problems.iter().filter(|p| p.severity == Severity::Error)
    }

    /// What is only suspicious.
    pub fn warnings(&self) -> impl Iterator<Item = &Problem> {
        self.problems.iter().filter(|p| p.severity == Severity::Warning)
    }

    /// Whether the configuration is refused.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.errors().next().is_some()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for problem in &self.problems {
            writeln!(f, "{problem}")?;
        }
        write!(f, "{} error(s), {} warning(s)", self.errors().count(), self.warnings().count())
    }
}

impl std::error::Error for Report {}
