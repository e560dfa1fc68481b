//! Bodies: short, of exactly the announced kind, without unknown or repeated fields (L-12, L-14, D-06, D-08).

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::HeaderMap;
use axum::http::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderName};
use serde::Deserialize;
use serde::de::value::{Error as ValueError, MapDeserializer};
use serde::de::{DeserializeOwned, Deserializer};

use crate::model::Secret;
use crate::web::error::Problem;

/// The longest body, in bytes.
const MAX_BODY: usize = 16 * 1024;

const JSON: &str = "application/json";
const FORM: &str = "application/x-www-form-urlencoded";

/// A JSON body. Types use `#[serde(default, deny_unknown_fields)]`: what is missing arrives empty and is
/// named by the use case.
pub struct Json<T>(pub T);

/// A form body; all fields are texts.
pub struct Form<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        if media_type(request.headers()) != Some(JSON) {
            return Err(Problem::unsupported("Send JSON: Content-Type: application/json, in UTF-8."));
        }
        from_json(&read(request).await?).map(Self)
    }
}

/// For calls that also work without any body.
impl<T: DeserializeOwned + Default, S: Send + Sync> axum::extract::OptionalFromRequest<S> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Option<Self>, Problem> {
        let is_json = media_type(request.headers()) == Some(JSON);
        let bytes = read(request).await?;
        if bytes.is_empty() {
            Ok(None)
        } else if is_json {
            from_json(&bytes).map(|t| Some(Self(t)))
        } else {
            Err(Problem::unsupported("Send JSON (Content-Type: application/json, in UTF-8) or no body."))
        }
    }
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Form<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        if !is_form(request.headers()) {
            return Err(Problem::unsupported(
                "Send the form as application/x-www-form-urlencoded, in UTF-8.",
            ));
        }
        from_form(&read(request).await?).map(Self)
    }
}

/// Whether the body is announced as an HTML form.
#[must_use]
pub fn is_form(headers: &HeaderMap) -> bool {
    media_type(headers) == Some(FORM)
}

/// A text in a body that never shows itself; empty when missing.
#[derive(Debug)]
pub struct Hidden(pub Secret);

impl Hidden {
    /// Whether nothing was sent.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.expose().is_empty()
    }
}

impl Default for Hidden {
    fn default() -> Self {
        Self(Secret::new(""))
    }
}

impl<'de> Deserialize<'de> for Hidden {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d).map(|text| Self(Secret::new(text)))
    }
}

/// The media type, if it is one of ours and its only parameter is `charset=utf-8`.
fn media_type(headers: &HeaderMap) -> Option<&'static str> {
    let mut parts = only(headers, &CONTENT_TYPE)?.split(';').map(str::trim);
    let essence = parts.next()?;
    let utf8 = |p: &str| p.is_empty() || p.to_ascii_lowercase().replace('"', "") == "charset=utf-8";
    let known = [JSON, FORM].into_iter().find(|m| m.eq_ignore_ascii_case(essence))?;
    parts.all(utf8).then_some(known)
}

fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut all = headers.get_all(name).iter();
    match (all.next(), all.next()) {
        (Some(value), None) => value.to_str().ok(),
        _ => None,
    }
}

async fn read(request: Request) -> Result<Bytes, Problem> {
    if request.headers().contains_key(CONTENT_ENCODING) {
        return Err(Problem::unsupported("Send the body without Content-Encoding."));
    }
    // A client that breaks off is answered as one that sends too much: nobody sees it.
    axum::body::to_bytes(request.into_body(), MAX_BODY).await.map_err(|_| Problem::too_large())
}

fn from_json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    // serde also reads structs from arrays, by position; nobody here means that.
    if bytes.trim_ascii_start().first() == Some(&b'[') {
        return Err(Problem::malformed("The body must be a JSON object."));
    }
    serde_json::from_slice(bytes).map_err(|e| Problem::malformed(explain(&e)))
}

/// Where and why, without repeating any value: the body may hold a password.
fn explain(error: &serde_json::Error) -> String {
    let place = format!("line {}, column {}", error.line(), error.column());
    if !error.is_data() {
        return format!("The body is not valid JSON ({place}).");
    }
    let text = error.to_string();
    let why = if text.starts_with("unknown field") {
        "it has a field that is not known here"
    } else if text.starts_with("duplicate field") {
        "a field is given twice"
    } else {
        "a value has the wrong type"
    };
    format!("The body cannot be used: {why} ({place}).")
}

fn from_form<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    let pairs: Vec<(String, String)> = form_urlencoded::parse(bytes).into_owned().collect();
    let broken = pairs.iter().any(|(n, v)| n.contains('\u{fffd}') || v.contains('\u{fffd}'));
    let repeated = pairs.iter().enumerate().any(|(i, (n, _))| pairs[..i].iter().any(|(m, _)| m == n));
    if broken || repeated {
        return Err(Problem::malformed("The form cannot be used: a field is given twice or is not UTF-8."));
    }
    T::deserialize(MapDeserializer::<_, ValueError>::new(pairs.into_iter()))
        .map_err(|_| Problem::malformed("The form cannot be used: it has a field that is not known here."))
}

#[cfg(test)]
#[path = "body_tests.rs"]
mod tests;
