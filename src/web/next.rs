//! Where to go after signing in: a path of this origin that we signed ourselves, or home.

/// The longest target we follow, in bytes.
const MAX_TARGET: usize = 2048;

/// A target may be followed if `is_ours(target, mac)` and its form can only be read as a path on this origin.
#[must_use]
pub fn accepted(target: &str, mac: &str, is_ours: impl Fn(&str, &str) -> bool) -> bool {
    is_local_path(target) && is_ours(target, mac)
}

/// Whether every browser reads `target` as a path on this origin. Stricter than needed for a signed value:
/// what the gateway would not forward is not followed either.
fn is_local_path(target: &str) -> bool {
    let clean = target.bytes().all(|b| (0x21..=0x7e).contains(&b) && b != b'\\');
    let path = target.split(['?', '#']).next().unwrap_or_default();
    let lower = path.to_ascii_lowercase();
    let hidden = ["%2f", "%5c", "%2e", "%7f", "%0", "%1"].iter().any(|e| lower.contains(e));
    let dots = path.split('/').any(|s| s == "." || s == "..");
    clean && !hidden && !dots && path.starts_with('/') && !path.contains("//") && target.len() <= MAX_TARGET
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c_02_targets_that_leave_the_origin_are_refused() {
        for t in [
            "/\\evil",
            "/%09/evil",
            "//evil",
            "https:evil",
            "https:///evil",
            "javascript:alert(1)",
            "data:,x",
            "/..//evil",
            "\0//evil",
            "https://good.com@evil",
            "https://good.com.evil",
            "",
            "evil",
            "///evil",
            "/%5cevil",
            "/a/../b",
            "/./evil",
            "/%2fevil",
            "/a\nSet-Cookie: x",
            "/ evil",
            "/\u{ff0f}evil",
            "/%2e%2e/x",
        ] {
            assert!(!accepted(t, "m", |_, _| true), "{t:?}");
        }
    }

    #[test]
    fn c_01_only_signed_targets_are_followed() {
        assert!(accepted("/events/7?tab=a&x=//y#z", "good", |_, m| m == "good"));
        assert!(!accepted("/events/7", "bad", |_, m| m == "good"));
        assert!(accepted("/", "good", |t, m| t == "/" && m == "good"));
    }
}
