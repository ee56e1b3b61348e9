//! What the document promises to generators of clients and to readers.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::{document, errors};

/// Codes of the console, whose routes are no part of the API.
const CONSOLE_ONLY: [&str; 9] = [
    "json_required",
    "other_identity_provider",
    "password_reset_required",
    "sign_in_expired",
    "sign_in_refused",
    "sign_in_required",
    "too_many_attempts",
    "weak_password",
    "wrong_code",
];

/// Calls `visit` for each operation, with its method and path.
fn for_each_operation(document: &Value, mut visit: impl FnMut(&str, &Value)) {
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            visit(&format!("{} {path}", method.to_uppercase()), operation);
        }
    }
}

/// Calls `visit` for each schema and each value in it, with the path to it.
fn for_each_value(path: &str, value: &Value, visit: &mut impl FnMut(&str, &Value)) {
    visit(path, value);
    match value {
        Value::Object(fields) => {
            fields.iter().for_each(|(name, field)| for_each_value(&format!("{path}/{name}"), field, visit));
        }
        Value::Array(items) => items.iter().for_each(|item| for_each_value(path, item, visit)),
        _ => {}
    }
}

fn resolved<'a>(document: &'a Value, value: &'a Value) -> &'a Value {
    value["$ref"].as_str().map_or(value, |reference| document.pointer(&reference[1..]).unwrap())
}

#[test]
fn operation_ids_are_unique() {
    let (mut ids, mut count) = (BTreeSet::new(), 0);
    for_each_operation(&document(), |route, operation| {
        let id = operation["operationId"].as_str().unwrap_or_else(|| panic!("{route} has an ID"));
        assert!(id.starts_with(char::is_lowercase) && id.chars().all(char::is_alphanumeric), "{id}");
        ids.insert(id.to_owned());
        count += 1;
    });
    assert_eq!(ids.len(), count);
    assert!(ids.contains("listConversations") && ids.contains("acquireLock"), "these names are fixed");
}

#[test]
fn operations_parameters_and_responses_are_described() {
    let document = document();
    for_each_operation(&document, |route, operation| {
        for text in ["summary", "description"] {
            assert!(!operation[text].as_str().unwrap_or_default().is_empty(), "{route}: {text}");
        }
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            assert!(parameter["description"].is_string(), "{route}: {}", parameter["name"]);
        }
        for (status, response) in operation["responses"].as_object().unwrap() {
            let description = resolved(&document, response)["description"].as_str().unwrap_or_default();
            assert!(!description.is_empty(), "{route}: {status}");
        }
    });
}

#[test]
fn references_resolve() {
    let document = document();
    for_each_value("", &document, &mut |path, value| {
        if let Some(reference) = value["$ref"].as_str() {
            assert!(document.pointer(&reference[1..]).is_some(), "{path}: {reference}");
        }
    });
}

#[test]
fn path_parameters_are_those_of_the_path() {
    for_each_operation(&document(), |route, operation| {
        let in_path: BTreeSet<_> =
            route.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}')).collect();
        let parameters = operation["parameters"].as_array().into_iter().flatten();
        let declared = parameters.filter(|parameter| parameter["in"] == "path");
        let declared: BTreeSet<_> = declared.map(|parameter| parameter["name"].as_str().unwrap()).collect();
        assert_eq!(in_path, declared, "{route}");
    });
}

#[test]
fn operations_that_need_a_token_describe_the_errors_of_every_request() {
    for_each_operation(&document(), |route, operation| {
        if route.contains(" /v1/") && operation["security"] != serde_json::json!([{}]) {
            for status in ["401", "403", "429", "500", "503"] {
                assert!(operation["responses"][status].is_object(), "{route}: {status}");
            }
        }
    });
}

#[test]
fn every_error_code_belongs_to_an_operation() {
    let document = document();
    for code in errors::codes() {
        let is_used = document["components"]["schemas"].get(code.schema()).is_some();
        assert_eq!(is_used, !CONSOLE_ONLY.contains(&code.name.as_str()), "{} in x-errors", code.name);
    }
}

#[test]
fn errors_are_problem_documents_that_their_code_tells_apart() {
    let document = document();
    for_each_operation(&document, |route, operation| {
        for (status, response) in operation["responses"].as_object().unwrap() {
            let content = &resolved(&document, response)["content"];
            let Some(problem) = content.get("application/problem+json") else { continue };
            let schema = &problem["schema"];
            let all = schema["oneOf"].as_array().cloned().unwrap_or_else(|| vec![schema.clone()]);
            for one in &all {
                let one = resolved(&document, one);
                let expected: u16 = status.parse().unwrap();
                assert_eq!(one["properties"]["status"]["const"], expected, "{route}: {status}");
                assert!(one["properties"]["code"]["const"].is_string(), "{route}: {status}");
            }
            assert!(all.len() == 1 || schema["discriminator"]["propertyName"] == "code", "{route}: {status}");
        }
    });
}

#[test]
fn json_bodies_have_examples_that_match_their_schemas() {
    let document = document();
    let validator = |schema: &Value| {
        let schema = serde_json::json!({ "components": document["components"], "allOf": [schema] });
        jsonschema::options().should_validate_formats(true).build(&schema).unwrap()
    };
    for_each_operation(&document, |route, operation| {
        let responses = operation["responses"].as_object().unwrap().iter();
        let responses = responses.filter(|(status, _)| status.starts_with('2')).map(|(_, response)| response);
        for body in responses.chain([&operation["requestBody"]]) {
            let content = &body["content"]["application/json"];
            if route.contains(" /webhooks/") || content["schema"].get("$ref").is_none() {
                continue;
            }
            let example = content.get("example").unwrap_or_else(|| panic!("{route} has an example"));
            let errors: Vec<_> =
                validator(&content["schema"]).iter_errors(example).map(|error| error.to_string()).collect();
            assert_eq!(errors, Vec::<String>::new(), "{route}: {example}");
        }
    });
    for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
        for example in schema["examples"].as_array().into_iter().flatten() {
            assert!(validator(schema).is_valid(example), "{name}: {example}");
        }
    }
}

#[test]
fn schemas_have_forms_that_generators_understand() {
    for_each_value("", &document(), &mut |path, value| {
        assert!(value.get("prefixItems").is_none() && value["items"] != false, "{path}: a tuple");
        let binary = value["items"]["format"] == "int32" && value["items"]["minimum"] == 0;
        assert!(!binary || path.ends_with("codes"), "{path}: bytes as an array of numbers");
    });
    let document = document();
    let schemas = document["components"]["schemas"].as_object().unwrap();
    for (name, schema) in schemas {
        let generated = name.contains('_') || name.ends_with("View");
        assert!(!generated, "{name} has a name of Rust");
        for (field, value) in schema["properties"].as_object().into_iter().flatten() {
            let description = value["description"].as_str().unwrap_or_default();
            let choices = description.matches('`').count() >= 6 && !description.contains("{{");
            let typed = value["type"] != "string" || value.get("enum").is_some();
            assert!(!choices || typed, "{name}.{field} lists its values in words only");
        }
    }
}
