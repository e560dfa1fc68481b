//! What operations can be refused for without saying so themselves.

use utoipa::Modify;
use utoipa::openapi::header::{Header, HeaderBuilder};
use utoipa::openapi::path::{Operation, ParameterIn};
use utoipa::openapi::response::{Response, ResponseBuilder};
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{ContentBuilder, OpenApi, Ref, RefOr};

use super::operations;

/// One refusal: status, name in the document, sentence, headers.
type Row = (&'static str, &'static str, &'static str, &'static [&'static str]);

const MALFORMED: Row =
    ("400", "Malformed", "The request cannot be understood: its target, its query or its body.", &[]);
const UNAUTHENTICATED: Row = (
    "401",
    "Unauthenticated",
    "Nobody is signed in, or with two different credentials.",
    &["WWW-Authenticate"],
);
const WRONG: Row = (
    "401",
    "WrongCredentials",
    "What should prove who is asking is wrong, used up or too old.",
    &["WWW-Authenticate"],
);
const FORBIDDEN: Row = (
    "403",
    "Forbidden",
    "Not for this caller, not without a recent proof of identity, or not from another site.",
    &[],
);
const CROSS_SITE: Row = ("403", "CrossSite", "A browser sent this from a page of another site.", &[]);
const TOO_LARGE: Row = ("413", "BodyTooLarge", "The body is longer than 16 KiB.", &[]);
const UNSUPPORTED: Row =
    ("415", "UnsupportedMediaType", "The body is announced as something else than JSON.", &[]);
const INVALID: Row =
    ("422", "Invalid", "A field has no acceptable value; `errors` and `codes` say which.", &[]);
const LIMITED: Row = (
    "429",
    "RateLimited",
    "Too many tries from this address or for this account.",
    &["Retry-After", "RateLimit", "RateLimit-Policy"],
);
const UNAVAILABLE: Row = (
    "503",
    "Unavailable",
    "Not possible right now. Ask again; what may have been done already is not done twice.",
    &["Retry-After"],
);

const ALL: [Row; 10] = [
    MALFORMED,
    UNAUTHENTICATED,
    WRONG,
    FORBIDDEN,
    CROSS_SITE,
    TOO_LARGE,
    UNSUPPORTED,
    INVALID,
    LIMITED,
    UNAVAILABLE,
];

/// Adds to each operation what it can be refused for; what a handler says about a status itself stays.
pub struct Refusals;

impl Modify for Refusals {
    fn modify(&self, document: &mut OpenApi) {
        let components = document.components.get_or_insert_default();
        for row in ALL {
            components.responses.insert(row.1.to_owned(), RefOr::T(response(row)));
        }
        for item in document.paths.paths.values_mut() {
            for (method, operation) in operations::of(item) {
                for (status, name, ..) in of(method, operation) {
                    let response = RefOr::Ref(Ref::from_response_name(name));
                    operation.responses.responses.entry(status.to_owned()).or_insert(response);
                }
            }
        }
    }
}

fn of(method: &str, operation: &Operation) -> Vec<Row> {
    let changes = method != "get";
    let protected = needs_credentials(operation);
    let body = operation.request_body.is_some();
    let mut rows = Vec::new();
    let mut add = |when: bool, row: &[Row]| rows.extend(row.iter().filter(|_| when));
    add(body || protected || has_values(operation), &[MALFORMED]);
    add(protected, &[UNAUTHENTICATED, FORBIDDEN]);
    add(proves(operation), &[WRONG]);
    add(changes && !protected, &[CROSS_SITE]);
    add(body, &[TOO_LARGE, UNSUPPORTED, INVALID]);
    add(changes, &[LIMITED]);
    add(changes || protected, &[UNAVAILABLE]);
    rows
}

/// Whether anonymous calls are turned away. An empty requirement among others means that they are not.
pub fn needs_credentials(operation: &Operation) -> bool {
    let empty = serde_json::json!({});
    operation.security.as_ref().is_some_and(|all| {
        !all.is_empty() && !all.iter().any(|one| serde_json::to_value(one).is_ok_and(|v| v == empty))
    })
}

/// Whether the body itself is the proof: a password, a code, a refresh token.
fn proves(operation: &Operation) -> bool {
    let signs_in = operation.tags.iter().flatten().any(|tag| tag == "sign-in");
    signs_in && operation.security.is_none() && operation.request_body.is_some()
}

fn has_values(operation: &Operation) -> bool {
    let values = [ParameterIn::Path, ParameterIn::Query];
    let parameters = operation.parameters.iter().flatten();
    parameters.into_iter().any(|p| matches!(p, RefOr::T(p) if values.contains(&p.parameter_in)))
}

fn response((_, _, description, headers): Row) -> Response {
    let schema = RefOr::Ref(Ref::from_schema_name("ProblemBody"));
    let content = ContentBuilder::new().schema(Some(schema)).build();
    let response =
        ResponseBuilder::new().description(description).content("application/problem+json", content);
    headers.iter().fold(response, |response, name| response.header(*name, header(name))).build()
}

fn header(name: &str) -> Header {
    let (kind, description) = match name {
        "Retry-After" => (Type::Integer, "Seconds after which another try makes sense."),
        "RateLimit" => (Type::String, "What is left: `\"policy\";r=tries;t=seconds`."),
        "RateLimit-Policy" => (Type::String, "What is allowed: `\"policy\";q=tries;w=seconds`."),
        _ => (Type::String, "How to sign in (RFC 6750)."),
    };
    let schema = ObjectBuilder::new().schema_type(kind).build();
    HeaderBuilder::new().schema(Some(schema)).description(Some(description)).build()
}
