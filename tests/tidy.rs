//! The house rules as a test. Each check reads the whole source tree with `syn`, collects everything it finds and
//! prints it together: `file:line: what`, then why that matters and how to mend it.
//!
//! - `table`     who may import whom, and the homes of outside crates: the part to read and to change
//! - `imports`   holds the tree to the table
//! - `shape`     heads, lengths, parameters
//! - `words`     what must not stand in a file
//! - `schemas`   names in the description of the API
//! - `problems`  types of problems, held to docs/api.md
//! - `coverage`  cases, reasons, routes and templates that nothing exercises
//! - `live`      what only the running code knows: reason ids, routes, `config.yaml`
//! - `tree`, `paths`, `finding`  the tools: files, the paths in them, and how a finding looks
//!
//! Run alone: `cargo nextest run --test tidy`.

#[path = "tidy/coverage.rs"]
mod coverage;
#[path = "tidy/finding.rs"]
mod finding;
#[path = "tidy/imports.rs"]
mod imports;
#[cfg(feature = "gateway")]
#[path = "tidy/live.rs"]
mod live;
#[path = "tidy/paths.rs"]
mod paths;
#[path = "tidy/problems.rs"]
mod problems;
#[path = "tidy/schemas.rs"]
mod schemas;
#[path = "tidy/shape.rs"]
mod shape;
#[path = "tidy/table.rs"]
mod table;
#[path = "tidy/tree.rs"]
mod tree;
#[path = "tidy/words.rs"]
mod words;
