//! What a check found, and how it is told.

use std::fmt::Write as _;

/// Everything one check found.
pub struct Findings {
    lines: Vec<(String, usize, String)>,
    why: &'static str,
    fix: &'static str,
}

impl Findings {
    /// None yet. `why` and `fix` are halves of a sentence, without a final stop.
    pub fn new(why: &'static str, fix: &'static str) -> Self {
        Self { lines: Vec::new(), why, fix }
    }

    /// One more.
    pub fn add(&mut self, file: &str, line: usize, what: impl Into<String>) {
        self.lines.push((file.to_owned(), line, what.into()));
    }

    /// Fails the test with all of them, if there are any.
    #[track_caller]
    pub fn must_be_empty(self) {
        assert!(self.lines.is_empty(), "{}", self.told());
    }

    fn told(mut self) -> String {
        self.lines.sort();
        self.lines.dedup();
        let mut out = format!("{} found\n", self.lines.len());
        for (file, line, what) in &self.lines {
            let _ = writeln!(out, "  {file}:{line}: {what}");
        }
        let _ = writeln!(out, "why: {}\nfix: {}", self.why, self.fix);
        out
    }
}
