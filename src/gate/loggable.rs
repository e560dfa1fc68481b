//! What of a path may be written down. An address of ours may be a mailed link with its secret (INV-4), so only the
//! prefix of those is, however they are spelled. Paths of applications are written down whole.

use std::borrow::Cow;

use super::Settings;
use crate::policy::Policy;

impl Settings {
    /// A raw path as it may stand in the log.
    #[must_use]
    pub fn loggable<'p>(&self, path: &'p str) -> Cow<'p, str> {
        let Some(prefix) = self.auth_prefix.strip_prefix('/') else { return Cow::Borrowed(path) };
        let cut = match Policy::read_path(path) {
            Ok(canonical) => {
                let plain = plain(canonical.as_str());
                end_of(prefix, &plain, 1).map(|end| shown(&plain[..end]))
            }
            // It has no one meaning, and ends wherever anybody could find our prefix in it.
            Err(_) => {
                let plain = plain(path);
                let starts = (0..plain.len()).filter(|at| *at == 0 || plain[at - 1] == b'/');
                starts.into_iter().find_map(|at| end_of(prefix, &plain, at)).map(|end| shown(&plain[..end]))
            }
        };
        cut.map_or(Cow::Borrowed(path), Cow::Owned)
    }
}

/// Where `prefix` ends if whole segments of it, in any case, begin at `at`.
fn end_of(prefix: &str, plain: &[u8], at: usize) -> Option<usize> {
    let end = at + prefix.len();
    let same = plain.get(at..end)?.eq_ignore_ascii_case(prefix.as_bytes());
    let is_border = |b: &u8| matches!(b, b'/' | b';' | b'?' | b'#' | b'%' | 0..=b' ' | 0x7f);
    (same && plain.get(end).is_none_or(is_border)).then_some(end)
}

/// Without escapes, also those that only decoding makes, and without backslashes.
fn plain(path: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(path.len());
    for byte in path.bytes() {
        out.push(byte);
        while let Some(decoded) = escape_at_end(&out) {
            out.truncate(out.len() - 3);
            out.push(decoded);
        }
        if let Some(last) = out.last_mut().filter(|b| **b == b'\\') {
            *last = b'/';
        }
    }
    out
}

fn escape_at_end(text: &[u8]) -> Option<u8> {
    let [.., b'%', high, low] = text else { return None };
    let digit = |b: &u8| char::from(*b).to_digit(16).and_then(|d| u8::try_from(d).ok());
    Some(digit(high)? << 4 | digit(low)?)
}

fn shown(text: &[u8]) -> String {
    String::from_utf8_lossy(text).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn logged(prefix: &str, path: &str) -> String {
        let public_url = "https://app.example".into();
        Settings { public_url, auth_prefix: prefix.into() }.loggable(path).into_owned()
    }

    #[test]
    fn inv_4_what_is_ours_is_cut_and_nothing_else() {
        for (path, wanted) in [
            ("/auth", "/auth"),
            ("/auth/", "/auth"),
            ("/auth/unlock/u/s", "/auth"),
            ("/%61uth/unlock/u/s", "/auth"),
            ("/Auth/unlock/u/s", "/Auth"),
            ("/auth;a/unlock/u/s", "/auth"),
            ("/%25%36%31uth/unlock/u/s", "/auth"),
            ("/%25252561uth/unlock/u/s", "/auth"),
            ("/%2%35%361uth/unlock/u/s", "/auth"),
            ("/x/../auth\\unlock/u/s", "/x/../auth"),
            ("\\auth/unlock/u/s", "/auth"),
            ("auth/unlock/u/s", "auth"),
            ("/auth%", "/auth"),
            ("/auth%00/unlock", "/auth"),
        ] {
            assert_eq!(logged("/auth", path), wanted, "{path}");
            assert!(!logged("/auth", &format!("{path}/k3y")).contains("k3y"), "{path}");
        }
        for path in ["/authors/x", "/auth.txt", "/auth-x/y", "/x/auth/y", "/x//authors", "/a%zz", "/", ""] {
            assert_eq!(logged("/auth", path), path);
        }
        assert_eq!(logged("/a/b", "/a/b/c"), "/a/b");
        assert_eq!(logged("", "/auth/x"), "/auth/x");
    }
}
