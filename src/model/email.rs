//! An e-mail address, only ever in its canonical form.

use std::fmt;

/// An address Stagedoor can send to: ASCII, one `@`, a dot-atom before it and a domain name behind it
/// (a subset of RFC 5321 section 4.1.2), lower-cased as a whole. Two spellings of one mailbox
/// are therefore equal, and look-alikes from other scripts are refused rather than folded.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Email(String);

/// The text is not an address we accept.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("enter an e-mail address like name@example.org")]
pub struct InvalidEmail;

const MAX_ADDRESS: usize = 254;
const MAX_LOCAL: usize = 64;

impl Email {
    /// Reads an address; white space around it is dropped.
    ///
    /// # Errors
    /// [`InvalidEmail`] for anything but `dot-atom@domain` with a dot in the domain.
    pub fn parse(text: &str) -> Result<Self, InvalidEmail> {
        if text.len() > MAX_ADDRESS + 16 {
            return Err(InvalidEmail);
        }
        let text = text.trim_matches([' ', '\t']);
        if text.len() > MAX_ADDRESS || !text.is_ascii() {
            return Err(InvalidEmail);
        }
        let (local, domain) = text.split_once('@').ok_or(InvalidEmail)?;
        if local.len() > MAX_LOCAL || !is_dot_atom(local) || !is_domain(domain) {
            return Err(InvalidEmail);
        }
        Ok(Self(text.to_ascii_lowercase()))
    }

    /// The canonical text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The part before the `@`.
    #[must_use]
    pub fn local(&self) -> &str {
        self.0.split('@').next().unwrap_or_default()
    }

    /// The part behind the `@`: lower-case ASCII.
    #[must_use]
    pub fn domain(&self) -> &str {
        self.0.rsplit('@').next().unwrap_or_default()
    }
}

fn is_dot_atom(s: &str) -> bool {
    s.split('.').all(|atom| {
        !atom.is_empty()
            && atom.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+/=?^_`{|}~-".contains(&b))
    })
}

fn is_domain(s: &str) -> bool {
    let mut labels = s.split('.');
    labels.clone().count() >= 2
        && s.len() <= 253
        && labels.clone().all(|l| {
            (1..=63).contains(&l.len())
                && !l.starts_with('-')
                && !l.ends_with('-')
                && l.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        })
        && labels.next_back().is_some_and(|tld| !tld.bytes().all(|b| b.is_ascii_digit()))
}

impl fmt::Display for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Email({})", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_mailbox_are_equal() {
        assert_eq!(Email::parse(" Mike@Example.ORG ").unwrap().as_str(), "mike@example.org");
    }

    #[test]
    fn r_04_look_alikes_are_refused() {
        for s in ["m\u{131}ke@example.org", "mike@\u{ff45}xample.org", "mi\u{212a}e@example.org"] {
            assert_eq!(Email::parse(s), Err(InvalidEmail), "{s}");
        }
    }

    #[test]
    fn r_05_glued_and_broken_addresses_are_refused() {
        let long_local = format!("{}@example.org", "a".repeat(65));
        let long_all = format!("a@{}.org", "b.".repeat(126));
        for s in [
            "\"a@evil.com x\"@victim.com",
            "user@good.com(x)evil.com",
            "a@b@c",
            "a@b.c,d@e.f",
            "a@b.c\r\nBcc: x",
            "<a@b.c>",
            "a@[127.0.0.1]",
            "a@b..c",
            "a..b@c.de",
            ".a@b.de",
            "a@-b.de",
            "a@127.0.0.1",
            "a@b",
            "@b.de",
            "a@",
            "",
            "a\0@b.de",
            &long_local,
            &long_all,
        ] {
            assert_eq!(Email::parse(s), Err(InvalidEmail), "{s:?}");
        }
    }
}
