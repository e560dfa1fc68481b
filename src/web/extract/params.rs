//! The query of an API call: only known words, each once (L-13). What does not fit is 400 `malformed-query`.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use serde::de::value::{Error as ValueError, MapDeserializer};
use serde::de::{Deserialize, DeserializeOwned, Deserializer, Error as _};

use crate::account::Cursor;
use crate::web::error::Problem;

/// The query. Types use `#[serde(default, deny_unknown_fields)]`; all values arrive as texts.
pub struct Params<T>(pub T);

impl<T: DeserializeOwned, S: Sync> FromRequestParts<S> for Params<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let query = parts.uri.query().unwrap_or_default();
        let pairs: Vec<(String, String)> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        let broken = pairs.iter().any(|(n, v)| n.contains('\u{fffd}') || v.contains('\u{fffd}'));
        let repeated = pairs.iter().enumerate().any(|(i, (n, _))| pairs[..i].iter().any(|(m, _)| m == n));
        if broken || repeated {
            return Err(Problem::malformed_query("The query has a word twice, or is not UTF-8."));
        }
        T::deserialize(MapDeserializer::<_, ValueError>::new(pairs.into_iter()))
            .map(Self)
            .map_err(|_| Problem::malformed_query("The query has a word or a value that is not known here."))
    }
}

/// `limit`: how many rows a page has, 1 to 100.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit(pub u32);

impl Default for Limit {
    fn default() -> Self {
        Self(20)
    }
}

impl<'de> Deserialize<'de> for Limit {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = String::deserialize(d)?;
        let digits = !text.is_empty() && text.len() <= 3 && text.bytes().all(|b| b.is_ascii_digit());
        let number = text.parse().ok().filter(|n| digits && (1..=100).contains(n));
        number.map(Self).ok_or_else(|| D::Error::custom("not a limit"))
    }
}

/// `cursor`, read for the list and order that it must have been made for; an empty one is the beginning.
///
/// # Errors
/// 400 for a text that is no cursor of that list.
pub fn cursor(text: &str, order: &str) -> Result<Option<Cursor>, Problem> {
    if text.is_empty() {
        return Ok(None);
    }
    let refused = || Problem::malformed_query("The cursor is not one of this list.");
    Cursor::decode(text, order).map(Some).ok_or_else(refused)
}

#[cfg(test)]
mod tests {
    use axum::http::Request;
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize, Default, Debug, PartialEq)]
    #[serde(default, deny_unknown_fields)]
    struct Input {
        cursor: String,
        limit: Limit,
    }

    async fn read(query: &str) -> Option<(String, u32)> {
        let (mut parts, ()) = Request::get(format!("/auth/activity/{query}")).body(()).unwrap().into_parts();
        match Params::<Input>::from_request_parts(&mut parts, &()).await {
            Ok(Params(input)) => Some((input.cursor, input.limit.0)),
            Err(problem) => {
                assert_eq!((problem.status.as_u16(), problem.kind), (400, "malformed-query"));
                None
            }
        }
    }

    #[tokio::test]
    async fn l_13_queries_are_read_strictly() {
        assert_eq!(read("").await, Some((String::new(), 20)));
        assert_eq!(read("?limit=100&cursor=a").await, Some(("a".into(), 100)));
        for bad in [
            "?limit=0",
            "?limit=101",
            "?limit=+5",
            "?limit=",
            "?limit=1e2",
            "?sort='",
            "?limit=5&limit=5",
            "?cursor=%ff",
        ] {
            assert_eq!(read(bad).await, None, "{bad}");
        }
        assert!(cursor("", "attempts").is_ok_and(|c| c.is_none()));
        assert!(cursor("' OR 1=1", "attempts").is_err());
    }
}
