//! The description against the router that it describes.

use std::collections::BTreeSet;

use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request, StatusCode};
use serde_json::Value;
use tower::ServiceExt as _;

use crate::web::routes;
use crate::web::test_support::{anonymous, state};

/// Files; they answer 404 in JSON, so nothing tells them from the API.
const FILES: [&str; 2] = [routes::STATIC, routes::DOCS_FILE];

fn described() -> Value {
    let state = state();
    serde_json::to_value(super::document(&state.settings, &state.cookies)).unwrap()
}

/// Path, method and text of every described operation.
fn operations(document: &Value) -> Vec<(String, String, Value)> {
    let paths = document["paths"].as_object().unwrap();
    let of_path = |(path, item): (&String, &Value)| {
        let path = path.clone();
        let item = item.as_object().unwrap().clone();
        item.into_iter().map(move |(method, operation)| (path.clone(), method, operation))
    };
    paths.iter().flat_map(of_path).collect()
}

async fn ask(request: Request<Body>) -> (StatusCode, HeaderMap, Value) {
    let response = crate::web::router(state()).oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let bytes = to_bytes(body, 1 << 22).await.unwrap();
    (parts.status, parts.headers, serde_json::from_slice(&bytes).unwrap_or_default())
}

/// A real target for a path of ours.
fn target(path: &str) -> String {
    let filled = path.split('/').map(|part| if part.starts_with('{') { "x" } else { part });
    format!("/auth{}", filled.collect::<Vec<_>>().join("/"))
}

async fn methods(path: &str) -> Vec<String> {
    let (status, headers, _) = ask(anonymous("OPTIONS", &target(path), &[], "")).await;
    assert_eq!(status, 405, "{path}");
    let allow = headers["allow"].to_str().unwrap().to_ascii_lowercase();
    allow.split(',').map(|m| m.trim().to_owned()).filter(|m| m != "head").collect()
}

/// A page answers in HTML or leads elsewhere; what takes forms only belongs to one.
async fn is_page(path: &str, method: &str) -> bool {
    let json = [("accept", "application/json"), ("content-type", "application/json")];
    let (status, headers, _) = ask(anonymous(&method.to_uppercase(), &target(path), &json, "{}")).await;
    let html = headers.get("content-type").is_some_and(|t| t.to_str().unwrap().starts_with("text/html"));
    html || status.is_redirection() || status == 415
}

#[tokio::test]
async fn every_operation_is_described_and_every_described_operation_exists() {
    let said: BTreeSet<_> = operations(&described()).into_iter().map(|(p, m, _)| (p, m)).collect();
    let mut found = BTreeSet::new();
    for path in routes::ALL.iter().filter(|path| !FILES.contains(path)) {
        for method in methods(path).await {
            if !is_page(path, &method).await {
                found.insert(((*path).to_owned(), method));
            }
        }
    }
    assert!(found.len() > 8, "{found:?}");
    let missing: Vec<_> = found.difference(&said).collect();
    let invented: Vec<_> = said.difference(&found).collect();
    assert!(missing.is_empty() && invented.is_empty(), "not described: {missing:?}; not there: {invented:?}");
}

#[tokio::test]
async fn credentials_are_asked_for_where_the_description_says_so() {
    for (path, method, operation) in operations(&described()) {
        let json = [("content-type", "application/json")];
        let (status, _, body) = ask(anonymous(&method.to_uppercase(), &target(&path), &json, "{}")).await;
        let turned_away = status == 401 && body["type"] == "urn:stagedoor:problem:unauthenticated";
        let security = operation["security"].as_array().cloned().unwrap_or_default();
        let named = |name: &str| security.iter().any(|s| s.get(name).is_some());
        let optional = security.iter().any(|s| s.as_object().unwrap().is_empty());
        assert_eq!(turned_away, !security.is_empty() && !optional, "{method} {path}: {status} {body}");
        assert!(security.is_empty() || (named("bearer") && named("cookie")), "{method} {path}: {security:?}");
    }
}

