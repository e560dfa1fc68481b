//! What values look like, by the name they have everywhere: an address, a name, a password, a code, an identifier. Many
//! bodies have them and all mean the same; whoever goes by the description then sends what a person would send.

use serde_json::json;
use utoipa::Modify;
use utoipa::openapi::path::ParameterIn;
use utoipa::openapi::schema::{KnownFormat, Object, SchemaFormat};
use utoipa::openapi::{OpenApi, RefOr, Schema};

use super::operations;

/// Good enough for the default policy.
const PASSWORD: &str = "Green-Lamp-7-Exit!";

/// Adds formats, lengths and examples to what operations take.
pub struct Forms;

impl Modify for Forms {
    fn modify(&self, document: &mut OpenApi) {
        let taken = taken_bodies(document);
        let schemas = document.components.iter_mut().flat_map(|c| c.schemas.iter_mut());
        for (_, schema) in schemas.filter(|(name, _)| taken.contains(name)) {
            if let RefOr::T(Schema::Object(object)) = schema {
                let names: Vec<String> = object.properties.keys().cloned().collect();
                for name in names {
                    let must = object.required.contains(&name);
                    property(object, &name, must);
                }
            }
        }
        for item in document.paths.paths.values_mut() {
            for (_, operation) in operations::of(item) {
                for parameter in operation.parameters.iter_mut().flatten() {
                    if let RefOr::T(p) = parameter
                        && p.parameter_in == ParameterIn::Path
                        && matches!(p.name.as_str(), "id" | "uid")
                        && let Some(RefOr::T(Schema::Object(object))) = &mut p.schema
                    {
                        object.format = Some(SchemaFormat::Custom("uuid".to_owned()));
                    }
                }
            }
        }
    }
}

/// The names of the types that bodies are made of.
fn taken_bodies(document: &mut OpenApi) -> Vec<String> {
    let mut names = Vec::new();
    for item in document.paths.paths.values_mut() {
        for (_, operation) in operations::of(item) {
            let Some(RefOr::T(body)) = &operation.request_body else { continue };
            names.extend(body.content.values().filter_map(|content| match content {
                RefOr::T(content) => match &content.schema {
                    Some(RefOr::Ref(target)) => target.ref_location.rsplit('/').next().map(str::to_owned),
                    _ => None,
                },
                RefOr::Ref(_) => None,
            }));
        }
    }
    names
}

/// An empty text in a field that may be missing is the same as none, so only fields that must be there get a length.
fn property(object: &mut Object, name: &str, must: bool) {
    let Some(RefOr::T(Schema::Object(value))) = object.properties.get_mut(name) else { return };
    let (least, most, example) = match name {
        "email" => (3, Some(254), json!("mia@example.org")),
        "name" => (1, Some(100), json!("Mia")),
        // How long it may be, the operator decides.
        "password" | "password_confirm" | "new_password" | "new_password_confirm" | "current_password" => {
            (1, None, json!(PASSWORD))
        }
        "code" => (1, None, json!("123456")),
        _ => return,
    };
    if name == "email" && must {
        value.format = Some(SchemaFormat::KnownFormat(KnownFormat::Email));
    }
    if must {
        value.min_length = value.min_length.or(Some(least));
        value.max_length = value.max_length.or(most);
    }
    if value.examples.is_empty() && value.example.is_none() {
        value.example = Some(example);
    }
}
