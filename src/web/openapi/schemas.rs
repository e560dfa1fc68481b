//! Forms of values that more than one operation takes, and what the macros say too much about them.

use serde::{Serialize, Serializer};
use utoipa::Modify;
use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, SchemaFormat, Type};
use utoipa::openapi::{OpenApi, RefOr, Schema};

use crate::web::extract::Hidden;

impl utoipa::PartialSchema for Hidden {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::Password)))
            .description(Some("A password, code or token: never repeated in an answer, never logged."))
            .build()
            .into()
    }
}

impl utoipa::ToSchema for Hidden {
    fn name() -> std::borrow::Cow<'static, str> {
        "Secret".into()
    }
}

/// What the macros write down as its default: nothing. It never shows itself here either.
impl Serialize for Hidden {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str("")
    }
}

/// Bodies are read with `serde(default)`, so that the use cases name what is missing; an empty text is no default that
/// a client should know.
pub struct NoEmptyDefaults;

impl Modify for NoEmptyDefaults {
    fn modify(&self, document: &mut OpenApi) {
        let schemas = document.components.iter_mut().flat_map(|c| c.schemas.values_mut());
        for schema in schemas {
            let RefOr::T(Schema::Object(object)) = schema else { continue };
            for property in object.properties.values_mut() {
                forget_empty(property);
            }
        }
    }
}

fn forget_empty(property: &mut RefOr<Schema>) {
    let default = match property {
        RefOr::T(Schema::Object(object)) => &mut object.default,
        RefOr::T(Schema::Array(array)) => &mut array.default,
        RefOr::T(Schema::OneOf(either)) => &mut either.default,
        RefOr::T(Schema::AllOf(all)) => &mut all.default,
        RefOr::Ref(target) => &mut target.default,
        RefOr::T(_) => return,
    };
    default.take_if(|value| value.is_null() || *value == "");
}
