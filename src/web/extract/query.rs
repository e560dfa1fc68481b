//! The query of a page: few known words, read without ever failing.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

/// The pairs of the query, in order.
pub struct Query(Vec<(String, String)>);

impl Query {
    /// The value of `name`; empty when it is missing or there are several.
    #[must_use]
    pub fn get(&self, name: &str) -> &str {
        let mut values = self.0.iter().filter(|(n, _)| n == name).map(|(_, v)| v.as_str());
        match (values.next(), values.next()) {
            (Some(only), None) => only,
            _ => "",
        }
    }
}

impl<S: Sync> FromRequestParts<S> for Query {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let query = parts.uri.query().unwrap_or_default();
        Ok(Self(form_urlencoded::parse(query.as_bytes()).into_owned().collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeated_values_count_as_none() {
        let q = Query(form_urlencoded::parse(b"a=1&b=2&a=3").into_owned().collect());
        assert_eq!((q.get("a"), q.get("b"), q.get("c")), ("", "2", ""));
    }
}
