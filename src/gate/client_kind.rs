//! Whether a person's browser or a program waits for the answer.

use http::header::ACCEPT;
use http::{HeaderMap, Method};

/// Who will read a refusal.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ClientKind {
    /// A top-level browser navigation: gets pages and may be sent to the sign-in page.
    Navigation,
    /// Anything else: gets `application/problem+json` (RFC 9457).
    Program,
}

impl ClientKind {
    /// Judges by `Sec-Fetch-Mode`/`Sec-Fetch-Dest` (Fetch Metadata) where the client sends them, else
    /// by whether it prefers HTML.
    #[must_use]
    pub fn of(method: &Method, headers: &HeaderMap) -> Self {
        let text = |name: &str| headers.get(name).and_then(|v| v.to_str().ok());
        if let Some(mode) = text("sec-fetch-mode") {
            let document = text("sec-fetch-dest").is_none_or(|d| d == "document");
            return if mode == "navigate" && document { Self::Navigation } else { Self::Program };
        }
        let reads = *method == Method::GET || *method == Method::HEAD || *method == Method::POST;
        let html = headers
            .get(ACCEPT)
            .and_then(|v| v.to_str().ok())
            .is_some_and(|a| a.split(',').next().is_some_and(|first| first.trim().starts_with("text/html")));
        if reads && html { Self::Navigation } else { Self::Program }
    }
}
