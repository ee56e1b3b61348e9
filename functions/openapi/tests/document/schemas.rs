//! Names and forms of the schemas.

use serde_json::{Map, Value, json};

/// Schemas of which exactly one field must be set.
const EITHER_OR: [&str; 2] = ["Recipient", "SenderInbox"];

/// The schemas with the text of a broadcast, and whether it must be set.
const WITH_TEXT_OR_TEMPLATE: [(&str, bool); 2] = [("NewBroadcast", true), ("BroadcastChange", false)];

/// A kind of a new object, which becomes a schema of its own.
struct Kind {
    name: &'static str,
    value: &'static str,
    /// The description of the field `kind`.
    field: &'static str,
    description: &'static str,
    required: &'static [&'static str],
    /// The field that only the other kind has.
    refused: Option<&'static str>,
}

const INBOX_KINDS: [Kind; 2] = [
    Kind {
        name: "NewSharedInbox",
        value: "shared",
        field: "Kind of the inbox.",
        description: "A shared inbox to create.",
        required: &["name", "color", "phoneNumber"],
        refused: Some("ownerId"),
    },
    Kind {
        name: "NewPersonalInbox",
        value: "personal",
        field: "Kind of the inbox.",
        description: "A personal inbox to create.",
        required: &["kind", "ownerId", "phoneNumber"],
        refused: Some("memberIds"),
    },
];

const SEGMENT_KINDS: [Kind; 2] = [
    Kind {
        name: "NewFilterSegment",
        value: "filter",
        field: "Kind of the segment.",
        description: "A segment with a filter to create.",
        required: &["name", "kind", "filter"],
        refused: None,
    },
    Kind {
        name: "NewStaticSegment",
        value: "static",
        field: "Kind of the segment.",
        description: "A static segment to create.",
        required: &["name", "kind"],
        refused: Some("filter"),
    },
];

/// Gives the schemas their public names, and forms that all generators understand.
pub(crate) fn adjust(document: Value) -> Value {
    let mut document = renamed(document);
    for_each_schema(&mut document, &mut fix_tuple);
    for_each_schema(&mut document, &mut fix_bytes);
    let schemas = document["components"]["schemas"].as_object_mut().unwrap();
    for name in EITHER_OR {
        split(&mut schemas[name]);
    }
    for (name, is_required) in WITH_TEXT_OR_TEMPLATE {
        split_by_text(&mut schemas[name], is_required);
    }
    split_by_kind(schemas, "NewInbox", "An inbox to create: a shared or a personal one.", INBOX_KINDS);
    let description = "A segment to create: one with a filter or a static one.";
    split_by_kind(schemas, "NewSegment", description, SEGMENT_KINDS);
    refer_to_items(schemas);
    document
}

/// `Page_ContactView` becomes `ContactPage`, and `ContactView` becomes `Contact`.
fn renamed(document: Value) -> Value {
    let names: Vec<String> = document["components"]["schemas"].as_object().unwrap().keys().cloned().collect();
    let mut text = document.to_string();
    for name in &names {
        let short = name.trim_start_matches("Page_").trim_end_matches("View");
        let new = if name.starts_with("Page_") { format!("{short}Page") } else { short.to_owned() };
        if new == *name {
            continue;
        }
        assert!(!names.contains(&new), "{name} cannot be called {new}: this is another schema");
        text = text.replace(&format!("\"{name}\":"), &format!("\"{new}\":"));
        text = text.replace(&format!("/schemas/{name}\""), &format!("/schemas/{new}\""));
    }
    serde_json::from_str(&text).unwrap()
}

fn for_each_schema(value: &mut Value, visit: &mut impl FnMut(&mut Value)) {
    match value {
        Value::Object(fields) => fields.values_mut().for_each(|field| for_each_schema(field, visit)),
        Value::Array(items) => items.iter_mut().for_each(|item| for_each_schema(item, visit)),
        _ => return,
    }
    visit(value);
}

