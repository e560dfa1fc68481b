//! Passwords that guessers try first. `common.txt` is made by `make_common.py` beside it: lower case, one a line,
//! sorted by bytes.

const LIST: &str = include_str!("common.txt");

/// Whether the lower-cased text is in the list. A binary search over the text itself: nothing to build or to keep.
pub(super) fn contains(text: &str) -> bool {
    let mut rest = LIST;
    while !rest.is_empty() {
        // Any byte can be the middle; a line is ASCII or whole characters, so the cut is moved to a line's start.
        let middle =
            rest.as_bytes()[..rest.len() / 2].iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
        let end =
            rest.as_bytes()[middle..].iter().position(|b| *b == b'\n').map_or(rest.len(), |at| middle + at);
        match text.cmp(&rest[middle..end]) {
            std::cmp::Ordering::Equal => return true,
            std::cmp::Ordering::Less => rest = &rest[..middle],
            std::cmp::Ordering::Greater => rest = rest.get(end + 1..).unwrap_or_default(),
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_found_and_neighbours_are_not() {
        let lines: Vec<&str> = LIST.lines().collect();
        assert!(lines.len() >= 10_000, "{}", lines.len());
        assert!(lines.is_sorted(), "sorted by bytes");
        for line in &lines {
            assert!(contains(line), "{line}");
            assert_eq!(*line, line.to_lowercase());
        }
        for other in ["", "\n", "password1!\n", "tr0ub4dor&3-xkcd", "~~~~", "é", "passwor"] {
            assert!(!contains(other), "{other:?}");
        }
    }
}
