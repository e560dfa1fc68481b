//! The description of the API, as a document and as a page to read and try it.

use std::sync::Arc;

use axum::Extension;
use axum::body::Bytes;
use axum::extract::{OriginalUri, Path};
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::response::{IntoResponse, Redirect, Response};
use utoipa_swagger_ui::Config;

use crate::web::error::Problem;
use crate::web::{CookieNames, Settings, openapi};

/// Written once, when the router is made.
#[derive(Clone)]
pub struct Document(Bytes);

impl Document {
    /// For this deployment.
    #[must_use]
    pub fn new(settings: &Settings, cookies: &CookieNames) -> Self {
        let text = serde_json::to_vec(&openapi::document(settings, cookies));
        Self(text.expect("a document of texts and numbers can be written").into())
    }
}

/// An OpenAPI 3.1 document (any JSON object here).
#[derive(utoipa::ToSchema)]
#[schema(as = OpenApi)]
#[expect(dead_code, reason = "describes what is written by another crate")]
pub struct Described {
    /// `3.1.0`.
    openapi: String,
    /// Title, version, description.
    #[schema(value_type = Object)]
    info: (),
    /// The operations, by path and method.
    #[schema(value_type = Object)]
    paths: (),
}

/// The description of this API.
///
/// This very document; it is the same for everybody and may be cached for a minute.
#[utoipa::path(get, path = "/openapi.json", tag = "integration",
    responses((status = 200, description = "An OpenAPI 3.1 document.", body = Described)))]
pub async fn get(Extension(Document(bytes)): Extension<Document>) -> Response {
    let headers = [(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "public, max-age=60")];
    (headers, bytes).into_response()
}

/// What the page is made of. Only `docs.*` are ours; the others are files of Swagger UI.
const FILES: [&str; 4] = ["swagger-ui.css", "swagger-ui-bundle.js", "favicon-16x16.png", "favicon-32x32.png"];
const PAGE: &str = include_str!("../assets/docs.html");
const SCRIPT: &str = include_str!("../assets/docs.js");

/// As for all pages, but the reader fetches the document, and may send what it shows to this origin.
const CSP: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
                   form-action 'none'; base-uri 'none'; frame-ancestors 'none'";

/// `GET /docs/`
pub async fn page(OriginalUri(uri): OriginalUri) -> Response {
    // Everything on the page is beside it.
    if !uri.path().ends_with('/') {
        return Redirect::permanent(&format!("{}/", uri.path())).into_response();
    }
    with_headers("text/html; charset=utf-8", PAGE.as_bytes().into())
}

/// `GET /docs/{file}`
pub async fn file(Path(file): Path<String>) -> Response {
    if file == "docs.js" {
        return with_headers("text/javascript; charset=utf-8", SCRIPT.as_bytes().into());
    }
    let known = FILES.contains(&file.as_str());
    let found = known.then(|| utoipa_swagger_ui::serve(&file, Arc::new(Config::default())).ok().flatten());
    match found.flatten() {
        Some(found) => with_headers(&found.content_type, found.bytes.into_owned().into()),
        None => Problem::not_found().into_response(),
    }
}

fn with_headers(content_type: &str, bytes: Bytes) -> Response {
    let fixed = [(CACHE_CONTROL, "public, max-age=3600"), (CONTENT_SECURITY_POLICY, CSP)];
    ([(CONTENT_TYPE, content_type)], fixed, bytes).into_response()
}
