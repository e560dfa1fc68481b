//! Whether another site made the browser send a request.

use http::header::ORIGIN;
use http::{HeaderMap, Method};

/// What the browser says about where a request was made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CrossSite {
    /// On one of our own pages, or typed by the person.
    Same,
    /// On a page of another origin.
    Cross,
    /// Nothing was said; programs say nothing.
    Unknown,
}

impl CrossSite {
    /// Reads `Sec-Fetch-Site`, and `Origin` where that is missing. Anything odd counts as [`Self::Cross`].
    ///
    /// `public_origin` is scheme, host and port as people see them.
    #[must_use]
    pub fn of(headers: &HeaderMap, public_origin: &str) -> Self {
        let mut sites = headers.get_all("sec-fetch-site").iter();
        match (sites.next(), sites.next()) {
            (Some(site), None) => {
                return match site.as_bytes() {
                    b"same-origin" | b"none" => Self::Same,
                    _ => Self::Cross,
                };
            }
            (Some(_), Some(_)) => return Self::Cross,
            (None, _) => {}
        }
        let mut origins = headers.get_all(ORIGIN).iter();
        match (origins.next(), origins.next()) {
            (Some(origin), None) if origin.as_bytes() == public_origin.as_bytes() => Self::Same,
            (None, _) => Self::Unknown,
            _ => Self::Cross,
        }
    }

    /// Whether a request with a cookie may go on: a safe one always, an unsafe one or an
    /// upgrade only from our own pages (C-06, C-09).
    #[must_use]
    pub fn admits_cookie(self, method: &Method, upgrade: bool) -> bool {
        self == Self::Same || (method.is_safe() && !upgrade)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(pairs: &[(&'static str, &'static str)]) -> CrossSite {
        let mut h = HeaderMap::new();
        for (n, v) in pairs {
            h.append(*n, v.parse().unwrap());
        }
        CrossSite::of(&h, "https://a.example")
    }

    #[test]
    fn c_06_only_our_own_origin_counts_as_same() {
        assert_eq!(of(&[("sec-fetch-site", "same-origin")]), CrossSite::Same);
        assert_eq!(of(&[("origin", "https://a.example")]), CrossSite::Same);
        assert_eq!(of(&[]), CrossSite::Unknown);
        for bad in [
            &[("sec-fetch-site", "cross-site")][..],
            &[("sec-fetch-site", "same-site")],
            &[("sec-fetch-site", "same-origin"), ("sec-fetch-site", "cross-site")],
            &[("sec-fetch-site", "")],
            &[("origin", "null")],
            &[("origin", "https://a.example.evil")],
            &[("origin", "http://a.example")],
            &[("origin", "https://a.example"), ("origin", "https://evil")],
        ] {
            assert_eq!(of(bad), CrossSite::Cross, "{bad:?}");
        }
    }

    #[test]
    fn c_09_upgrades_count_as_unsafe() {
        assert!(!CrossSite::Cross.admits_cookie(&Method::GET, true));
        assert!(!CrossSite::Unknown.admits_cookie(&Method::POST, false));
        assert!(CrossSite::Cross.admits_cookie(&Method::GET, false));
    }
}
