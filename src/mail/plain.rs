//! Making what people typed fit for a mail.

/// How many characters of an untrusted text a mail shows.
pub(super) const MAX_CHARS: usize = 100;

/// One line of at most [`MAX_CHARS`] characters that shows what it is: no control characters, no line breaks,
/// nothing that reorders or hides text. Escaping for HTML is up to the template.
pub(super) fn plain(text: &str) -> String {
    // The rest is not even looked at: an attacker chooses the length.
    let start = text.chars().take(4 * MAX_CHARS);
    let mut clean = String::new();
    for c in start.filter(|c| c.is_whitespace() || !is_hidden(*c)) {
        if !c.is_whitespace() {
            clean.push(c);
        } else if !clean.is_empty() && !clean.ends_with(' ') {
            clean.push(' ');
        }
    }
    cut(&without_links(clean.trim_end()))
}

/// Mail programs turn bare addresses into links; a name must not be able to carry one.
fn without_links(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        out.push(c);
        let mut ahead = rest.clone();
        let dot_in_host = c == '.'
            && ahead.next().is_some_and(char::is_alphabetic)
            && ahead.next().is_some_and(char::is_alphabetic);
        let scheme = c == ':' && rest.peek() == Some(&'/');
        if dot_in_host || scheme {
            out.push(' ');
        }
    }
    out
}

fn cut(text: &str) -> String {
    if text.chars().count() <= MAX_CHARS {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(MAX_CHARS - 1).collect();
    short.push('…');
    short
}

/// Control characters, and those that are invisible or change the direction of the text. Joiners (U+200C, U+200D)
/// stay: names and emoji need them.
fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r_06_no_line_breaks_or_controls() {
        assert_eq!(plain("Eve\r\n.\r\nMAIL FROM:<x>\0\t\u{7}!"), "Eve . MAIL FROM:<x> !");
        assert_eq!(plain("a\u{2028}b\u{85}c"), "a b c");
    }

    #[test]
    fn r_11_no_reordering_and_no_links() {
        assert_eq!(plain("abc\u{202e}fdp.exe\u{2066}"), "abcfdp. exe");
        assert_eq!(plain("click https://evil.example/x now"), "click https: //evil. example/x now");
        assert_eq!(plain("www.evil.рф"), "www. evil. рф");
    }

    #[test]
    fn r_11_long_texts_are_cut() {
        let long = plain(&"ä".repeat(100 * 1024));
        assert_eq!(long.chars().count(), MAX_CHARS);
        assert!(long.ends_with('…'));
    }

    #[test]
    fn ordinary_names_and_browsers_stay() {
        for s in [
            "Zoë O'Brien-Łukasz",
            "J.R. Tolkien",
            "李 小龙",
            "Mozilla/5.0 (X11; rv:140.0) Gecko/20100101",
            "👩\u{200d}💻",
        ] {
            assert_eq!(plain(s), s);
        }
    }
}