/// A tuple of equal types becomes an array with a fixed length: generators do not read `prefixItems`.
fn fix_tuple(schema: &mut Value) {
    if let Some(items) = schema["prefixItems"].as_array().cloned() {
        assert!(items.iter().all(|item| *item == items[0]), "a tuple of different types");
        *schema =
            json!({ "type": "array", "items": items[0], "minItems": items.len(), "maxItems": items.len() });
    } else if schema.is_object() {
        schema.as_object_mut().unwrap().remove("prefixItems"); // indexing has added it
    }
}

/// Bytes are a file, not an array of numbers.
fn fix_bytes(content: &mut Value) {
    if let Some(bytes) = content.get_mut("application/octet-stream") {
        bytes["schema"] = json!({ "type": "string", "format": "binary" });
    }
}

/// An object whose fields exclude each other becomes one object for each field.
fn split(schema: &mut Value) {
    let fields: Map<String, Value> = schema["properties"].as_object().unwrap().clone();
    let objects = fields.into_iter().map(|(name, mut field)| {
        field["type"] = "string".into();
        json!({ "type": "object", "required": [name], "properties": { name: field } })
    });
    *schema = json!({ "description": schema["description"], "oneOf": objects.collect::<Vec<_>>() });
}

/// A text is written or copied from a template. The field of the other choice can only be `null`, so that an
/// object with both, or a change with neither, matches one choice at most.
fn split_by_text(schema: &mut Value, is_required: bool) {
    let whole = schema.clone();
    let choice = |title: &str, own: &str, other: &str, is_required: bool| {
        let mut choice = whole.clone();
        choice["title"] = title.into();
        choice.as_object_mut().unwrap().remove("description");
        if is_required {
            choice["properties"][own]["type"] = without_null(&whole["properties"][own]["type"]);
            let mut required = whole["required"].as_array().cloned().unwrap_or_default();
            required.push(own.into());
            choice["required"] = required.into();
        }
        choice["properties"][other] =
            json!({ "type": "null", "description": format!("Not together with `{own}`.") });
        choice
    };
    *schema = json!({ "description": whole["description"], "oneOf": [
        choice("With a text", "text", "templateId", is_required),
        choice("With a template", "templateId", "text", true),
    ] });
}

/// Either kind of a new object has fields that the other one does not have.
fn split_by_kind(schemas: &mut Map<String, Value>, name: &str, description: &str, kinds: [Kind; 2]) {
    let new = schemas[name].clone();
    let choices = kinds.map(|kind| {
        let mut schema = new.clone();
        schema["description"] = kind.description.into();
        schema["required"] = json!(kind.required);
        let properties = schema["properties"].as_object_mut().unwrap();
        properties.retain(|field, _| Some(field.as_str()) != kind.refused);
        properties["kind"] = json!({ "type": "string", "const": kind.value, "description": kind.field });
        for field in kind.required {
            let set = without_null(&properties[*field]["type"]);
            properties[*field]["type"] = set;
        }
        schemas.insert(kind.name.into(), schema);
        json!({ "$ref": format!("#/components/schemas/{}", kind.name) })
    });
    schemas[name] = json!({ "description": description, "oneOf": choices });
}

/// The type of a field that must be set.
fn without_null(kind: &Value) -> Value {
    let mut kinds = kind.as_array().into_iter().flatten();
    kinds.find(|kind| **kind != "null").unwrap_or(kind).clone()
}

/// The items of a page refer to the schema of the item instead of repeating it.
fn refer_to_items(schemas: &mut Map<String, Value>) {
    let names: Vec<String> = schemas.keys().cloned().collect();
    for name in names {
        let Some(item) = name.strip_suffix("Page") else { continue };
        let inline = std::mem::replace(
            &mut schemas[&name]["properties"]["items"]["items"],
            json!({ "$ref": format!("#/components/schemas/{item}") }),
        );
        if inline.get("$ref").is_none() {
            schemas.entry(item).or_insert(inline);
        }
    }
}
