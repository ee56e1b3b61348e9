//! Parameters that have the same meaning everywhere.

use serde_json::{Value, json};

/// Describes the IDs, and the parameters of pages and of idempotency.
pub(crate) fn describe(document: &mut Value) {
    for item in document["paths"].as_object_mut().unwrap().values_mut() {
        for operation in item.as_object_mut().unwrap().values_mut() {
            for parameter in operation["parameters"].as_array_mut().into_iter().flatten() {
                describe_one(parameter);
            }
            if operation["parameters"].is_null() {
                operation.as_object_mut().unwrap().remove("parameters");
            }
        }
    }
}

fn describe_one(parameter: &mut Value) {
    let name = parameter["name"].as_str().unwrap().to_owned();
    let (description, schema) = match name.as_str() {
        "limit" => (
            "Maximum number of items".to_owned(),
            json!({ "type": "integer", "minimum": 1, "maximum": 100, "default": 25 }),
        ),
        "cursor" => ("`nextCursor` of the previous page".to_owned(), json!({ "type": "string" })),
        "Idempotency-Key" => (
            "Makes it safe to repeat the request: for 24 hours, the same key and body return the first response. \
             1 to 255 printable ASCII characters"
                .to_owned(),
            json!({ "type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[ -~]+$" }),
        ),
        id if parameter["in"] == "path" => {
            let noun = id.strip_suffix("Id").expect("paths have only IDs");
            (format!("ID of the {noun}"), json!({ "type": "string" }))
        }
        _ => return,
    };
    parameter["description"] = description.into();
    parameter["schema"] = schema;
}
