//! One index for each named host, and one for all hosts.

use ahash::AHashMap;

/// Longest host name in bytes (RFC 1035 section 2.3.4, with room to spare).
const MAX_HOST: usize = 255;

/// A `T` for each named host and one for everything else.
#[derive(Clone, Debug, Default)]
pub(in crate::policy) struct ByHost<T> {
    named: AHashMap<Box<[u8]>, T>,
    any: T,
}

impl<T: Default> ByHost<T> {
    /// The `T` of a host ([`host_name`]), or of all hosts.
    pub(in crate::policy) fn of(&mut self, host: Option<&str>) -> &mut T {
        match host {
            Some(name) => self.named.entry(name.as_bytes().into()).or_default(),
            None => &mut self.any,
        }
    }

    /// The one for `host`, if there is one, and the one for all, in the order they are asked.
    pub(in crate::policy) fn get(&self, host: &str) -> impl Iterator<Item = &T> {
        let named = if self.named.is_empty() { None } else { self.look_up(host) };
        named.into_iter().chain([&self.any])
    }

    fn look_up(&self, host: &str) -> Option<&T> {
        let bare = bare(host).as_bytes();
        let mut lower = [0_u8; MAX_HOST];
        let lower = lower.get_mut(..bare.len())?;
        lower.copy_from_slice(bare);
        lower.make_ascii_lowercase();
        self.named.get(&*lower)
    }
}

/// Without a port and without the dot of a fully qualified name (H-06).
fn bare(host: &str) -> &str {
    let name = match (host.rfind(']'), host.rfind(':')) {
        (Some(bracket), _) => &host[..=bracket],
        (None, Some(colon)) => &host[..colon],
        (None, None) => host,
    };
    name.strip_suffix('.').unwrap_or(name)
}

/// The host of a request in the form it is compared.
pub(in crate::policy) fn bare_lower(host: &str) -> String {
    bare(host).to_ascii_lowercase()
}

/// The host of a rule in the form it is compared: lower case, no port, no trailing dot; `None` if it is
/// not a host name.
pub(in crate::policy) fn host_name(text: &str) -> Option<String> {
    let name = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
    let inner = name.strip_prefix('[').and_then(|n| n.strip_suffix(']'));
    let fits = match inner {
        Some(v6) => v6.parse::<std::net::Ipv6Addr>().is_ok(),
        None => name.split('.').all(is_label),
    };
    (fits && name.len() <= MAX_HOST).then_some(name)
}

fn is_label(label: &str) -> bool {
    !label.is_empty()
        && label.len() <= 63
        && label.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn h_05_h_06_one_name_in_all_spellings() {
        let mut by_host: ByHost<u8> = ByHost::default();
        *by_host.of(None) = 1;
        *by_host.of(host_name("A.Example.COM.").as_deref()) = 2;
        for host in
            ["a.example.com", "A.EXAMPLE.com", "a.example.com.", "a.example.com:8443", "A.example.com.:1"]
        {
            assert_eq!(by_host.get(host).copied().collect::<Vec<_>>(), [2, 1], "{host}");
        }
        for host in ["b.example.com", "", "a.example.com..", &"a".repeat(999)] {
            assert_eq!(by_host.get(host).copied().collect::<Vec<_>>(), [1], "{host}");
        }
    }

    #[test]
    fn what_is_no_host_name() {
        assert_eq!(host_name("[::1]").as_deref(), Some("[::1]"));
        for text in ["", "a b", "http://a", "a/b", "*.a", "a:80", "exämple.com", "u@a", "[::1"] {
            assert_eq!(host_name(text), None, "{text}");
        }
    }
}