#[test]
fn every_operation_says_what_a_client_needs() {
    let document = described();
    let tags: Vec<_> = document["tags"].as_array().unwrap().iter().map(|t| &t["name"]).collect();
    let mut ids = BTreeSet::new();
    for (path, method, operation) in operations(&document) {
        let at = format!("{method} {path}");
        let summary = operation["summary"].as_str().unwrap_or_default();
        assert!(
            summary.len() > 5 && !summary.contains('`'),
            "{at}: its first line of documentation is no title"
        );
        assert!(ids.insert(operation["operationId"].as_str().unwrap().to_owned()), "{at}: id");
        let of_operation = operation["tags"].as_array().unwrap();
        assert!(of_operation.len() == 1 && tags.contains(&&of_operation[0]), "{at}: {of_operation:?}");
        let named = path.split('/').filter(|part| part.starts_with('{')).count();
        let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
        assert_eq!(
            parameters.iter().filter(|p| p["in"] == "path").count(),
            named,
            "{at}: parameters of the path"
        );
        for parameter in &parameters {
            assert!(parameter["description"].as_str().is_some_and(|d| !d.is_empty()), "{at}: {parameter}");
        }
        answers(&document, &operation, &at);
    }
}

/// One success at least; a body with a form wherever there is one; refusals in one form.
fn answers(document: &Value, operation: &Value, at: &str) {
    let mut successes = 0;
    for (status, response) in operation["responses"].as_object().unwrap() {
        let response = match response["$ref"].as_str() {
            Some(reference) => {
                document.pointer(&reference[1..]).unwrap_or_else(|| panic!("{at}: {reference}"))
            }
            None => response,
        };
        assert!(response["description"].as_str().is_some_and(|d| !d.is_empty()), "{at} {status}");
        let problem = &response["content"]["application/problem+json"]["schema"]["$ref"];
        match status.as_str() {
            "204" => successes += u32::from(response.get("content").is_none()),
            s if s.starts_with('2') => {
                let content =
                    response["content"].as_object().unwrap_or_else(|| panic!("{at} {status}: no body"));
                assert!(content.values().all(|c| c.get("schema").is_some()), "{at} {status}: no form");
                successes += 1;
            }
            _ => assert_eq!(problem, "#/components/schemas/ProblemBody", "{at} {status}"),
        }
    }
    assert!(successes > 0, "{at}: no success");
}

#[test]
fn every_field_is_explained_and_bodies_are_closed() {
    let document = described();
    for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
        for (field, property) in schema["properties"].as_object().into_iter().flatten() {
            let inner = property["oneOf"].as_array().into_iter().flatten();
            let explained = std::iter::once(property).chain(inner).any(|p| p.get("description").is_some());
            assert!(explained, "{name}.{field} has no documentation");
            assert!(property["default"] != "", "{name}.{field}");
        }
    }
    for (path, method, operation) in operations(&document) {
        let body = &operation["requestBody"]["content"]["application/json"]["schema"]["$ref"];
        if let Some(reference) = body.as_str() {
            let schema = document.pointer(&reference[1..]).unwrap();
            assert_eq!(schema["additionalProperties"], false, "{method} {path}: unknown fields are refused");
        } else {
            assert!(operation.get("requestBody").is_none(), "{method} {path}: name the form of the body");
        }
    }
}

#[test]
fn the_description_is_that_of_this_deployment() {
    let document = described();
    assert_eq!(document["openapi"], "3.1.0");
    assert_eq!(document["servers"][0]["url"], "/auth");
    assert_eq!(document["components"]["securitySchemes"]["cookie"]["name"], "__Host-stagedoor_access");
    assert_eq!(document["components"]["securitySchemes"]["bearer"]["scheme"], "bearer");
}

#[test]
fn bodies_say_what_their_values_look_like() {
    let document = described();
    let schemas = &document["components"]["schemas"];
    let change = &schemas["PasswordChange"]["properties"]["new_password"];
    assert_eq!((&change["minLength"], &change["example"]), (&1.into(), &"Green-Lamp-7-Exit!".into()));
    let email = &schemas["ResetRequest"]["properties"]["email"];
    assert_eq!((&email["format"], &email["maxLength"]), (&"email".into(), &254.into()));
    // An empty text is as good as none where the field may be missing.
    assert!(schemas["ResetConfirm"]["properties"]["code"]["minLength"].is_null());
    let id = &document["paths"]["/admin/users/{id}/"]["get"]["parameters"][0];
    assert_eq!(id["schema"]["format"], "uuid", "{id}");
    // What is only answered stays as it was.
    assert!(schemas["ProfileBody"]["properties"]["email"]["minLength"].is_null());
}
