//! Names and forms of the schemas.

use serde_json::{Map, Value, json};

/// Schemas of which exactly one field must be set.
const EITHER_OR: [&str; 2] = ["Recipient", "SenderInbox"];

/// Gives the schemas their public names, and forms that all generators understand.
pub(crate) fn adjust(document: Value) -> Value {
    let mut document = renamed(document);
    for_each_schema(&mut document, &mut fix_tuple);
    for_each_schema(&mut document, &mut fix_bytes);
    let schemas = document["components"]["schemas"].as_object_mut().unwrap();
    for name in EITHER_OR {
        split(&mut schemas[name]);
    }
    split_by_kind(schemas);
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

/// A new inbox is shared or personal, and either kind has fields that the other one does not have.
fn split_by_kind(schemas: &mut Map<String, Value>) {
    let new = schemas["NewInbox"].clone();
    for (name, kind, required, refused) in [
        ("NewSharedInbox", "shared", ["name", "color", "phoneNumber"], "ownerId"),
        ("NewPersonalInbox", "personal", ["kind", "ownerId", "phoneNumber"], "memberIds"),
    ] {
        let mut schema = new.clone();
        schema["description"] = format!("A {kind} inbox to create.").into();
        schema["required"] = json!(required);
        let properties = schema["properties"].as_object_mut().unwrap();
        properties.remove(refused);
        properties["kind"] = json!({ "type": "string", "const": kind, "description": "Kind of the inbox." });
        for field in required {
            properties[field]["type"] = "string".into();
        }
        schemas.insert(name.into(), schema);
    }
    let refers = |name: &str| json!({ "$ref": format!("#/components/schemas/{name}") });
    schemas["NewInbox"] = json!({ "description": "An inbox to create: a shared or a personal one.",
        "oneOf": [refers("NewSharedInbox"), refers("NewPersonalInbox")] });
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
