//! The closest of the words that would have been right.

/// The entry of `known` nearest to `said`, if one is near enough to be meant.
pub(super) fn closest<'a>(said: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let said = said.to_ascii_lowercase();
    let limit = 1 + said.len() / 4;
    known
        .into_iter()
        .map(|word| (distance(&said, &word.to_ascii_lowercase()), word))
        .filter(|(d, _)| *d <= limit)
        .min_by_key(|(d, _)| *d)
        .map(|(_, word)| word)
}

/// `did you mean …?` for the closest word, else the list of all of them.
pub(super) fn help<'a>(said: &str, known: impl IntoIterator<Item = &'a str> + Clone) -> String {
    match closest(said, known.clone()) {
        Some(word) => format!("did you mean `{word}`?"),
        None => {
            let all: Vec<&str> = known.into_iter().collect();
            format!("allowed: {}", all.join(", "))
        }
    }
}

/// Edits (insert, delete, replace, swap of neighbours) from one word to the other.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().take(64).collect(), b.chars().take(64).collect());
    let mut rows = vec![vec![0; b.len() + 1]; a.len() + 1];
    for (i, row) in rows.iter_mut().enumerate() {
        row[0] = i;
    }
    for (j, cell) in rows[0].iter_mut().enumerate() {
        *cell = j;
    }
    for i in 1..=a.len() {
        for j in 1..=b.len() {
            let swap = usize::from(a[i - 1] != b[j - 1]);
            let mut best = (rows[i - 1][j] + 1).min(rows[i][j - 1] + 1).min(rows[i - 1][j - 1] + swap);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            rows[i][j] = best;
        }
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_words_are_found_and_far_ones_are_not() {
        let known = ["idle_timeout", "grace", "listen"];
        assert_eq!(closest("idel_timeout", known), Some("idle_timeout"));
        assert_eq!(closest("Listen", known), Some("listen"));
        assert_eq!(closest("certificate", known), None);
        assert_eq!(help("zzz", known), "allowed: idle_timeout, grace, listen");
    }
}
