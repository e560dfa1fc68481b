//! What follows from an operation's place: its id, and how a body that may be missing is written down.

use utoipa::Modify;
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::{OpenApi, Ref, RefOr, Required, Schema};

/// The methods of a path that somebody described.
pub fn of(item: &mut PathItem) -> impl Iterator<Item = (&'static str, &mut Operation)> {
    let all = [
        ("get", &mut item.get),
        ("post", &mut item.post),
        ("put", &mut item.put),
        ("patch", &mut item.patch),
        ("delete", &mut item.delete),
    ];
    all.into_iter().filter_map(|(method, operation)| Some((method, operation.as_mut()?)))
}

/// Gives each operation an id of its method and path, such as `post_token_refresh`. The names of the handlers would
/// do that too, but they repeat.
pub struct Named;

impl Modify for Named {
    fn modify(&self, document: &mut OpenApi) {
        for (path, item) in &mut document.paths.paths {
            for (method, operation) in of(item) {
                operation.operation_id = Some(id(method, path));
            }
        }
    }
}

fn id(method: &str, path: &str) -> String {
    let words = path.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    words.fold(method.to_owned(), |id, word| format!("{id}_{word}"))
}

/// Gives each operation a title. The documentation of many handlers begins with method and path, for those who read the
/// code; the document has these anyway, so there the success is the title. What functions say about `# Errors` is not
/// for clients either.
pub struct Titled;

impl Modify for Titled {
    fn modify(&self, document: &mut OpenApi) {
        for item in document.paths.paths.values_mut() {
            for (_, operation) in of(item) {
                operation.description = operation.description.take().and_then(|text| about(&text));
                if operation.summary.as_deref().is_none_or(|title| title.starts_with('`')) {
                    operation.summary = success(operation);
                }
            }
        }
    }
}

fn about(text: &str) -> Option<String> {
    let text = text.split("# Errors").next().unwrap_or_default().trim();
    (!text.is_empty()).then(|| text.to_owned())
}

fn success(operation: &Operation) -> Option<String> {
    let (_, response) = operation.responses.responses.iter().find(|(status, _)| status.starts_with('2'))?;
    match response {
        RefOr::T(response) => Some(response.description.trim_end_matches('.').to_owned()),
        RefOr::Ref(_) => None,
    }
}

/// A handler that takes `Option<Json<T>>` says `request_body = Option<T>`: no body, which is not the same as the `null`
/// that the macro makes of it.
pub struct OptionalBodies;

impl Modify for OptionalBodies {
    fn modify(&self, document: &mut OpenApi) {
        for item in document.paths.paths.values_mut() {
            for (_, operation) in of(item) {
                let Some(RefOr::T(body)) = &mut operation.request_body else { continue };
                for content in body.content.values_mut() {
                    let RefOr::T(content) = content else { continue };
                    if let Some(target) = content.schema.as_ref().and_then(without_null) {
                        content.schema = Some(RefOr::Ref(target));
                        body.required = Some(Required::False);
                    }
                }
            }
        }
    }
}

fn without_null(schema: &RefOr<Schema>) -> Option<Ref> {
    let RefOr::T(Schema::OneOf(either)) = schema else { return None };
    either.items.iter().find_map(|item| match item {
        RefOr::Ref(target) => Some(target.clone()),
        RefOr::T(_) => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_words() {
        assert_eq!(id("post", "/verify-email/{uid}/{token}/"), "post_verify_email_uid_token");
        assert_eq!(id("get", "/.well-known/jwks.json"), "get_well_known_jwks_json");
    }

    #[test]
    fn errors_of_functions_are_not_for_clients() {
        assert_eq!(about("More.\n\n# Errors\nThe problem.").as_deref(), Some("More."));
        assert_eq!(about("# Errors\nThe problem."), None);
    }
}
