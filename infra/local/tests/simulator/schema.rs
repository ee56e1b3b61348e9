//! Twilio's OpenAPI description, made strict: every property is there, and no other.

use jsonschema::Validator;
use serde_json::{Map, Value, json};

use crate::stage::json_fixture;

/// Checks one message.
pub(crate) fn assert_message(message: &Value) {
    assert_valid(&json!({ "$ref": "#/components/schemas/api.v2010.account.message" }), message);
}

/// Checks a page of the list.
pub(crate) fn assert_list(list: &Value) {
    let description = json_fixture("openapi/twilio_api_v2010.json");
    let path = "/paths/~12010-04-01~1Accounts~1{AccountSid}~1Messages.json/get/responses/200/content/application~1json";
    let schema = description.pointer(path).expect("the list is described")["schema"].clone();
    assert_valid(&strict(schema), list);
}

fn assert_valid(schema: &Value, value: &Value) {
    let validator = validator(schema);
    let faults: Vec<String> =
        validator.iter_errors(value).map(|fault| format!("{}: {fault}", fault.instance_path)).collect();
    assert!(faults.is_empty(), "{faults:#?}");
}

fn validator(schema: &Value) -> Validator {
    let description = json_fixture("openapi/twilio_api_v2010.json");
    let Value::Object(schemas) = description["components"]["schemas"].clone() else { panic!("no schemas") };
    let schemas: Map<String, Value> =
        schemas.into_iter().map(|(name, schema)| (name, strict(schema))).collect();
    let mut root = schema.clone();
    root["components"] = json!({ "schemas": schemas });
    jsonschema::draft202012::new(&root).expect("a schema")
}

/// OpenAPI 3.0's `nullable` becomes a choice; an object has all of its properties and no others.
fn strict(schema: Value) -> Value {
    match schema {
        Value::Array(schemas) => schemas.into_iter().map(strict).collect(),
        Value::Object(schema) => {
            let mut schema: Map<String, Value> =
                schema.into_iter().map(|(name, value)| (name, strict(value))).collect();
            if let Some(Value::Object(properties)) = schema.get("properties") {
                let names: Vec<&String> = properties.keys().collect();
                let names = json!(names);
                schema.insert("required".to_owned(), names);
                schema.insert("additionalProperties".to_owned(), Value::Bool(false));
            }
            if schema.get("nullable") == Some(&Value::Bool(true)) {
                json!({ "anyOf": [schema, { "type": "null" }] })
            } else {
                Value::Object(schema)
            }
        }
        other => other,
    }
}

#[test]
fn the_recorded_answer_is_valid_and_a_wrong_one_is_not() {
    let recorded = json_fixture("send_response_201_queued.json");
    assert_message(&recorded);
    let schema = json!({ "$ref": "#/components/schemas/api.v2010.account.message" });
    for (field, wrong) in
        [("status", json!("gone")), ("sid", json!("SM1")), ("num_media", json!(0)), ("extra", json!(1))]
    {
        let mut message = recorded.clone();
        message[field] = wrong;
        assert!(!validator(&schema).is_valid(&message), "{field}");
    }
    let mut message = recorded;
    message.as_object_mut().unwrap().remove("uri");
    assert!(!validator(&schema).is_valid(&message));
}
